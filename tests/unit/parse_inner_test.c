/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_inner.h on packets written by hand, byte by byte from the RFCs. Each buffer is a block of
 * its own, cut at every length, so that a read past its end is the sanitizers' to find.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lib/parse_inner.h"

/* clang-format off */
#define MACS 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1
#define TYPE_IPV4 0x08, 0x00
#define TYPE_IPV6 0x86, 0xdd
#define V4_ROUTER 203, 0, 113, 9
#define V4_SRC 192, 0, 2, 1
#define V4_DST 198, 51, 100, 2
#define V6_ROUTER 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9
#define V6_SRC 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define V6_DST 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2
/* The packet an error is about, sent by SRC to DST: header words, total length, fragment field,
 * protocol. */
#define INNER_IPV4(words, total, frag_high, frag_low, proto) \
	0x40 | (words), 0, (total) >> 8, (total) & 255, 0, 1, frag_high, frag_low, 1, proto, 0, 0, \
	V4_SRC, V4_DST
#define INNER_IPV6(next) 0x60, 0, 0, 0, 5, 0, next, 1, V6_SRC, V6_DST
/* The error itself, from the router to SRC: 203 bytes of room, port unreachable. */
#define ERROR_IPV4 MACS, TYPE_IPV4, 0x45, 0, 0, 203, 0, 1, 0, 0, 64, 1, 0, 0, V4_ROUTER, V4_SRC, \
	3, 3, 0, 0, 0, 0, 0, 0
#define ERROR_IPV6 MACS, TYPE_IPV6, 0x60, 0, 0, 0, 0, 203, 58, 64, V6_ROUTER, V6_SRC, \
	1, 4, 0, 0, 0, 0, 0, 0
/* 4660 -> 53 */
#define PORTS 0x12, 0x34, 0, 53
#define REST 0, 0, 0, 0
/* 4660 -> 80, a SYN with a header of so many words */
#define SYN(words) 0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, (words) << 4, 2, 1, 0, 0, 0, 0, 0
#define IPV4(total) 0x45, 0, 0, total, 0, 1, 0, 0, 64, 6, 0, 0, V4_SRC, V4_DST
/* Options: kind, length, value. */
#define MSS 2, 4, 5, 180
#define SACK 4, 2
#define TIMES 8, 10, 0, 0, 0, 1, 0, 0, 0, 0
#define NOP 1
#define END 0
#define SCALE(value) 3, 3, value
/* clang-format on */

#define COUNT(...) sizeof((const __u8[]){ __VA_ARGS__ })
#define EMBEDDED(...) embedded_parse((const __u8[]){ __VA_ARGS__ }, COUNT(__VA_ARGS__))
/* Of a SYN with these options, which fill its header. */
#define SCALE_OF(...)                                                               \
	scale_parse((const __u8[]){ MACS, TYPE_IPV4, IPV4(40 + COUNT(__VA_ARGS__)), \
				    SYN(5 + COUNT(__VA_ARGS__) / 4), __VA_ARGS__ }, \
		    54 + COUNT(__VA_ARGS__))

struct inner {
	struct pkt pkt;
	bool found;
};

static __u8 *block_of(const __u8 *bytes, size_t length)
{
	__u8 *block = malloc(length ? length : 1);

	assert_non_null(block);
	memcpy(block, bytes, length);
	return block;
}

static struct pkt outer_parse(__u8 *block, size_t length, size_t wire_length)
{
	struct cursor c = cursor_init(block, block + length);
	struct pkt p = { .len = wire_length };

	parse_packet(&c, &p);
	return p;
}

/* The first `length` bytes of a packet whose outer headers are there. */
static struct inner embedded_cut(const __u8 *bytes, size_t length, size_t wire_length)
{
	__u8 *block = block_of(bytes, length);
	struct pkt outer = outer_parse(block, length, wire_length);
	struct cursor c = cursor_init(block, block + length);
	struct inner inner = { 0 };

	assert_true(outer.seen & PKT_ICMP);
	inner.found = parse_embedded(&c, &inner.pkt, &outer);
	free(block);
	return inner;
}

