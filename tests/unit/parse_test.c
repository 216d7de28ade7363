/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.h on packets written by hand, byte by byte from the RFCs, each also cut at every length.
 * Random packets of all kinds are parse_scapy_test.py's, hostile bytes tests/fuzz/fuzz_parse.c's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lib/parse.h"

/* clang-format off */
#define MACS 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1
#define TYPE_IPV4 0x08, 0x00
#define TYPE_IPV6 0x86, 0xdd
#define V4_SRC 192, 0, 2, 1
#define V4_DST 198, 51, 100, 2
#define V6_SRC 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define V6_DST 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2
/* total length, fragment field (two bytes), protocol; tos 0xb8, ttl 61 */
#define IPV4(total, frag_high, frag_low, proto) \
	0x45, 0xb8, 0, total, 0, 1, frag_high, frag_low, 61, proto, 0, 0, V4_SRC, V4_DST
/* payload length, next header; traffic class 0xb8, hop limit 255 */
#define IPV6(payload, next) 0x6b, 0x80, 0, 0, 0, payload, next, 255, V6_SRC, V6_DST
/* 4660 -> 80, header length in words, SYN and ACK */
#define TCP(words) 0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, (words) << 4, 0x12, 1, 0, 0, 0, 0, 0
/* 4660 -> 53 */
#define UDP 0x12, 0x34, 0, 53, 0, 8, 0, 0
/* clang-format on */

#define TAG_100 0x81, 0x00, 0, 100
#define SERVICE_TAG_7 0x88, 0xa8, 0, 7
#define LABEL(bottom) 0, 0x01, 0x10 | (bottom), 64

#define PARSE(...) frame_parse((const __u8[]){ __VA_ARGS__ }, sizeof((const __u8[]){ __VA_ARGS__ }))

static struct pkt bytes_parse(const __u8 *bytes, size_t length, size_t wire_length)
{
	__u8 *block = malloc(length ? length : 1);
	struct cursor c = cursor_init(block, block + length);
	struct pkt p = { .len = wire_length };

	assert_non_null(block);
	memcpy(block, bytes, length);
	parse_packet(&c, &p);
	free(block);
	return p;
}

/* Whatever was found in a packet cut short is found in the whole one too, with the same value. */
static void cut_holds(const struct pkt *cut, const struct pkt *whole)
{
	const __u32 ours = PKT_MALFORMED | PKT_CUT_SHORT;

	if (cut->seen & PKT_CUT_SHORT)
		assert_true(cut->seen & PKT_MALFORMED);
	assert_int_equal(cut->seen & ~ours & ~whole->seen, 0);
	if (cut->seen & PKT_VLAN)
		assert_int_equal(cut->vlan, whole->vlan);
	if (cut->seen & PKT_IP) {
		assert_memory_equal(&cut->src, &whole->src, sizeof(cut->src));
		assert_memory_equal(&cut->dst, &whole->dst, sizeof(cut->dst));
		assert_int_equal(cut->ttl, whole->ttl);
		assert_int_equal(cut->l3_offset, whole->l3_offset);
	}
	if (cut->seen & PKT_PORTS) {
		assert_int_equal(cut->sport, whole->sport);
		assert_int_equal(cut->dport, whole->dport);
	}
	if (cut->l4_offset)
		assert_int_equal(cut->l4_offset, whole->l4_offset);
}

static struct pkt frame_parse(const __u8 *bytes, size_t length)
{
	struct pkt whole = bytes_parse(bytes, length, length);

	for (size_t n = 0; n < length; n++) {
		struct pkt cut = bytes_parse(bytes, n, length);

		cut_holds(&cut, &whole);
	}
	return whole;
}

static void addresses_are_v4(const struct pkt *p)
{
	const __u8 src[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_SRC };
	const __u8 dst[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_DST };

	assert_memory_equal(p->src.bytes, src, 16);
	assert_memory_equal(p->dst.bytes, dst, 16);
}

