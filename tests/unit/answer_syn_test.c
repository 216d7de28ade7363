/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to SYNs, byte for byte as scapy builds them; and what is read of a SYN's options. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lib/answer_syn.h"

#define NUMBER 0xe1234567

/* IP(10.0.0.1 > 10.0.0.2) / TCP(1000 > 4000, SYN, seq 100), its options as Linux sends them. */
static const __u8 syn[] = {
	0x45, 0x00, 0x00, 0x3c, 0x00, 0x01, 0x00, 0x00, 0x40, 0x06, 0x66, 0xb9, 0x0a, 0x00, 0x00,
	0x01, 0x0a, 0x00, 0x00, 0x02, 0x03, 0xe8, 0x0f, 0xa0, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00,
	0x00, 0x00, 0xa0, 0x02, 0x20, 0x00, 0xfc, 0x3b, 0x00, 0x00, 0x02, 0x04, 0x05, 0x84, 0x04,
	0x02, 0x08, 0x0a, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07
};

static struct pkt syn_packet(void)
{
	struct pkt p = {
		.len = sizeof(syn),
		.ip_len = sizeof(syn),
		.seen = PKT_IPV4 | PKT_PORTS | PKT_TCP,
		.sport = be16(1000),
		.dport = be16(4000),
		.l4_offset = 20,
		.proto = PROTO_TCP,
		.tcp_flags = TCP_SYN,
		.tcp_seq = 100,
		.tcp_words = 10,
		.reject = WEIR_REJECT_SYN_ACK,
	};

	p.src.be32[2] = p.dst.be32[2] = be32(0xffff);
	p.src.be32[3] = be32(0x0a000001);
	p.dst.be32[3] = be32(0x0a000002);
	return p;
}

static struct pkt syn_packet6(void)
{
	struct pkt p = syn_packet();

	p.seen = PKT_IPV6 | PKT_PORTS | PKT_TCP;
	p.src = (struct weir_addr){ .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	p.dst = (struct weir_addr){ .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 2 } };
	return p;
}

static const struct syn_answer whole = {
	.told = { .stamp = 0x01020304, .mss = 1412, .scale = 7, .sack = 1, .time = 1 },
	.offer = { .enabled = 1, .scale = 9, .sack = 1, .time = 1, .mss4 = 1460, .mss6 = 1440 },
	.seq = NUMBER,
	.clock_ms = 0x1234567f,
};

static void is_answered(const struct pkt *p, const struct syn_answer *with, const __u8 *wanted,
			size_t length)
{
	struct answer a = { 0 };

	memset(a.quote, 0xaa, sizeof(a.quote)); /* what was taken of the SYN leaves nothing */
	assert_true(answer_syn_ack(p, &a, with));
	assert_int_equal(a.length, length);
	assert_memory_equal(a.bytes + a.start, wanted, length);
}

static void answer_has_all_that_both_sides_can(void **state)
{
	static const __u8 wanted[] = { 0x45, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06,
				       0x26, 0xba, 0x0a, 0x00, 0x00, 0x02, 0x0a, 0x00, 0x00, 0x01,
				       0x0f, 0xa0, 0x03, 0xe8, 0xe1, 0x23, 0x45, 0x67, 0x00, 0x00,
				       0x00, 0x65, 0xa0, 0x12, 0xff, 0xff, 0x8c, 0xe2, 0x00, 0x00,
				       0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x12, 0x34,
				       0x56, 0x57, 0x01, 0x02, 0x03, 0x04, 0x01, 0x03, 0x03, 0x09 };
	struct pkt p = syn_packet();

	(void)state;
	is_answered(&p, &whole, wanted, sizeof(wanted));
}

static void answer_offers_no_more_than_the_client(void **state)
{
	static const __u8 wanted[] = { 0x45, 0x00, 0x00, 0x38, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06,
				       0x26, 0xbe, 0x0a, 0x00, 0x00, 0x02, 0x0a, 0x00, 0x00, 0x01,
				       0x0f, 0xa0, 0x03, 0xe8, 0xe1, 0x23, 0x45, 0x67, 0x00, 0x00,
				       0x00, 0x65, 0x90, 0x12, 0xff, 0xff, 0xa3, 0xfb, 0x00, 0x00,
				       0x02, 0x04, 0x05, 0xb4, 0x01, 0x01, 0x08, 0x0a, 0x12, 0x34,
				       0x56, 0x4f, 0x01, 0x02, 0x03, 0x04 };
	struct syn_answer with = whole;
	struct pkt p = syn_packet();

	(void)state;
	with.told.scale = WEIR_COOKIE_NO_SCALE;
	with.told.sack = 0;
	is_answered(&p, &with, wanted, sizeof(wanted));
	with = whole;
	with.offer.scale = WEIR_COOKIE_NO_SCALE; /* nor than this host */
	with.offer.sack = 0;
	is_answered(&p, &with, wanted, sizeof(wanted));
}