/* A packet that is cut shorter is found as it is in the whole one, or not. */
static struct inner embedded_parse(const __u8 *bytes, size_t length)
{
	size_t headers = bytes[12] == 0x08 ? 42 : 62;
	struct inner whole = embedded_cut(bytes, length, length);

	for (size_t n = headers; n < length; n++) {
		struct inner cut = embedded_cut(bytes, n, length);

		assert_true(whole.found || !cut.found);
		if (!cut.found)
			continue;
		assert_memory_equal(&cut.pkt.src, &whole.pkt.src, sizeof(cut.pkt.src));
		assert_memory_equal(&cut.pkt.dst, &whole.pkt.dst, sizeof(cut.pkt.dst));
		assert_int_equal(cut.pkt.sport, whole.pkt.sport);
		assert_int_equal(cut.pkt.dport, whole.pkt.dport);
	}
	return whole;
}

static int scale_cut(const __u8 *bytes, size_t length, size_t wire_length)
{
	__u8 *block = block_of(bytes, length);
	struct pkt p = outer_parse(block, length, wire_length);
	struct cursor c = cursor_init(block, block + length);
	int scale = -2;

	if (p.seen & PKT_TCP)
		scale = parse_window_scale(&c, &p);
	free(block);
	return scale;
}

static int scale_parse(const __u8 *bytes, size_t length)
{
	int whole = scale_cut(bytes, length, length);

	for (size_t n = 54; n < length; n++) {
		int cut = scale_cut(bytes, n, length);

		assert_true(cut == -1 || cut == whole);
	}
	assert_true(whole >= -1);
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

/* --- the packet an ICMP error holds ------------------------------------------------------ */

static void embedded_ipv4_is_read(void **state)
{
	struct inner inner = EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 1500, 0, 0, 17), PORTS, REST);

	assert_true(inner.found);
	addresses_are_v4(&inner.pkt);
	assert_true(inner.pkt.seen & PKT_IPV4);
	assert_int_equal(inner.pkt.proto, 17);
	assert_int_equal(be16(inner.pkt.sport), 4660);
	assert_int_equal(be16(inner.pkt.dport), 53);
}

static void embedded_ipv6_is_read(void **state)
{
	struct inner inner = EMBEDDED(ERROR_IPV6, INNER_IPV6(6), PORTS, REST);

	assert_true(inner.found);
	addresses_are_v6(&inner.pkt);
	assert_true(inner.pkt.seen & PKT_IPV6);
	assert_int_equal(inner.pkt.proto, 6);
	assert_int_equal(be16(inner.pkt.sport), 4660);
	assert_int_equal(be16(inner.pkt.dport), 53);
}

static void embedded_ports_follow_options_and_extensions(void **state)
{
	struct inner v4 =
		EMBEDDED(ERROR_IPV4, INNER_IPV4(6, 1500, 0, 0, 17), 1, 1, 1, 0, PORTS, REST);
	/* hop-by-hop, of 8 bytes */
	struct inner v6 = EMBEDDED(ERROR_IPV6, INNER_IPV6(0), 17, 0, 1, 4, 0, 0, 0, 0, PORTS, REST);

	assert_true(v4.found);
	assert_int_equal(be16(v4.pkt.sport), 4660);
	assert_true(v6.found);
	assert_int_equal(v6.pkt.proto, 17);
	assert_int_equal(be16(v6.pkt.sport), 4660);
}

static void embedded_request_has_type_and_identifier(void **state)
{
	struct inner v4 =
		EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 84, 0, 0, 1), 8, 0, 0, 0, 0xab, 0xcd, 0, 1);
	struct inner v6 = EMBEDDED(ERROR_IPV6, INNER_IPV6(58), 128, 0, 0, 0, 0xab, 0xcd, 0, 1);

	assert_true(v4.found && v6.found);
	assert_true(v4.pkt.seen & PKT_ICMP && v6.pkt.seen & PKT_ICMP);
	assert_int_equal(v4.pkt.icmp_type, 8);
	assert_int_equal(v6.pkt.icmp_type, 128);
	assert_int_equal(be16(v4.pkt.icmp_id), 0xabcd);
	assert_int_equal(be16(v6.pkt.icmp_id), 0xabcd);
}