static void addresses_are_v6(const struct pkt *p)
{
	const __u8 src[] = { V6_SRC }, dst[] = { V6_DST };

	assert_memory_equal(p->src.bytes, src, 16);
	assert_memory_equal(p->dst.bytes, dst, 16);
}

static void ipv4_tcp_is_read_whole(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(40, 0x40, 0, 6), TCP(5));

	addresses_are_v4(&p);
	assert_int_equal(p.seen, PKT_IPV4 | PKT_PORTS | PKT_TCP);
	assert_int_equal(be16(p.sport), 4660);
	assert_int_equal(be16(p.dport), 80);
	assert_int_equal(p.tcp_flags, 0x12);
	assert_int_equal(p.ttl, 61);
	assert_int_equal(p.dscp, 46);
	assert_int_equal(p.l3_offset, 14);
	assert_int_equal(p.l4_offset, 34);
	assert_int_equal(be16(p.ethertype), 0x0800);
}

static void ipv6_udp_is_read_whole(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV6, IPV6(8, 17), UDP);

	addresses_are_v6(&p);
	assert_int_equal(p.seen, PKT_IPV6 | PKT_PORTS);
	assert_int_equal(be16(p.dport), 53);
	assert_int_equal(p.proto, 17);
	assert_int_equal(p.ttl, 255);
	assert_int_equal(p.dscp, 46);
	assert_int_equal(p.l4_offset, 54);
}

static void arp_is_only_named(void **state)
{
	struct pkt p = PARSE(MACS, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1);

	assert_int_equal(p.seen, PKT_ARP);
}

static void unknown_ethertype_is_left_alone(void **state)
{
	struct pkt p = PARSE(MACS, 0x88, 0xcc, 0x45, 0, 0, 20);

	assert_int_equal(p.seen, 0);
	assert_int_equal(be16(p.ethertype), 0x88cc);
}

static void tags_of_both_kinds_give_the_outermost_id(void **state)
{
	struct pkt p = PARSE(MACS, SERVICE_TAG_7, TAG_100, TYPE_IPV4, IPV4(28, 0, 0, 17), UDP);

	addresses_are_v4(&p);
	assert_int_equal(p.seen, PKT_IPV4 | PKT_VLAN | PKT_PORTS);
	assert_int_equal(p.vlan, 7);
	assert_int_equal(p.l3_offset, 22);
}

static void four_tags_are_read_and_five_are_too_deep(void **state)
{
	struct pkt four =
		PARSE(MACS, TAG_100, TAG_100, TAG_100, TAG_100, TYPE_IPV4, IPV4(28, 0, 0, 17), UDP);
	struct pkt five = PARSE(MACS, TAG_100, TAG_100, TAG_100, TAG_100, TAG_100, TYPE_IPV4,
				IPV4(28, 0, 0, 17), UDP);

	assert_int_equal(four.seen, PKT_IPV4 | PKT_VLAN | PKT_PORTS);
	assert_int_equal(five.seen, PKT_VLAN | PKT_TOO_DEEP);
}

/* The device has taken the outermost tag off: the same packet must meet the same limit and show the
 * same id. */
static void tag_taken_off_by_the_device_counts_as_the_outermost(void **state)
{
	const __u8 four[] = {
		MACS, TAG_100, TAG_100, TAG_100, TAG_100, TYPE_IPV4, IPV4(28, 0, 0, 17), UDP
	};
	struct cursor c = cursor_init((void *)four, (__u8 *)four + sizeof(four));
	struct pkt p = { .len = sizeof(four), .seen = PKT_VLAN, .vlan = 9 };

	parse_packet(&c, &p);
	assert_int_equal(p.seen, PKT_VLAN | PKT_TOO_DEEP);
	assert_int_equal(p.vlan, 9);
}

