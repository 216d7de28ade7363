/* SPDX-License-Identifier: Apache-2.0 */
/* The presets. What a figure is for stands beside it, and is printed with it. */
#include "base/cleanup.h"
#include "features/limit/limit_state.h"

#define T(words) ((char *)(words))
#define EACH_SOURCE T("source/32,/64")
#define EACH_NETWORK T("source/24,/48")
#define TCP .proto = LIMIT_PROTO_TCP
#define UDP .proto = LIMIT_PROTO_UDP

static const struct limit_preset_row web_rows[] = {
	{ { .name = T("web-connections"),
	    TCP,
	    .dport = T("80, 443"),
	    .per = EACH_SOURCE,
	    .connections = T("50/s"),
	    .burst = 200 },
	  "A browser opens 6 connections a host at once: 200 are an office behind one address." },
	{ { .name = T("web-networks"),
	    TCP,
	    .dport = T("80, 443"),
	    .per = EACH_NETWORK,
	    .connections = T("400/s"),
	    .burst = 2000 },
	  "Of a network of 256 addresses, eight as busy as one may be." },
	{ { .name = T("web-quic"),
	    UDP,
	    .dport = T("443"),
	    .per = EACH_SOURCE,
	    .packets = T("10k/s"),
	    .burst = 20000 },
	  "An upload of 100 Mbit/s is 9,000 packets a second of 1,400 bytes." },
};

static const struct limit_preset_row dns_rows[] = {
	{ { .name = T("dns-queries"),
	    UDP,
	    .dport = T("53"),
	    .per = EACH_SOURCE,
	    .packets = T("100/s"),
	    .burst = 500 },
	  "A person's device asks some 10 a second when a page opens. Allow-list large "
	  "resolvers." },
	{ { .name = T("dns-tcp"),
	    TCP,
	    .dport = T("53, 853"),
	    .per = EACH_SOURCE,
	    .connections = T("20/s"),
	    .burst = 100 },
	  "TCP is asked after a cut-off answer, one in ten at most; DoT keeps its connection." },
};

static const struct limit_preset_row game_rows[] = {
	{ { .name = T("game-packets"),
	    UDP,
	    .dport = T("7777-7787, 19132-19133, 27000-27100, 30120"),
	    .per = T("source/32,/64 + service"),
	    .packets = T("300/s"),
	    .burst = 600 },
	  "The fastest servers take 128 updates a second of a player: twice that, and some." },
	{ { .name = T("game-bytes"),
	    UDP,
	    .dport = T("7777-7787, 19132-19133, 27000-27100, 30120"),
	    .per = T("source/32,/64 + service"),
	    .bytes = T("256KiB/s"),
	    .burst_bytes = { .text = T("512KiB"), .value = 512 << 10 } },
	  "A player sends below 100 kB a second, voice included." },
	{ { .name = T("game-joins"),
	    TCP,
	    .dport = T("25565, 30120"),
	    .per = EACH_SOURCE,
	    .connections = T("5/s"),
	    .burst = 20 },
	  "A player joins once; a list of servers that is refreshed asks each some times." },
};

static const struct limit_preset_row ssh_rows[] = {
	{ { .name = T("ssh-connections"),
	    TCP,
	    .dport = T("22"),
	    .per = EACH_SOURCE,
	    .connections = T("10/m"),
	    .burst = 20 },
	  "A person, or a deployment that opens 20 at once; who guesses passwords needs "
	  "thousands." },
	{ { .name = T("ssh-networks"),
	    TCP,
	    .dport = T("22"),
	    .per = EACH_NETWORK,
	    .connections = T("60/m"),
	    .burst = 60 },
	  "Guessers that take turns with their addresses: six as busy as one may be." },
};

static const struct limit_preset_row icmp_rows[] = {
	{ { .name = T("icmp"),
	    .proto = LIMIT_PROTO_ICMP,
	    .per = EACH_SOURCE,
	    .packets = T("10/s"),
	    .burst = 50 },
	  "ping asks once a second, a traceroute 30 times; errors of path MTU come one a flow." },
};

/*
 * By destination, since a reflected flood comes from thousands of sources that are each slow. A
 * later fragment has no ports, and is not held to these.
 */
static const struct limit_preset_row amplification_rows[] = {
	{ { .name = T("amplification-dns"),
	    UDP,
	    .sport = T("53"),
	    .per = T("destination"),
	    .bytes = T("4MiB/s"),
	    .burst_bytes = { .text = T("8MiB"), .value = 8 << 20 } },
	  "53 DNS, 54 times the bytes: a busy resolver gets 10,000 answers a second of 400." },
	{ { .name = T("amplification-ntp"),
	    UDP,
	    .sport = T("123"),
	    .per = T("destination"),
	    .packets = T("100/s"),
	    .burst = 200 },
	  "123 NTP, 556 times: a client asks 4 servers once in 16 s or less; monlist sends 100." },
	{ { .name = T("amplification-managed"),
	    UDP,
	    .sport = T("161, 389"),
	    .per = T("destination"),
	    .packets = T("1000/s"),
	    .burst = 2000 },
	  "161 SNMP, 6 times; 389 CLDAP, 56 times: some hundred answers while a network is "
	  "polled." },
	{ { .name = T("amplification-local"),
	    UDP,
	    .sport = T("137, 1900, 3702, 5353, 5683, 10001"),
	    .per = T("destination"),
	    .packets = T("100/s"),
	    .burst = 200 },
	  "137 NetBIOS, 1900 SSDP, 3702 WSD, 5353 mDNS, 5683 CoAP, 10001: found once, near by." },
	{ { .name = T("amplification-never"),
	    UDP,
	    .sport = T("17, 19, 69, 111, 520, 3283, 11211"),
	    .per = T("destination"),
	    .packets = T("10/s"),
	    .burst = 50 },
	  "17 QOTD, 19 chargen, 69 TFTP, 111 portmap, 520 RIP, 3283, 11211 memcached: no one "
	  "asks." },
};

#define PRESET(what, words)                                           \
	{                                                             \
		.name = #what, .summary = words, .rows = what##_rows, \
		.count = WEIR_ARRAY_SIZE(what##_rows)                 \
	}

const struct limit_preset limit_presets[] = {
	PRESET(web, "HTTP servers: new connections, and the packets of HTTP/3"),
	PRESET(dns, "DNS servers: queries, and connections"),
	PRESET(game, "game servers: packets and bytes of each player, and joins"),
	PRESET(ssh, "SSH servers: new connections"),
	PRESET(icmp, "ICMP and ICMPv6: 10 packets a second of each source, 50 at once"),
	PRESET(amplification, "answers that nobody asked for, of servers that make much of little"),
	{ 0 },
};