/* ICMP in IPv6, ICMPv6 in IPv4: no requests of theirs. */
static void embedded_icmp_of_the_other_version_is_none(void **state)
{
	struct inner v4 = EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 84, 0, 0, 58), 128, 0, 0, 0, REST);
	struct inner v6 = EMBEDDED(ERROR_IPV6, INNER_IPV6(1), 8, 0, 0, 0, REST);

	assert_false(v4.pkt.seen & PKT_ICMP);
	assert_false(v6.pkt.seen & PKT_ICMP);
}

static void embedded_first_fragment_is_read(void **state)
{
	struct inner v4 = EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 1500, 0x20, 0, 17), PORTS, REST);
	struct inner v6 =
		EMBEDDED(ERROR_IPV6, INNER_IPV6(44), 17, 0, 0, 1, 0, 0, 0, 7, PORTS, REST);

	assert_true(v4.found && v6.found);
	assert_int_equal(be16(v4.pkt.dport), 53);
	assert_int_equal(be16(v6.pkt.dport), 53);
}

static void embedded_later_fragment_has_no_ports(void **state)
{
	struct inner v4 = EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 1500, 0x20, 185, 17), PORTS, REST);
	struct inner v6 =
		EMBEDDED(ERROR_IPV6, INNER_IPV6(44), 17, 0, 5, 0xc9, 0, 0, 0, 7, PORTS, REST);

	assert_false(v4.found);
	assert_false(v6.found);
}

static void embedded_packet_that_is_cut_short_is_none(void **state)
{
	assert_false(EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 1500, 0, 0, 17), PORTS, 0, 0, 0).found);
	assert_false(EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 1500, 0, 0, 17)).found);
	assert_false(EMBEDDED(ERROR_IPV4, 0x45, 0, 5).found);
	assert_false(EMBEDDED(ERROR_IPV6, INNER_IPV6(17), PORTS).found);
	assert_false(EMBEDDED(ERROR_IPV6, 0x60).found);
}

/* 27 bytes are not room for 20 of header and 8 behind. */
static void embedded_packet_that_says_it_is_shorter_is_none(void **state)
{
	assert_false(EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 27, 0, 0, 17), PORTS, REST).found);
	assert_true(EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 28, 0, 0, 17), PORTS, REST).found);
	assert_false(EMBEDDED(ERROR_IPV4, INNER_IPV4(4, 1500, 0, 0, 17), PORTS, REST).found);
}

/* GRE has none where others have theirs. */
static void embedded_packet_without_ports_is_read_without_them(void **state)
{
	struct inner v4 = EMBEDDED(ERROR_IPV4, INNER_IPV4(5, 1500, 0, 0, 47), 0x20, 0, 8, 0, REST);
	struct inner v6 = EMBEDDED(ERROR_IPV6, INNER_IPV6(50), 0, 0, 16, 1);

	assert_true(v4.found && v6.found);
	assert_int_equal(v4.pkt.proto, 47);
	assert_int_equal(v6.pkt.proto, 50);
	assert_int_equal(v4.pkt.sport | v4.pkt.dport | v6.pkt.sport | v6.pkt.dport, 0);
	assert_false((v4.pkt.seen | v6.pkt.seen) & PKT_PORTS);
}

/* The error ends before the bytes that are there: 20 + 8 of its own, 27 of the other packet. */
static void embedded_packet_ends_with_the_error(void **state)
{
	__u8 bytes[] = { ERROR_IPV4, INNER_IPV4(5, 1500, 0, 0, 17), PORTS, REST };

	bytes[17] = 20 + 8 + 28;
	assert_true(embedded_parse(bytes, sizeof(bytes)).found);
	bytes[17] = 20 + 8 + 27;
	assert_false(embedded_parse(bytes, sizeof(bytes)).found);
}