static void mpls_payload_is_known_by_its_first_half_byte(void **state)
{
	struct pkt v4 = PARSE(MACS, 0x88, 0x47, LABEL(0), LABEL(1), IPV4(28, 0, 0, 17), UDP);
	struct pkt v6 = PARSE(MACS, 0x88, 0x48, LABEL(1), IPV6(8, 17), UDP);
	struct pkt other = PARSE(MACS, 0x88, 0x47, LABEL(1), 0, 0, 0, 0, MACS, TYPE_IPV4);

	addresses_are_v4(&v4);
	assert_int_equal(v4.seen, PKT_IPV4 | PKT_MPLS | PKT_PORTS);
	assert_int_equal(be16(v4.ethertype), 0x0800);
	addresses_are_v6(&v6);
	assert_int_equal(v6.seen, PKT_IPV6 | PKT_MPLS | PKT_PORTS);
	assert_int_equal(other.seen, PKT_MPLS);
	assert_int_equal(be16(other.ethertype), 0x8847);
}

static void eight_labels_are_read_and_nine_are_too_deep(void **state)
{
	struct pkt eight = PARSE(MACS, 0x88, 0x47, LABEL(0), LABEL(0), LABEL(0), LABEL(0), LABEL(0),
				 LABEL(0), LABEL(0), LABEL(1), IPV4(28, 0, 0, 17), UDP);
	struct pkt nine = PARSE(MACS, 0x88, 0x47, LABEL(0), LABEL(0), LABEL(0), LABEL(0), LABEL(0),
				LABEL(0), LABEL(0), LABEL(0), LABEL(1), IPV4(28, 0, 0, 17), UDP);

	assert_int_equal(eight.seen, PKT_IPV4 | PKT_MPLS | PKT_PORTS);
	assert_int_equal(nine.seen, PKT_MPLS | PKT_TOO_DEEP);
}

static void pppoe_session_is_read_through(void **state)
{
	struct pkt v4 =
		PARSE(MACS, 0x88, 0x64, 0x11, 0, 0, 7, 0, 30, 0, 0x21, IPV4(28, 0, 0, 17), UDP);
	struct pkt v6 = PARSE(MACS, 0x88, 0x64, 0x11, 0, 0, 7, 0, 50, 0, 0x57, IPV6(8, 17), UDP);
	struct pkt lcp = PARSE(MACS, 0x88, 0x64, 0x11, 0, 0, 7, 0, 6, 0xc0, 0x21, 1, 1, 0, 4);

	addresses_are_v4(&v4);
	assert_int_equal(v4.seen, PKT_IPV4 | PKT_PORTS);
	assert_int_equal(v4.l3_offset, 22);
	addresses_are_v6(&v6);
	assert_int_equal(lcp.seen, 0);
	assert_int_equal(be16(lcp.ethertype), 0x8864);
}

/* One byte for the protocol number: the IP header then stands at an odd offset, and a list must
 * hold all the same. */
static void pppoe_with_a_compressed_protocol_is_read_through(void **state)
{
	struct pkt p = PARSE(MACS, 0x88, 0x64, 0x11, 0, 0, 7, 0, 29, 0x21, IPV4(28, 0, 0, 17), UDP);

	addresses_are_v4(&p);
	assert_int_equal(p.l3_offset, 21);
	assert_int_equal(be16(p.dport), 53);
}

static void mpls_over_pppoe_is_read_through(void **state)
{
	struct pkt p = PARSE(MACS, 0x88, 0x64, 0x11, 0, 0, 7, 0, 34, 2, 0x81, LABEL(1),
			     IPV4(28, 0, 0, 17), UDP);

	addresses_are_v4(&p);
	assert_int_equal(p.seen, PKT_IPV4 | PKT_MPLS | PKT_PORTS);
}

static void ipv4_options_move_the_transport_header(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, 0x47, 0, 0, 36, 0, 1, 0, 0, 61, 17, 0, 0, V4_SRC,
			     V4_DST, 1, 1, 1, 1, 1, 1, 1, 0, UDP);

	assert_int_equal(p.seen, PKT_IPV4 | PKT_OPTIONS | PKT_PORTS);
	assert_int_equal(p.l4_offset, 42);
	assert_int_equal(be16(p.sport), 4660);
}