static void answer_without_time_stamps_has_a_size_alone(void **state)
{
	static const __u8 wanted[] = { 0x60, 0x00, 0x00, 0x00, 0x00, 0x18, 0x06, 0x40, 0x20, 0x01,
				       0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
				       0x00, 0x00, 0x00, 0x02, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00,
				       0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
				       0x0f, 0xa0, 0x03, 0xe8, 0xe1, 0x23, 0x45, 0x67, 0x00, 0x00,
				       0x00, 0x65, 0x60, 0x12, 0xff, 0xff, 0x02, 0x3e, 0x00, 0x00,
				       0x02, 0x04, 0x05, 0xa0 };
	struct syn_answer with = whole;
	struct pkt p = syn_packet6();

	(void)state;
	with.told.time = 0;
	is_answered(&p, &with, wanted, sizeof(wanted));
}

static bool options_are_read(const __u8 *bytes, size_t length, struct tcp_told *ret_told)
{
	struct answer a = { .quoted = 40 + length };
	struct pkt p = syn_packet();

	memcpy(a.quote, syn, 40);
	memcpy(a.quote + 40, bytes, length);
	p.tcp_words = TCP_WORDS_MIN + length / 4;
	return told_read(&p, &a, ret_told);
}

static void options_of_linux_are_read(void **state)
{
	struct tcp_told told;

	(void)state;
	assert_true(options_are_read(syn + 40, 20, &told));
	assert_int_equal(told.mss, 1412);
	assert_int_equal(told.scale, 7);
	assert_int_equal(told.stamp, 0x01020304);
	assert_int_equal(told.echo, 0);
	assert_true(told.sack && told.time);
}

/* NOPs, an unknown option, and the scale in the last three bytes. */
static void options_in_any_order_are_read(void **state)
{
	static const __u8 bytes[] = { 1, 1, 1, 254, 4, 9, 9, 4, 2, 2, 4, 5, 0xb4, 3, 3, 15 };
	struct tcp_told told;

	(void)state;
	assert_true(options_are_read(bytes, sizeof(bytes), &told));
	assert_int_equal(told.mss, 1460);
	assert_int_equal(told.scale, 14); /* RFC 7323, 2.3: more is 14 */
	assert_true(told.sack && !told.time);
}

static void damaged_options_end_what_is_read(void **state)
{
	static const __u8 no_length[] = { 254, 0, 2, 4, 5, 0xb4, 1, 1 },
			  too_long[] = { 8, 10, 1, 2, 3, 4, 5, 6 },
			  ended[] = { 0, 2, 4, 5, 0xb4, 0, 0, 0 },
			  wrong_length[] = { 2, 3, 5, 3, 4, 7, 1, 1 };
	struct tcp_told told;

	(void)state;
	assert_true(options_are_read(no_length, sizeof(no_length), &told));
	assert_int_equal(told.mss, 0);
	assert_true(options_are_read(too_long, sizeof(too_long), &told));
	assert_false(told.time);
	assert_true(options_are_read(ended, sizeof(ended), &told));
	assert_int_equal(told.mss, 0);
	assert_true(options_are_read(wrong_length, sizeof(wrong_length), &told));
	assert_int_equal(told.mss, 0);
	assert_int_equal(told.scale, WEIR_COOKIE_NO_SCALE);
}

static void header_that_is_not_there_whole_is_not_read(void **state)
{
	struct answer a = { .quoted = 59 };
	struct pkt p = syn_packet();
	struct tcp_told told;

	(void)state;
	assert_false(told_read(&p, &a, &told));
	a.quoted = 60;
	assert_true(told_read(&p, &a, &told));
}

static void sizes_are_rounded_down(void **state)
{
	(void)state;
	assert_int_equal(cookie_size(true, cookie_size_of(true, 1)), 536);
	assert_int_equal(cookie_size(true, cookie_size_of(true, 1299)), 536);
	assert_int_equal(cookie_size(true, cookie_size_of(true, 1300)), 1300);
	assert_int_equal(cookie_size(true, cookie_size_of(true, 1452)), 1440);
	assert_int_equal(cookie_size(true, cookie_size_of(true, 65535)), 1460);
	assert_int_equal(cookie_size(false, cookie_size_of(false, 1219)), 1220);
	assert_int_equal(cookie_size(false, cookie_size_of(false, 1440)), 1440);
	assert_int_equal(cookie_size(false, cookie_size_of(false, 8940)), 8940);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_has_all_that_both_sides_can),
		cmocka_unit_test(answer_offers_no_more_than_the_client),
		cmocka_unit_test(answer_without_time_stamps_has_a_size_alone),
		cmocka_unit_test(options_of_linux_are_read),
		cmocka_unit_test(options_in_any_order_are_read),
		cmocka_unit_test(damaged_options_end_what_is_read),
		cmocka_unit_test(header_that_is_not_there_whole_is_not_read),
		cmocka_unit_test(sizes_are_rounded_down),
	};

	return cmocka_run_group_tests_name("answer_syn", tests, NULL, NULL);
}
