/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: hostile bytes through parse.h, and through parse_inner.h where that is asked: of an
 * ICMP error, of a SYN. Any read past the buffer is the sanitizers' to find; here stands what must
 * be true of struct pkt whatever the bytes are. Input: three bytes of choice, then the packet.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/lib/parse_inner.h"

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

/* How the packet is handed over: what the hook would know beforehand. */
struct choice {
	__u8 link;     /* bits 0-1: Ethernet, or a device without link header and its EtherType */
	__u8 tag;      /* odd: the device took a tag off */
	__u8 wire_kib; /* bytes on the wire beyond those in the buffer */
};

static struct pkt choice_parse(const struct choice *choice, const __u8 *bytes, size_t length)
{
	static const __u16 ethertypes[] = { 0, WIRE_IPV4, WIRE_IPV6, WIRE_MPLS };
	struct cursor c = cursor_init((void *)bytes, (__u8 *)bytes + length);
	struct pkt p = { .len = length + choice->wire_kib * 1024u };
	__u16 ethertype = ethertypes[choice->link & 3];

	if (choice->tag & 1) {
		p.seen = PKT_VLAN;
		p.vlan = 42;
	}
	if (ethertype)
		parse_ip(&c, &p, be16(ethertype));
	else
		parse_packet(&c, &p);
	return p;
}

/* Nothing that was found lies outside the buffer. */
static void offsets_are_inside(const struct pkt *p, size_t length)
{
	__u32 seen = p->seen;

	if (p->ethertype && !(seen & PKT_MALFORMED))
		REQUIRE(p->l3_offset <= length);
	if (seen & PKT_IPV4)
		REQUIRE(p->l3_offset + 20u <= length);
	if (seen & PKT_IPV6)
		REQUIRE(p->l3_offset + 40u <= length);
	if (p->l4_offset)
		REQUIRE(p->l4_offset >= p->l3_offset + 20u && p->l4_offset <= length);
	if (seen & (PKT_PORTS | PKT_ICMP))
		REQUIRE(p->l4_offset && p->l4_offset + 8u <= length);
	if (seen & PKT_TCP)
		REQUIRE(p->l4_offset + 20u <= length);
}

static void seen_is_consistent(const struct pkt *p)
{
	__u32 seen = p->seen;

	REQUIRE((seen & PKT_IP) != PKT_IP);
	if (!(seen & PKT_IP))
		REQUIRE(!(seen & (PKT_FRAGMENT | PKT_LATER_FRAGMENT | PKT_PORTS | PKT_TCP |
				  PKT_ICMP | PKT_NEIGHBOUR | PKT_OPTIONS)) &&
			!p->l4_offset);
	if (seen & PKT_IPV4)
		REQUIRE(p->ethertype == be16(WIRE_IPV4));
	if (seen & PKT_IPV6)
		REQUIRE(p->ethertype == be16(WIRE_IPV6));
	if (seen & PKT_ARP)
		REQUIRE(p->ethertype == be16(WIRE_ARP) && !(seen & (PKT_IP | PKT_MPLS)));
	if (seen & PKT_LATER_FRAGMENT)
		REQUIRE(seen & PKT_FRAGMENT && !p->l4_offset &&
			!(seen & (PKT_PORTS | PKT_TCP | PKT_ICMP)));
	if (seen & PKT_TOO_DEEP)
		REQUIRE(!p->l4_offset && !(seen & (PKT_PORTS | PKT_ICMP)));
	if (seen & PKT_CUT_SHORT)
		REQUIRE(seen & PKT_MALFORMED);
	if (!(seen & PKT_VLAN))
		REQUIRE(p->vlan == 0);
	REQUIRE(p->vlan <= 4095);
	REQUIRE(!p->inner_vlan || (seen & PKT_VLAN && p->inner_vlan >> 12 == 1));
}

static void transport_is_consistent(const struct pkt *p)
{
	__u32 seen = p->seen;

	if (seen & PKT_TCP)
		REQUIRE(p->proto == 6 && seen & PKT_PORTS);
	else
		REQUIRE(p->tcp_flags == 0);
	if (seen & PKT_PORTS)
		REQUIRE(p->proto == 6 || p->proto == 17 || p->proto == 33 || p->proto == 132 ||
			p->proto == 136);
	else
		REQUIRE(p->sport == 0 && p->dport == 0);
	if (seen & PKT_ICMP)
		REQUIRE(p->proto == (seen & PKT_IPV4 ? 1 : 58));
	else
		REQUIRE(p->icmp_type == 0 && p->icmp_code == 0);
	if (seen & PKT_NEIGHBOUR)
		REQUIRE(seen & PKT_ICMP && seen & PKT_IPV6 && p->ttl == 255 &&
			!(seen & PKT_FRAGMENT));
}

/* The addresses are those of the header at l3_offset: read here a second way, by plain byte
 * arithmetic. */