static void ipv4_header_that_contradicts_itself_keeps_its_addresses(void **state)
{
	struct pkt short_ihl = PARSE(MACS, TYPE_IPV4, 0x44, 0, 0, 28, 0, 1, 0, 0, 61, 17, 0, 0,
				     V4_SRC, V4_DST, UDP);
	struct pkt short_total = PARSE(MACS, TYPE_IPV4, 0x46, 0, 0, 23, 0, 1, 0, 0, 61, 17, 0, 0,
				       V4_SRC, V4_DST, 1, 1, 1, 0, UDP);

	addresses_are_v4(&short_ihl);
	assert_int_equal(short_ihl.seen, PKT_IPV4 | PKT_MALFORMED);
	struct pkt later = PARSE(MACS, TYPE_IPV4, 0x45, 0, 0, 19, 0, 1, 0, 1, 61, 17, 0, 0, V4_SRC,
				 V4_DST, UDP);

	addresses_are_v4(&short_total);
	assert_int_equal(short_total.seen, PKT_IPV4 | PKT_OPTIONS | PKT_MALFORMED);
	assert_int_equal(later.seen, PKT_IPV4 | PKT_FRAGMENT | PKT_LATER_FRAGMENT | PKT_MALFORMED);
}

static void version_other_than_the_ethertype_says_is_malformed(void **state)
{
	struct pkt v4 = PARSE(MACS, TYPE_IPV4, IPV6(8, 17), UDP);
	struct pkt v6 = PARSE(MACS, TYPE_IPV6, IPV4(40, 0, 0, 6), TCP(5));

	assert_int_equal(v4.seen, PKT_MALFORMED);
	assert_int_equal(v6.seen, PKT_MALFORMED);
}

/* The frame is padded to 60 bytes: the bytes are there, but they are not the packet's. */
static void transport_header_in_the_padding_is_malformed(void **state)
{
	struct pkt p =
		PARSE(MACS, TYPE_IPV4, IPV4(24, 0, 0, 17), UDP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	struct pkt v6 = PARSE(MACS, TYPE_IPV6, IPV6(4, 17), UDP);

	addresses_are_v4(&p);
	assert_int_equal(p.seen, PKT_IPV4 | PKT_MALFORMED);
	assert_int_equal(p.l4_offset, 0);
	assert_int_equal(v6.seen, PKT_IPV6 | PKT_MALFORMED);
}

static void length_beyond_the_buffer_is_no_fault(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(200, 0, 0, 6), TCP(5));

	assert_int_equal(p.seen, PKT_IPV4 | PKT_PORTS | PKT_TCP);
}

static void tcp_header_length_that_cannot_be_is_malformed(void **state)
{
	struct pkt below = PARSE(MACS, TYPE_IPV4, IPV4(40, 0, 0, 6), TCP(4));
	struct pkt beyond = PARSE(MACS, TYPE_IPV4, IPV4(40, 0, 0, 6), TCP(6), 0, 0, 0, 0);

	assert_int_equal(below.seen, PKT_IPV4 | PKT_PORTS | PKT_TCP | PKT_MALFORMED);
	assert_int_equal(beyond.seen, PKT_IPV4 | PKT_PORTS | PKT_TCP | PKT_MALFORMED);
}

/* A merged packet of more than 64 KiB has no length in its header; one that small has no excuse. */
static void zero_length_is_only_right_in_a_packet_above_64_kib(void **state)
{
	const __u8 v4[] = { MACS, TYPE_IPV4, IPV4(0, 0, 0, 6), TCP(5) };
	const __u8 v6[] = { MACS, TYPE_IPV6, IPV6(0, 6), TCP(5) };

	assert_int_equal(bytes_parse(v4, sizeof(v4), 70000).seen, PKT_IPV4 | PKT_PORTS | PKT_TCP);
	assert_int_equal(bytes_parse(v6, sizeof(v6), 70000).seen, PKT_IPV6 | PKT_PORTS | PKT_TCP);
	assert_int_equal(bytes_parse(v4, sizeof(v4), sizeof(v4)).seen, PKT_IPV4 | PKT_MALFORMED);
	assert_int_equal(bytes_parse(v6, sizeof(v6), sizeof(v6)).seen, PKT_IPV6 | PKT_MALFORMED);
}

