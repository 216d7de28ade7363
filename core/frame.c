/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a synthetic packet, written from the specifications (RFC 791, 8200, 9293, 768, 792,
 * 4302, 4340, 4443, 9260). */
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
#include <string.h>

#include "base/cleanup.h"

#define PAYLOAD_BYTES 8
#define LATER_FRAGMENT_OFFSET 64 /* in units of 8 bytes */
#define VLAN_TAG_BYTES 4
#define DCCP_REQUEST_BYTES 20
#define SCTP_HEADER_BYTES 12
#define SCTP_INIT_BYTES 20
#define AH_BYTES 24 /* with 12 bytes of check value */

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

static void ports_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	uint16_t ports[2] = { htons(spec->sport), htons(spec->dport) };

	memcpy(at, ports, sizeof(ports));
}

static void tcp_build(const struct weir_frame_spec *spec, unsigned char *at, size_t len)
{
	struct tcphdr *tcp = (void *)at;

	ports_build(spec, at);
	tcp->doff = sizeof(*tcp) / 4;
	at[13] = spec->tcp_flags;
	tcp->window = htons(65535);
	tcp->check = checksum_finish(checksum_add(pseudo_header(spec, len), at, len));
}

static void udp_build(const struct weir_frame_spec *spec, unsigned char *at, size_t len)
{
	struct udphdr *udp = (void *)at;

	ports_build(spec, at);
	udp->len = htons((uint16_t)len);
	udp->check = checksum_finish(checksum_add(pseudo_header(spec, len), at, len));
	if (!udp->check) /* 0 would say that there is none */
		udp->check = 0xffff;
}

static void icmp_build(const struct weir_frame_spec *spec, unsigned char *at, size_t len)
{
	uint32_t sum = spec->proto == IPPROTO_ICMPV6 ? pseudo_header(spec, len) : 0;
	uint16_t check;

	at[0] = spec->icmp_type;
	at[1] = spec->icmp_code;
	check = checksum_finish(checksum_add(sum, at, len));
	memcpy(at + 2, &check, sizeof(check));
}

/* An INIT (RFC 9260, 3.3.2): it bears no tag, and gives one, a window of the least size, a stream
 * each way and a first number. */
static void sctp_build(const struct weir_frame_spec *spec, unsigned char *at, size_t len)
{
	static const unsigned char init[SCTP_INIT_BYTES] = {
		1, 0, 0, SCTP_INIT_BYTES, 0, 0, 0, 1, 0, 0, 1500 >> 8, 1500 & 0xff, 0, 1, 0, 1, 0,
		0, 0, 1,
	};

	ports_build(spec, at);
	memcpy(at + SCTP_HEADER_BYTES, init, sizeof(init));
}

/* A DCCP-Request: data offset 5 words, 48-bit sequence numbers (X), which it must have. */
static void dccp_build(const struct weir_frame_spec *spec, unsigned char *at, size_t len)
{
	uint16_t check;

	ports_build(spec, at);
	at[4] = DCCP_REQUEST_BYTES / 4;
	at[8] = 1;
	check = checksum_finish(checksum_add(pseudo_header(spec, len), at, len));
	memcpy(at + 6, &check, sizeof(check));
}

/* Nothing follows it: zeros would make it name a hop-by-hop header. */
static void ah_build(const struct weir_frame_spec *spec, unsigned char *at, size_t len)
{
	at[0] = IPPROTO_NONE;
	at[1] = AH_BYTES / 4 - 2;
}

struct transport {
	uint8_t proto;
	bool has_ports;
	size_t header, payload; /* bytes; the payload is that of a packet of natural length */
	void (*build)(const struct weir_frame_spec *spec, unsigned char *at, size_t len);
};

static const struct transport transports[] = {
	{ IPPROTO_TCP, true, sizeof(struct tcphdr), 0, tcp_build },
	{ IPPROTO_UDP, true, sizeof(struct udphdr), PAYLOAD_BYTES, udp_build },
	{ IPPROTO_UDPLITE, true, sizeof(struct udphdr), PAYLOAD_BYTES, udp_build },
	{ IPPROTO_ICMP, false, sizeof(struct icmphdr), PAYLOAD_BYTES, icmp_build },
	{ IPPROTO_ICMPV6, false, sizeof(struct icmp6_hdr), PAYLOAD_BYTES, icmp_build },
	{ IPPROTO_SCTP, true, SCTP_HEADER_BYTES + SCTP_INIT_BYTES, 0, sctp_build },
	{ IPPROTO_DCCP, true, DCCP_REQUEST_BYTES, 0, dccp_build },
	{ IPPROTO_AH, false, AH_BYTES, 0, ah_build },
};

static const struct transport *transport_of(const struct weir_frame_spec *spec)
{
	static const struct transport other = { .payload = 2 * PAYLOAD_BYTES };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(transports); i++)
		if (transports[i].proto == spec->proto)
			return &transports[i];
	return &other;
}

/* Of IP, an IPv6 fragment header among it. */
static size_t ip_header(const struct weir_frame_spec *spec)
{
	if (weir_addr_is_v4(&spec->src))
		return sizeof(struct iphdr);
	return sizeof(struct ip6_hdr) + (spec->fragment ? sizeof(struct ip6_frag) : 0);
}

static size_t headers(const struct weir_frame_spec *spec)
{
	bool has_transport = spec->fragment != WEIR_FRAGMENT_LATER;

	return ip_header(spec) + (has_transport ? transport_of(spec)->header : 0);
}