static void addresses_are_the_headers(const struct pkt *p, const __u8 *bytes)
{
	static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff };
	const __u8 *ip = bytes + p->l3_offset;

	if (p->seen & PKT_IPV4) {
		REQUIRE(ip[0] >> 4 == 4 && p->ttl == ip[8]);
		REQUIRE(!memcmp(p->src.bytes, mapped, 12) &&
			!memcmp(p->src.bytes + 12, ip + 12, 4));
		REQUIRE(!memcmp(p->dst.bytes, mapped, 12) &&
			!memcmp(p->dst.bytes + 12, ip + 16, 4));
	} else if (p->seen & PKT_IPV6) {
		REQUIRE(ip[0] >> 4 == 6 && p->ttl == ip[7]);
		REQUIRE(!memcmp(p->src.bytes, ip + 8, 16) && !memcmp(p->dst.bytes, ip + 24, 16));
	} else {
		static const __u8 none[16];

		REQUIRE(!memcmp(p->src.bytes, none, 16) && !memcmp(p->dst.bytes, none, 16));
	}
	if (p->seen & PKT_PORTS)
		REQUIRE(!memcmp(&p->sport, bytes + p->l4_offset, 2) &&
			!memcmp(&p->dport, bytes + p->l4_offset + 2, 2));
}

/* What the lists go by does not depend on how much of the rest there is. */
static void cut_keeps_the_addresses(const struct choice *choice, const struct pkt *p,
				    const __u8 *bytes)
{
	size_t length = p->l3_offset + (p->seen & PKT_IPV4 ? 20u : 40u);
	__u8 *block = malloc(length);

	if (!block)
		return;
	memcpy(block, bytes, length);
	struct pkt cut = choice_parse(choice, block, length);

	free(block);
	REQUIRE((cut.seen & PKT_IP) == (p->seen & PKT_IP));
	REQUIRE(!memcmp(&cut.src, &p->src, sizeof(p->src)) &&
		!memcmp(&cut.dst, &p->dst, sizeof(p->dst)));
}

static bool is_icmp_error(const struct pkt *p)
{
	if (!(p->seen & PKT_ICMP))
		return false;
	return p->seen & PKT_IPV6 ? p->icmp_type >= 1 && p->icmp_type <= 4 :
				    (p->icmp_type >= 3 && p->icmp_type <= 5) ||
					    p->icmp_type == 11 || p->icmp_type == 12;
}

/* What was found lies in the buffer, behind the header of the error. */
static void embedded_is_inside(const struct pkt *p, const __u8 *bytes, size_t length)
{
	struct cursor c = cursor_init((void *)bytes, (__u8 *)bytes + length);
	struct pkt inner = { 0 };
	bool found = parse_embedded(&c, &inner, p);
	size_t ip = p->l4_offset + 8u;

	REQUIRE((inner.seen & PKT_IP) != PKT_IP);
	if (inner.seen & PKT_IP)
		REQUIRE((inner.seen & PKT_IP) == (p->seen & PKT_IP));
	if (inner.seen & PKT_IPV4)
		REQUIRE(ip + 20 <= length && !memcmp(inner.src.bytes + 12, bytes + ip + 12, 4) &&
			!memcmp(inner.dst.bytes + 12, bytes + ip + 16, 4));
	if (inner.seen & PKT_IPV6)
		REQUIRE(ip + 40 <= length && !memcmp(inner.src.bytes, bytes + ip + 8, 16) &&
			!memcmp(inner.dst.bytes, bytes + ip + 24, 16));
	if (!found) {
		REQUIRE(!inner.sport && !inner.dport && !(inner.seen & PKT_ICMP));
		return;
	}
	REQUIRE(inner.seen & PKT_IP && c.offset >= ip + 20);
	if (inner.seen & (PKT_PORTS | PKT_ICMP))
		REQUIRE(c.offset + 8u <= length && c.offset + 8u <= p->l3_offset + p->ip_len);
	if (inner.seen & PKT_PORTS)
		REQUIRE(!memcmp(&inner.sport, bytes + c.offset, 2) &&
			!memcmp(&inner.dport, bytes + c.offset + 2, 2));
	else
		REQUIRE(!inner.sport && !inner.dport);
	if (inner.seen & PKT_ICMP)
		REQUIRE(inner.proto == (inner.seen & PKT_IPV4 ? 1 : 58) &&
			inner.icmp_type == bytes[c.offset]);
}

/* A scale is the value of an option of the header: a third byte behind "3, 3". */
static void scale_is_inside(const struct pkt *p, const __u8 *bytes, size_t length)
{
	struct cursor c = cursor_init((void *)bytes, (__u8 *)bytes + length);
	int scale = parse_window_scale(&c, p);
	size_t at = p->l4_offset + 20u, end = p->l4_offset + p->tcp_words * 4u;
	bool is_there = false;

	REQUIRE(scale >= -1 && scale <= 14);
	for (; scale >= 0 && at + 3 <= end && at + 3 <= length; at++)
		is_there |= bytes[at] == 3 && bytes[at + 1] == 3 &&
			    (bytes[at + 2] == scale || (scale == 14 && bytes[at + 2] > 14));
	REQUIRE(scale < 0 || is_there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < sizeof(struct choice))
		return 0;
	struct choice choice = { data[0], data[1], data[2] };
	const __u8 *bytes = data + sizeof(choice);
	size_t length = size - sizeof(choice);
	struct pkt p = choice_parse(&choice, bytes, length);

	offsets_are_inside(&p, length);
	seen_is_consistent(&p);
	transport_is_consistent(&p);
	addresses_are_the_headers(&p, bytes);
	if (p.seen & PKT_IP)
		cut_keeps_the_addresses(&choice, &p, bytes);
	if (is_icmp_error(&p))
		embedded_is_inside(&p, bytes, length);
	if (p.seen & PKT_TCP)
		scale_is_inside(&p, bytes, length);
	return 0;
}