static void first_ipv4_fragment_has_ports(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(28, 0x20, 0, 17), UDP);

	assert_int_equal(p.seen, PKT_IPV4 | PKT_FRAGMENT | PKT_PORTS);
}

static void later_ipv4_fragment_has_none(void **state)
{
	struct pkt middle = PARSE(MACS, TYPE_IPV4, IPV4(28, 0x20, 1, 17), UDP);
	struct pkt last = PARSE(MACS, TYPE_IPV4, IPV4(28, 0, 1, 17), UDP);

	addresses_are_v4(&middle);
	assert_int_equal(middle.seen, PKT_IPV4 | PKT_FRAGMENT | PKT_LATER_FRAGMENT);
	assert_int_equal(last.seen, PKT_IPV4 | PKT_FRAGMENT | PKT_LATER_FRAGMENT);
	assert_int_equal(last.sport | last.dport | last.l4_offset, 0);
	assert_int_equal(last.proto, 17);
}

/* RFC 7112: a first fragment holds its whole header chain; a smaller one hides its ports. */
static void first_fragment_too_small_for_its_transport_header_is_malformed(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(28, 0x20, 0, 6), 0x12, 0x34, 0, 80, 0, 0, 0, 1);

	assert_int_equal(p.seen & ~PKT_CUT_SHORT, PKT_IPV4 | PKT_FRAGMENT | PKT_MALFORMED);
}

static void ipv6_fragments_are_told_apart(void **state)
{
	struct pkt first = PARSE(MACS, TYPE_IPV6, IPV6(16, 44), 17, 0, 0, 1, 0, 0, 0, 9, UDP);
	struct pkt later = PARSE(MACS, TYPE_IPV6, IPV6(16, 44), 17, 0, 0, 8, 0, 0, 0, 9, UDP);
	struct pkt atomic = PARSE(MACS, TYPE_IPV6, IPV6(16, 44), 17, 0, 0, 0, 0, 0, 0, 9, UDP);

	assert_int_equal(first.seen, PKT_IPV6 | PKT_OPTIONS | PKT_FRAGMENT | PKT_PORTS);
	assert_int_equal(later.seen, PKT_IPV6 | PKT_OPTIONS | PKT_FRAGMENT | PKT_LATER_FRAGMENT);
	assert_int_equal(later.proto, 17);
	assert_int_equal(later.l4_offset, 0);
	assert_int_equal(atomic.seen, PKT_IPV6 | PKT_OPTIONS | PKT_PORTS);
}

/* The reserved byte and bits of a fragment header say nothing about length or offset (RFC
 * 8200, 4.5). */
static void reserved_bits_of_a_fragment_header_are_ignored(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV6, IPV6(16, 44), 17, 0xff, 0, 6, 0, 0, 0, 9, UDP);

	assert_int_equal(p.seen, PKT_IPV6 | PKT_OPTIONS | PKT_PORTS);
	assert_int_equal(p.l4_offset, 62);
}

static void later_ipv6_fragment_is_not_read_as_more_headers(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV6, IPV6(24, 44), 60, 0, 0, 8, 0, 0, 0, 9, 17, 0, 0, 0, 0,
			     0, 0, 0, UDP);

	assert_int_equal(p.seen, PKT_IPV6 | PKT_OPTIONS | PKT_FRAGMENT | PKT_LATER_FRAGMENT);
	assert_int_equal(p.proto, 60);
}