static void embedded_packet_of_the_other_version_is_none(void **state)
{
	assert_false(EMBEDDED(ERROR_IPV4, INNER_IPV6(17), PORTS, REST).found);
	assert_false(
		EMBEDDED(ERROR_IPV6, INNER_IPV4(5, 1500, 0, 0, 17), PORTS, REST, REST, REST, REST)
			.found);
}

/* --- the window scale -------------------------------------------------------------------- */

static void scale_is_read_behind_other_options(void **state)
{
	assert_int_equal(SCALE_OF(MSS, SACK, TIMES, NOP, SCALE(7)), 7);
	assert_int_equal(SCALE_OF(MSS, NOP, SCALE(6), NOP, NOP, TIMES, SACK, END, END), 6);
	assert_int_equal(SCALE_OF(SCALE(2), END), 2);
	assert_int_equal(SCALE_OF(NOP, NOP, NOP, NOP, NOP, SCALE(0)), 0);
}

static void scale_at_the_very_end_is_read(void **state)
{
	assert_int_equal(SCALE_OF(NOP, SCALE(9)), 9);
	assert_int_equal(SCALE_OF(TIMES, TIMES, TIMES, MSS, SACK, NOP, SCALE(14)), 14);
}

static void scale_above_14_is_14(void **state)
{
	assert_int_equal(SCALE_OF(NOP, SCALE(14)), 14);
	assert_int_equal(SCALE_OF(NOP, SCALE(15)), 14);
	assert_int_equal(SCALE_OF(NOP, SCALE(255)), 14);
}

static void syn_without_the_option_has_no_scale(void **state)
{
	const __u8 bare[] = { MACS, TYPE_IPV4, IPV4(40), SYN(5) };

	assert_int_equal(scale_parse(bare, sizeof(bare)), -1);
	assert_int_equal(SCALE_OF(MSS), -1);
	assert_int_equal(SCALE_OF(MSS, NOP, NOP, SACK), -1);
	assert_int_equal(SCALE_OF(TIMES, TIMES, TIMES, TIMES), -1);
}

static void options_that_are_all_filling_end(void **state)
{
	assert_int_equal(SCALE_OF(NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
				  NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
				  NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
				  NOP),
			 -1);
}

static void option_behind_the_end_is_not_read(void **state)
{
	assert_int_equal(SCALE_OF(END, SCALE(7)), -1);
	assert_int_equal(SCALE_OF(MSS, END, SCALE(7)), -1);
}

static void option_of_no_length_ends_the_search(void **state)
{
	assert_int_equal(SCALE_OF(8, 0, SCALE(7), SCALE(7)), -1);
	/* One byte is no room for the length itself. */
	assert_int_equal(SCALE_OF(8, 1, SCALE(7), SCALE(7)), -1);
}

static void option_of_another_length_is_no_scale(void **state)
{
	assert_int_equal(SCALE_OF(3, 4, 7, 0), -1);
	assert_int_equal(SCALE_OF(3, 2, SCALE(7), NOP, NOP, NOP), 7);
}

static void option_longer_than_the_header_ends_the_search(void **state)
{
	assert_int_equal(SCALE_OF(8, 40, SCALE(7), SCALE(7)), -1);
	assert_int_equal(SCALE_OF(8, 255, SCALE(7), SCALE(7)), -1);
}

static void option_without_its_value_is_not_read(void **state)
{
	assert_int_equal(SCALE_OF(NOP, NOP, 3, 3), -1);
	assert_int_equal(SCALE_OF(NOP, NOP, NOP, 3), -1);
}

/* The bytes are there, but data: the header has 5 words. */
static void data_is_not_taken_for_options(void **state)
{
	const __u8 data[] = { MACS, TYPE_IPV4, IPV4(44), SYN(5), NOP, SCALE(7) };
	const __u8 after[] = { MACS, TYPE_IPV4, IPV4(48), SYN(6), NOP, NOP, 3, 3, 7, 0, 0, 0 };

	assert_int_equal(scale_parse(data, sizeof(data)), -1);
	assert_int_equal(scale_parse(after, sizeof(after)), -1);
}

/* --- SCTP -------------------------------------------------------------------------------- */

