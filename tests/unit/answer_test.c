/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of answer.h on figures from elsewhere: the example of RFC 1071, and packets that
 * scapy built. Whole answers to all kinds of packets are tests/datapath/reject_bpf_test.py's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lib/answer.h"

#define V4(a, b, c, d)                                                   \
	{                                                                \
		.bytes = { [10] = 0xff, [11] = 0xff, [12] = a, b, c, d } \
	}
#define V6(last)                                             \
	{                                                    \
		.bytes = { 0x20, 1, 0xd, 0xb8, [15] = last } \
	}

static __u64 bytes_sum(const __u8 *bytes, size_t count)
{
	struct answer a = { 0 };

	memcpy(a.bytes, bytes, count);
	return sum_words(&a, 0, ANSWER_WORDS);
}

static void sum_is_that_of_rfc_1071(void **state)
{
	(void)state;
	const __u8 bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	assert_int_equal(be16(sum_fold(bytes_sum(bytes, sizeof(bytes)))), 0x220d);
}

static void sum_of_an_odd_byte_counts_it_as_the_high_one(void **state)
{
	(void)state;
	const __u8 bytes[] = { 0x12, 0x34, 0x56 };

	assert_int_equal(be16(sum_fold(bytes_sum(bytes, sizeof(bytes)))), 0xffff - 0x1234 - 0x5600);
}

static void fold_brings_every_carry_home(void **state)
{
	(void)state;
	assert_int_equal(sum_fold(0), 0xffff);
	assert_int_equal(sum_fold(0xffff), 0);
	assert_int_equal(sum_fold(0x1ffff), 0xfffe);
	assert_int_equal(sum_fold(0xffffffff), 0);
	assert_int_equal(sum_fold(0x2fffeffff), 0xfffe);
	assert_int_equal(sum_fold(0xffffffffffffffffULL), 0);
}

/* IP(10.0.0.1 > 10.0.0.2) / TCP(1000 > 4000, SYN, seq 100), and its reset. */
static void reset_has_the_checksums_scapy_gives_it(void **state)
{
	(void)state;
	const struct pkt p = {
		.src = V4(10, 0, 0, 1),
		.dst = V4(10, 0, 0, 2),
		.len = 54,
		.ip_len = 40,
		.seen = PKT_IPV4 | PKT_PORTS | PKT_TCP,
		.sport = be16(1000),
		.dport = be16(4000),
		.l3_offset = 14,
		.l4_offset = 34,
		.proto = PROTO_TCP,
		.tcp_flags = TCP_SYN,
		.reject = WEIR_REJECT_DEFAULT,
	};
	const __u8 quote[] = { 0x45, 0, 0,  40, 0,    1, 0,  0,	   64, 6,    0, 0, 10, 0,
			       0,    1, 10, 0,	0,    2, 3,  0xe8, 15, 0xa0, 0, 0, 0,  100,
			       0,    0, 0,  0,	0x50, 2, 32, 0,	   0,  0,    0, 0 };
	struct answer a = { .quoted = sizeof(quote) };

	memcpy(a.quote, quote, sizeof(quote));
	assert_true(answer_is_due(&p));
	assert_true(answer_make(&p, &a));
	assert_int_equal(a.start, 20);
	assert_int_equal(a.length, 40);
	assert_int_equal(be16(a.v4.checksum), 0x26ce);
	assert_int_equal(be16(a.tcp.checksum), 0x87e1);
	assert_int_equal(be32(a.tcp.ack), 101);
}

/* IPv6(2001:db8::1 > 2001:db8::2) / UDP(1 > 2) / "hello", and the error about it. */
static void icmpv6_error_has_the_checksum_scapy_gives_it(void **state)
{
	(void)state;
	const struct pkt p = {
		.src = V6(1),
		.dst = V6(2),
		.len = 67,
		.ip_len = 53,
		.seen = PKT_IPV6 | PKT_PORTS,
		.l3_offset = 14,
		.l4_offset = 54,
		.proto = PROTO_UDP,
		.reject = WEIR_REJECT_DEFAULT,
	};
	const __u8 head[] = { 0x60, 0, 0, 0, 0, 13, 17, 64 };
	const __u8 rest[] = { 0, 1, 0, 2, 0, 13, 0x60, 0x8a, 'h', 'e', 'l', 'l', 'o' };
	struct answer a = { .quoted = sizeof(struct ipv6_header) + sizeof(rest) };

	memcpy(a.quote, head, sizeof(head));
	memcpy(a.quote + 8, p.src.bytes, 16);
	memcpy(a.quote + 24, p.dst.bytes, 16);
	memcpy(a.quote + 40, rest, sizeof(rest));
	assert_true(answer_make(&p, &a));
	assert_int_equal(a.length, 40 + 8 + 53);
	assert_int_equal(a.icmp.type, 1);
	assert_int_equal(a.icmp.code, 4);
	assert_int_equal(be16(a.icmp.checksum), 0x31e0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_is_that_of_rfc_1071),
		cmocka_unit_test(sum_of_an_odd_byte_counts_it_as_the_high_one),
		cmocka_unit_test(fold_brings_every_carry_home),
		cmocka_unit_test(reset_has_the_checksums_scapy_gives_it),
		cmocka_unit_test(icmpv6_error_has_the_checksum_scapy_gives_it),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