static void extension_headers_are_stepped_over_by_their_own_lengths(void **state)
{
	struct pkt p =
		PARSE(MACS, TYPE_IPV6, IPV6(48, 0), /* hop-by-hop, 16 bytes: */ 43, 1, 1, 12, 0, 0,
		      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* routing, 8: */ 51, 0, 0, 0, 0, 0, 0, 0,
		      /* authentication, 16: */ 17, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 9, 9, 9, 9,
		      UDP);

	assert_int_equal(p.seen, PKT_IPV6 | PKT_OPTIONS | PKT_PORTS);
	assert_int_equal(p.l4_offset, 94);
	assert_int_equal(be16(p.sport), 4660);
}

#define PAD_BEFORE(next) next, 0, 1, 4, 0, 0, 0, 0

static void eight_extension_headers_are_read_and_nine_are_too_deep(void **state)
{
	struct pkt eight = PARSE(MACS, TYPE_IPV6, IPV6(72, 60), PAD_BEFORE(60), PAD_BEFORE(60),
				 PAD_BEFORE(60), PAD_BEFORE(60), PAD_BEFORE(60), PAD_BEFORE(60),
				 PAD_BEFORE(60), PAD_BEFORE(17), UDP);
	struct pkt nine = PARSE(MACS, TYPE_IPV6, IPV6(80, 60), PAD_BEFORE(60), PAD_BEFORE(60),
				PAD_BEFORE(60), PAD_BEFORE(60), PAD_BEFORE(60), PAD_BEFORE(60),
				PAD_BEFORE(60), PAD_BEFORE(60), PAD_BEFORE(17), UDP);

	assert_int_equal(eight.seen, PKT_IPV6 | PKT_OPTIONS | PKT_PORTS);
	addresses_are_v6(&nine);
	assert_int_equal(nine.seen, PKT_IPV6 | PKT_OPTIONS | PKT_TOO_DEEP);
	assert_int_equal(nine.l4_offset, 0);
}

static void authentication_header_over_ipv4_is_read_through(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(40, 0, 0, 51), 17, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0,
			     1, UDP);

	assert_int_equal(p.seen, PKT_IPV4 | PKT_OPTIONS | PKT_PORTS);
	assert_int_equal(p.proto, 17);
}

/* Protocols 0, 43, 44, 60 are nothing in IPv4; taking them for headers would invent ports. */
static void ipv6_extension_number_over_ipv4_is_a_plain_protocol(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(36, 0, 0, 60), PAD_BEFORE(17), UDP);

	assert_int_equal(p.seen, PKT_IPV4);
	assert_int_equal(p.proto, 60);
}

static void encrypted_payload_stops_the_chain(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV6, IPV6(8, 50), 0, 0, 0, 1, 0, 0, 0, 2);

	assert_int_equal(p.seen, PKT_IPV6);
	assert_int_equal(p.proto, 50);
	assert_int_equal(p.l4_offset, 54);
}

static void no_next_header_stops_the_chain(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV6, IPV6(8, 60), PAD_BEFORE(59));

	struct pkt beyond = PARSE(MACS, TYPE_IPV6, IPV6(8, 60), 59, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0,
				  0, 0, 0, 0);

	assert_int_equal(p.seen, PKT_IPV6 | PKT_OPTIONS);
	assert_int_equal(p.l4_offset, 0);
	assert_int_equal(beyond.seen, PKT_IPV6 | PKT_OPTIONS | PKT_MALFORMED);
}

static void sctp_and_dccp_need_twelve_bytes_for_their_ports(void **state)
{
	struct pkt sctp = PARSE(MACS, TYPE_IPV4, IPV4(32, 0, 0, 132), UDP, 0, 0, 0, 0);
	struct pkt dccp = PARSE(MACS, TYPE_IPV4, IPV4(32, 0, 0, 33), UDP, 0, 0, 0, 0);
	struct pkt cut = PARSE(MACS, TYPE_IPV4, IPV4(31, 0, 0, 132), UDP, 0, 0, 0, 0);

	assert_int_equal(sctp.seen, PKT_IPV4 | PKT_PORTS);
	assert_int_equal(dccp.seen, PKT_IPV4 | PKT_PORTS);
	assert_int_equal(cut.seen, PKT_IPV4 | PKT_MALFORMED);
}