/* Ports, verification tag, checksum; then the chunk: type, flags, length, initiate tag. */
static const __u8 sctp_init[] = { MACS, TYPE_IPV4, IPV4(40), PORTS, 0x12, 0x34, 0x56, 0x78, REST,
				  1,	9,	   0,	     20,    0x87, 0x65, 0x43, 0x21 };
#define SCTP_AT 34

/* Of the first `size` bytes. */
static struct pkt chunk_parse(size_t size)
{
	__u8 *bytes = malloc(size);
	struct pkt p = { .l4_offset = SCTP_AT };

	assert_non_null(bytes);
	memcpy(bytes, sctp_init, size);
	struct cursor c = cursor_init(bytes, bytes + size);

	parse_chunk(&c, &p);
	free(bytes);
	return p;
}

static void chunk_has_its_tags_and_flags_as_far_as_it_goes(void **state)
{
	(void)state;
	for (size_t size = SCTP_AT; size <= sizeof(sctp_init); size++) {
		struct pkt p = chunk_parse(size);

		assert_int_equal(p.sctp_tag, size >= SCTP_AT + 12 ? 0x12345678 : 0);
		assert_int_equal(p.chunk_flags, size >= SCTP_AT + 16 ? 9 : 0);
		assert_int_equal(p.sctp_initiate, size >= SCTP_AT + 20 ? 0x87654321 : 0);
	}
}

/* In words, the last of which overlaps the one before. */
static void frame_is_taken_whole_or_not_at_all(void **state)
{
	unsigned char frame[64], taken[64];

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(i + 1);
	for (__u32 bytes = 8; bytes <= sizeof(frame); bytes++) {
		struct cursor c = cursor_init(frame, frame + bytes);

		memset(taken, 0, sizeof(taken));
		assert_true(parse_frame(&c, taken, bytes, sizeof(taken)));
		assert_memory_equal(taken, frame, bytes);
		for (size_t i = bytes; i < sizeof(taken); i++)
			assert_int_equal(taken[i], 0);
		c = cursor_init(frame, frame + bytes - 1);
		assert_false(parse_frame(&c, taken, bytes, sizeof(taken)));
		c = cursor_init(frame, frame + bytes);
		if (bytes > 56)
			assert_false(parse_frame(&c, taken, bytes, 56));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_is_taken_whole_or_not_at_all),
		cmocka_unit_test(embedded_ipv4_is_read),
		cmocka_unit_test(embedded_ipv6_is_read),
		cmocka_unit_test(embedded_ports_follow_options_and_extensions),
		cmocka_unit_test(embedded_request_has_type_and_identifier),
		cmocka_unit_test(embedded_icmp_of_the_other_version_is_none),
		cmocka_unit_test(embedded_first_fragment_is_read),
		cmocka_unit_test(embedded_later_fragment_has_no_ports),
		cmocka_unit_test(embedded_packet_that_is_cut_short_is_none),
		cmocka_unit_test(embedded_packet_that_says_it_is_shorter_is_none),
		cmocka_unit_test(embedded_packet_without_ports_is_read_without_them),
		cmocka_unit_test(embedded_packet_ends_with_the_error),
		cmocka_unit_test(embedded_packet_of_the_other_version_is_none),
		cmocka_unit_test(scale_is_read_behind_other_options),
		cmocka_unit_test(scale_at_the_very_end_is_read),
		cmocka_unit_test(scale_above_14_is_14),
		cmocka_unit_test(syn_without_the_option_has_no_scale),
		cmocka_unit_test(options_that_are_all_filling_end),
		cmocka_unit_test(option_behind_the_end_is_not_read),
		cmocka_unit_test(option_of_no_length_ends_the_search),
		cmocka_unit_test(option_of_another_length_is_no_scale),
		cmocka_unit_test(option_longer_than_the_header_ends_the_search),
		cmocka_unit_test(option_without_its_value_is_not_read),
		cmocka_unit_test(data_is_not_taken_for_options),
		cmocka_unit_test(chunk_has_its_tags_and_flags_as_far_as_it_goes),
	};

	return cmocka_run_group_tests_name("parse-inner", tests, NULL, NULL);
}
