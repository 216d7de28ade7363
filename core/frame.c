/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a synthetic packet, written from the specifications (RFC 791, 8200, 9293, 768, 792,
 * 4443, 9260). */
#include "frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PAYLOAD_BYTES 8
#define LATER_FRAGMENT_OFFSET 64 /* in units of 8 bytes */

int weir_proto_from_string(const char *text, bool v4, uint8_t *ret_proto)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} names[] = {
		{ "tcp", IPPROTO_TCP },		{ "udp", IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP },	{ "gre", IPPROTO_GRE },
		{ "esp", IPPROTO_ESP },		{ "icmpv6", IPPROTO_ICMPV6 },
		{ "udplite", IPPROTO_UDPLITE },
	};
	char *end;

	if (strcmp(text, "icmp") == 0) {
		*ret_proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		return 0;
	}
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i].name) == 0) {
			*ret_proto = names[i].proto;
			return 0;
		}
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number > 255)
		return -EINVAL;
	*ret_proto = (uint8_t)number;
	return 0;
}

/* One's complement sum of 16-bit words (RFC 1071), not yet folded. */
static uint32_t checksum_add(uint32_t sum, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static uint16_t checksum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint32_t pseudo_header(const struct weir_frame_spec *spec, size_t len)
{
	size_t skip = weir_addr_is_v4(&spec->src) ? 12 : 0;
	uint32_t sum = checksum_add(0, spec->src.bytes + skip, 16 - skip);

	return checksum_add(sum, spec->dst.bytes + skip, 16 - skip) + spec->proto + (uint32_t)len;
}

static size_t tcp_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	struct tcphdr *tcp = (void *)at;

	tcp->source = htons(spec->sport);
	tcp->dest = htons(spec->dport);
	tcp->doff = sizeof(*tcp) / 4;
	at[13] = spec->tcp_flags;
	tcp->window = htons(65535);
	tcp->check =
		checksum_finish(checksum_add(pseudo_header(spec, sizeof(*tcp)), tcp, sizeof(*tcp)));
	return sizeof(*tcp);
}

static size_t udp_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	struct udphdr *udp = (void *)at;
	size_t len = sizeof(*udp) + PAYLOAD_BYTES;

	udp->source = htons(spec->sport);
	udp->dest = htons(spec->dport);
	udp->len = htons((uint16_t)len);
	udp->check = checksum_finish(checksum_add(pseudo_header(spec, len), udp, len));
	if (!udp->check) /* 0 would say that there is none */
		udp->check = 0xffff;
	return len;
}

static size_t icmp_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	size_t len = sizeof(struct icmphdr) + PAYLOAD_BYTES;
	uint32_t sum = spec->proto == IPPROTO_ICMPV6 ? pseudo_header(spec, len) : 0;
	uint16_t check;

	at[0] = spec->icmp_type;
	at[1] = spec->icmp_code;
	check = checksum_finish(checksum_add(sum, at, len));
	memcpy(at + 2, &check, sizeof(check));
	return len;
}

static size_t transport_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	uint16_t ports[2] = { htons(spec->sport), htons(spec->dport) };

	if (spec->later_fragment)
		return PAYLOAD_BYTES;
	switch (spec->proto) {
	case IPPROTO_TCP:
		return tcp_build(spec, at);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return udp_build(spec, at);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return icmp_build(spec, at);
	case IPPROTO_SCTP:
		memcpy(at, ports, sizeof(ports));
		return 12 + PAYLOAD_BYTES;
	default:
		return 2 * PAYLOAD_BYTES;
	}
}

static size_t ipv4_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	struct iphdr *ip = (void *)at;
	size_t len = sizeof(*ip) + transport_build(spec, at + sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons((uint16_t)len);
	ip->frag_off = spec->later_fragment ? htons(LATER_FRAGMENT_OFFSET) : htons(IP_DF);
	ip->ttl = 64;
	ip->protocol = spec->proto;
	memcpy(&ip->saddr, spec->src.bytes + 12, 4);
	memcpy(&ip->daddr, spec->dst.bytes + 12, 4);
	ip->check = checksum_finish(checksum_add(0, ip, sizeof(*ip)));
	return len;
}

static size_t ipv6_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	struct ip6_hdr *ip = (void *)at;
	size_t before = spec->later_fragment ? sizeof(struct ip6_frag) : 0;
	size_t payload = before + transport_build(spec, at + sizeof(*ip) + before);

	ip->ip6_flow = htonl(6u << 28);
	ip->ip6_plen = htons((uint16_t)payload);
	ip->ip6_nxt = spec->proto;
	ip->ip6_hlim = 64;
	memcpy(&ip->ip6_src, spec->src.bytes, 16);
	memcpy(&ip->ip6_dst, spec->dst.bytes, 16);
	if (spec->later_fragment) {
		struct ip6_frag *fragment = (void *)(ip + 1);

		ip->ip6_nxt = IPPROTO_FRAGMENT;
		fragment->ip6f_nxt = spec->proto;
		fragment->ip6f_offlg = htons(LATER_FRAGMENT_OFFSET << 3);
	}
	return sizeof(*ip) + payload;
}

size_t weir_frame_build(const struct weir_frame_spec *spec, unsigned char frame[WEIR_FRAME_BYTES])
{
	static const unsigned char macs[12] = { 0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2 };
	bool v4 = weir_addr_is_v4(&spec->src);
	uint16_t ethertype = htons(v4 ? ETH_P_IP : ETH_P_IPV6),
		 tag[2] = { htons(ETH_P_8021Q), htons(spec->vlan) };
	unsigned char packet[WEIR_FRAME_BYTES] __attribute__((
		aligned(8))) = {}; /* behind a link header nothing would be aligned */
	size_t len = v4 ? ipv4_build(spec, packet) : ipv6_build(spec, packet), at = sizeof(macs);

	memset(frame, 0, WEIR_FRAME_BYTES);
	memcpy(frame, macs, sizeof(macs));
	if (spec->vlan) {
		memcpy(frame + at, tag, sizeof(tag));
		at += sizeof(tag);
	}
	memcpy(frame + at, &ethertype, sizeof(ethertype));
	at += sizeof(ethertype);
	memcpy(frame + at, packet, len);
	return at + len;
}