static void icmp_gives_type_and_code(void **state)
{
	struct pkt p = PARSE(MACS, TYPE_IPV4, IPV4(28, 0, 0, 1), 3, 4, 0, 0, 0, 0, 5, 0xdc);

	assert_int_equal(p.seen, PKT_IPV4 | PKT_ICMP);
	assert_int_equal(p.icmp_type, 3);
	assert_int_equal(p.icmp_code, 4);
}

static void icmp_of_the_other_version_is_a_plain_protocol(void **state)
{
	struct pkt v4 = PARSE(MACS, TYPE_IPV4, IPV4(28, 0, 0, 58), 135, 0, 0, 0, 0, 0, 0, 0);
	struct pkt v6 = PARSE(MACS, TYPE_IPV6, IPV6(8, 1), 8, 0, 0, 0, 0, 0, 0, 0);

	assert_int_equal(v4.seen, PKT_IPV4);
	assert_int_equal(v6.seen, PKT_IPV6);
}

/* `edges`: types 132 to 138 around discovery's 133 to 137. */
static void neighbour_discovery_is_types_133_to_137(void **state)
{
	for (int type = 132; type <= 138; type++) {
		struct pkt p = PARSE(MACS, TYPE_IPV6, IPV6(8, 58), type, 0, 0, 0, 0, 0, 0, 0);

		assert_int_equal(!!(p.seen & PKT_NEIGHBOUR), type != 132 && type != 138);
	}
}

static void neighbour_discovery_that_was_routed_coded_or_cut_up_is_plain_icmp(void **state)
{
	struct pkt routed = PARSE(MACS, TYPE_IPV6, 0x60, 0, 0, 0, 0, 8, 58, 254, V6_SRC, V6_DST,
				  135, 0, 0, 0, 0, 0, 0, 0);
	struct pkt coded = PARSE(MACS, TYPE_IPV6, IPV6(8, 58), 135, 1, 0, 0, 0, 0, 0, 0);
	struct pkt fragment = PARSE(MACS, TYPE_IPV6, IPV6(16, 44), 58, 0, 0, 1, 0, 0, 0, 9, 135, 0,
				    0, 0, 0, 0, 0, 0);

	assert_int_equal(routed.seen, PKT_IPV6 | PKT_ICMP);
	assert_int_equal(coded.seen, PKT_IPV6 | PKT_ICMP);
	assert_int_equal(fragment.seen, PKT_IPV6 | PKT_ICMP | PKT_OPTIONS | PKT_FRAGMENT);
}

static void device_without_link_header_starts_at_ip(void **state)
{
	const __u8 packet[] = { IPV6(8, 17), UDP };
	struct cursor c = cursor_init((void *)packet, (__u8 *)packet + sizeof(packet));
	struct pkt p = { .len = sizeof(packet) };

	parse_ip(&c, &p, be16(0x86dd));
	addresses_are_v6(&p);
	assert_int_equal(p.seen, PKT_IPV6 | PKT_PORTS);
	assert_int_equal(p.l3_offset, 0);
	assert_int_equal(p.l4_offset, 40);
}

/* The longest chain of headers there can be stays below the cursor's mask, and is still read right.
 */