/* Bytes after ip_header(). All fragments but the last carry a multiple of 8. */
static size_t payload_length(const struct weir_frame_spec *spec)
{
	const struct transport *transport = transport_of(spec);
	size_t natural = transport->header + transport->payload;

	if (spec->length)
		return spec->length - ip_header(spec);
	if (spec->fragment == WEIR_FRAGMENT_LATER)
		return PAYLOAD_BYTES;
	return spec->fragment == WEIR_FRAGMENT_FIRST ? (natural + 7) / 8 * 8 : natural;
}

static size_t transport_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	const struct transport *transport = transport_of(spec);
	size_t len = payload_length(spec);

	if (transport->build && spec->fragment != WEIR_FRAGMENT_LATER)
		transport->build(spec, at, len);
	return len;
}

static size_t ipv4_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	static const uint16_t fragments[] = {
		[WEIR_FRAGMENT_NONE] = IP_DF,
		[WEIR_FRAGMENT_FIRST] = IP_MF,
		[WEIR_FRAGMENT_LATER] = LATER_FRAGMENT_OFFSET,
	};
	struct iphdr *ip = (void *)at;
	size_t len = sizeof(*ip) + transport_build(spec, at + sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = (uint8_t)(spec->dscp << 2);
	ip->tot_len = htons((uint16_t)len);
	ip->frag_off = htons(fragments[spec->fragment]);
	ip->ttl = spec->ttl;
	ip->protocol = spec->proto;
	memcpy(&ip->saddr, spec->src.bytes + 12, 4);
	memcpy(&ip->daddr, spec->dst.bytes + 12, 4);
	ip->check = checksum_finish(checksum_add(0, ip, sizeof(*ip)));
	return len;
}

static size_t ipv6_build(const struct weir_frame_spec *spec, unsigned char *at)
{
	struct ip6_hdr *ip = (void *)at;
	size_t before = ip_header(spec);
	size_t len = before + transport_build(spec, at + before);

	ip->ip6_flow = htonl(6u << 28 | (uint32_t)spec->dscp << 22);
	ip->ip6_plen = htons((uint16_t)(len - sizeof(*ip)));
	ip->ip6_nxt = spec->proto;
	ip->ip6_hlim = spec->ttl;
	memcpy(&ip->ip6_src, spec->src.bytes, 16);
	memcpy(&ip->ip6_dst, spec->dst.bytes, 16);
	if (spec->fragment) {
		struct ip6_frag *fragment = (void *)(ip + 1);
		bool is_first = spec->fragment == WEIR_FRAGMENT_FIRST;

		ip->ip6_nxt = IPPROTO_FRAGMENT;
		fragment->ip6f_nxt = spec->proto;
		fragment->ip6f_offlg =
			is_first ? IP6F_MORE_FRAG : htons(LATER_FRAGMENT_OFFSET << 3);
	}
	return len;
}

static size_t link_header(const struct weir_frame_spec *spec)
{
	return ETH_HLEN + (spec->vlan ? VLAN_TAG_BYTES : 0);
}

static int length_check(const struct weir_frame_spec *spec, struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	size_t least = headers(spec), most = WEIR_FRAME_BYTES - link_header(spec);

	if (!spec->length || (spec->length >= least && spec->length <= most))
		return 0;
	weir_buf_addf(&mend, "write %zu to %zu", least, most);
	return weir_diag_key(diag, "length", weir_buf_str(&mend), "%u bytes are %s", spec->length,
			     spec->length < least ? "fewer than the headers of such a packet" :
						    "more than a packet can be tried with");
}

static int given_check(const struct weir_frame_spec *spec, struct weir_diag *diag)
{
	bool is_icmp = spec->proto == IPPROTO_ICMP || spec->proto == IPPROTO_ICMPV6;
	const struct {
		unsigned given;
		bool fits;
		const char *key, *what, *mend;
	} rows[] = {
		{ WEIR_FRAME_TCP_FLAGS, spec->proto == IPPROTO_TCP, "tcp-flags",
		  "only TCP has flags", "leave it out, or write tcp as the protocol" },
		{ WEIR_FRAME_ICMP_TYPE, is_icmp, "icmp-type", "only ICMP has types",
		  "leave it out, or write icmp as the protocol" },
		{ WEIR_FRAME_ICMP_CODE, is_icmp, "icmp-code", "only ICMP has codes",
		  "leave it out, or write icmp as the protocol" },
		{ WEIR_FRAME_PORTS, transport_of(spec)->has_ports, spec->dport ? "dport" : "sport",
		  "this protocol has no ports", "leave it out" },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++)
		if (spec->given & rows[i].given && !rows[i].fits)
			r = weir_diag_key(diag, rows[i].key, rows[i].mend, "%s", rows[i].what);
	return r;
}

int weir_frame_complete(struct weir_frame_spec *spec, struct weir_diag *diag)
{
	bool v4 = weir_addr_is_v4(&spec->src);
	int r = given_check(spec, diag), bad_length = length_check(spec, diag);

	if (v4 != weir_addr_is_v4(&spec->dst))
		r = weir_diag_key(diag, "dst", "write both as v4 or both as v6",
				  "src and dst are of different families");
	if (r || bad_length)
		return -EINVAL;
	if (!(spec->given & WEIR_FRAME_TCP_FLAGS))
		spec->tcp_flags = 0x02; /* SYN: the packet most questions are about */
	if (!(spec->given & WEIR_FRAME_ICMP_TYPE))
		spec->icmp_type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	if (!(spec->given & WEIR_FRAME_TTL))
		spec->ttl = IPDEFTTL;
	return 0;
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