static void longest_chain_of_the_longest_headers_is_read(void **state)
{
	enum {
		EXTENSION = 2048,
		CHAIN = 8 * EXTENSION
	};
	const __u8 head[] = { MACS, TAG_100, TAG_100, TAG_100, TAG_100, TYPE_IPV6, IPV6(0, 0) };
	const __u8 udp[] = { UDP };
	__u8 *frame = calloc(1, sizeof(head) + CHAIN + sizeof(udp));

	assert_non_null(frame);
	memcpy(frame, head, sizeof(head));
	frame[30 + 4] = (CHAIN + 8) >> 8;
	frame[30 + 5] = (CHAIN + 8) & 0xff;
	for (int n = 0; n < 8; n++) {
		frame[sizeof(head) + n * EXTENSION] = n == 7 ? 17 : 60;
		frame[sizeof(head) + n * EXTENSION + 1] = 255;
	}
	memcpy(frame + sizeof(head) + CHAIN, udp, sizeof(udp));

	struct pkt p = bytes_parse(frame, sizeof(head) + CHAIN + sizeof(udp),
				   sizeof(head) + CHAIN + sizeof(udp));

	free(frame);
	assert_int_equal(p.seen, PKT_IPV6 | PKT_VLAN | PKT_OPTIONS | PKT_PORTS);
	assert_int_equal(p.l4_offset, sizeof(head) + CHAIN);
	assert_int_equal(be16(p.dport), 53);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_tcp_is_read_whole),
		cmocka_unit_test(ipv6_udp_is_read_whole),
		cmocka_unit_test(arp_is_only_named),
		cmocka_unit_test(unknown_ethertype_is_left_alone),
		cmocka_unit_test(tags_of_both_kinds_give_the_outermost_id),
		cmocka_unit_test(four_tags_are_read_and_five_are_too_deep),
		cmocka_unit_test(tag_taken_off_by_the_device_counts_as_the_outermost),
		cmocka_unit_test(mpls_payload_is_known_by_its_first_half_byte),
		cmocka_unit_test(eight_labels_are_read_and_nine_are_too_deep),
		cmocka_unit_test(pppoe_session_is_read_through),
		cmocka_unit_test(pppoe_with_a_compressed_protocol_is_read_through),
		cmocka_unit_test(mpls_over_pppoe_is_read_through),
		cmocka_unit_test(ipv4_options_move_the_transport_header),
		cmocka_unit_test(ipv4_header_that_contradicts_itself_keeps_its_addresses),
		cmocka_unit_test(version_other_than_the_ethertype_says_is_malformed),
		cmocka_unit_test(transport_header_in_the_padding_is_malformed),
		cmocka_unit_test(length_beyond_the_buffer_is_no_fault),
		cmocka_unit_test(tcp_header_length_that_cannot_be_is_malformed),
		cmocka_unit_test(zero_length_is_only_right_in_a_packet_above_64_kib),
		cmocka_unit_test(first_ipv4_fragment_has_ports),
		cmocka_unit_test(later_ipv4_fragment_has_none),
		cmocka_unit_test(first_fragment_too_small_for_its_transport_header_is_malformed),
		cmocka_unit_test(ipv6_fragments_are_told_apart),
		cmocka_unit_test(reserved_bits_of_a_fragment_header_are_ignored),
		cmocka_unit_test(later_ipv6_fragment_is_not_read_as_more_headers),
		cmocka_unit_test(extension_headers_are_stepped_over_by_their_own_lengths),
		cmocka_unit_test(eight_extension_headers_are_read_and_nine_are_too_deep),
		cmocka_unit_test(authentication_header_over_ipv4_is_read_through),
		cmocka_unit_test(ipv6_extension_number_over_ipv4_is_a_plain_protocol),
		cmocka_unit_test(encrypted_payload_stops_the_chain),
		cmocka_unit_test(no_next_header_stops_the_chain),
		cmocka_unit_test(sctp_and_dccp_need_twelve_bytes_for_their_ports),
		cmocka_unit_test(icmp_gives_type_and_code),
		cmocka_unit_test(icmp_of_the_other_version_is_a_plain_protocol),
		cmocka_unit_test(neighbour_discovery_is_types_133_to_137),
		cmocka_unit_test(neighbour_discovery_that_was_routed_coded_or_cut_up_is_plain_icmp),
		cmocka_unit_test(device_without_link_header_starts_at_ip),
		cmocka_unit_test(longest_chain_of_the_longest_headers_is_read),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
