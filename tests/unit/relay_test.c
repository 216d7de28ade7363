/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that are translated and segments that are made, byte for byte as scapy builds them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lib/relay.h"

/* TCP(ack=0x0fffffff, window=63), a time stamp at no even place, edges of two blocks. */
static const __u8 acknowledges[] = { 0x03, 0xe8, 0x0f, 0xa0, 0x00, 0x00, 0x01, 0x00, 0x0f,
				     0xff, 0xff, 0xff, 0xd0, 0x10, 0x00, 0x3f, 0x00, 0x00,
				     0x00, 0x00, 0x08, 0x0a, 0x01, 0x02, 0x03, 0x04, 0x05,
				     0x06, 0x07, 0x08, 0x01, 0x05, 0x12, 0x10, 0x00, 0x00,
				     0x00, 0x10, 0x00, 0x01, 0x00, 0xff, 0xff, 0xff, 0xff,
				     0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00 };

/* The same: ack and edges 0x10000001 more, TSecr 0x100 less, the window 4 bits up. */
static const __u8 acknowledges_translated[] = {
	0x03, 0xe8, 0x0f, 0xa0, 0x00, 0x00, 0x01, 0x00, 0x20, 0x00, 0x00, 0x00, 0xd0,
	0x10, 0x03, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x08, 0x0a, 0x01, 0x02, 0x03, 0x04,
	0x05, 0x06, 0x06, 0x08, 0x01, 0x05, 0x12, 0x20, 0x00, 0x00, 0x01, 0x20, 0x00,
	0x01, 0x01, 0x10, 0x00, 0x00, 0x00, 0x10, 0x00, 0x03, 0x01, 0x00, 0x00, 0x00
};

/* IP(10.0.0.1 > 10.0.0.2) / TCP(1000 > 4000, SYN, seq 100) with what Linux sends. */
static const __u8 made_syn[] = { 0x45, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06,
				 0x26, 0xba, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02,
				 0x03, 0xe8, 0x0f, 0xa0, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00,
				 0x00, 0x00, 0xa0, 0x02, 0xfc, 0x00, 0x20, 0x1f, 0x00, 0x00,
				 0x02, 0x04, 0x05, 0xa0, 0x04, 0x02, 0x08, 0x0a, 0x01, 0x02,
				 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07 };

/* IPv6(2001:db8::2 > 2001:db8::1) / TCP(4000 > 1000, ACK) with a time stamp. */
static const __u8 made_ack6[] = { 0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x06, 0x40, 0x20, 0x01, 0x0d,
				  0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
				  0x00, 0x02, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
				  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x0f, 0xa0, 0x03, 0xe8,
				  0xe1, 0x23, 0x45, 0x67, 0x00, 0x00, 0x00, 0x65, 0x80, 0x10, 0x00,
				  0x3f, 0xc6, 0x73, 0x00, 0x00, 0x01, 0x01, 0x08, 0x0a, 0x0a, 0x0b,
				  0x0c, 0x0d, 0x01, 0x02, 0x03, 0x04 };

static struct relay_header header_of(const __u8 *bytes, size_t length)
{
	struct relay_header h;

	memset(&h, 0xee, sizeof(h));
	memcpy(h.bytes, bytes, length);
	return h;
}

static void header_is_translated_with_its_options(void **state)
{
	struct relay_header h = header_of(acknowledges, sizeof(acknowledges));
	const struct relay_change change = { .ack = 0x10000001, .echo = -0x100u, .up = 4 };

	(void)state;
	relay_translate(&h, sizeof(acknowledges), &change);
	assert_memory_equal(h.bytes, acknowledges_translated, sizeof(acknowledges));
	assert_int_equal(h.bytes[sizeof(acknowledges)], 0xee); /* and nothing behind it */
}

static void header_of_the_other_way_keeps_the_edges(void **state)
{
	struct relay_header h = header_of(acknowledges, sizeof(acknowledges));
	const struct relay_change change = { .seq = -0x101u, .stamp = 0xff000000 };
	__u8 wanted[sizeof(acknowledges)];

	(void)state;
	memcpy(wanted, acknowledges, sizeof(wanted));
	memset(wanted + 4, 0xff, 4); /* 0x100 - 0x101 */
	wanted[22] = 0;		     /* 0x01020304 + 0xff000000 */
	relay_translate(&h, sizeof(acknowledges), &change);
	assert_memory_equal(h.bytes, wanted, sizeof(wanted));
}

static void header_that_acknowledges_nothing_keeps_its_zeroes(void **state)
{
	struct relay_header h = header_of(acknowledges, sizeof(acknowledges));
	const struct relay_change change = { .ack = 77, .echo = 77 };

	(void)state;
	h.tcp.flags = TCP_RST;
	h.tcp.ack = 0;
	memset(h.bytes + 26, 0, 4);
	relay_translate(&h, 30, &change);
	assert_int_equal(h.tcp.ack, 0);
	assert_int_equal(quote_be32(h.bytes + 26), 0);
}

/* A length that ends nowhere, one behind the header, and none at all: what lies there stays. */
static void options_that_are_broken_are_left_alone(void **state)
{
	static const __u8 broken[][8] = {
		{ 8, 0, 1, 2 }, { 1, 1, 8, 10, 3 }, { 5, 10, 9 }, { 0, 8, 10 }
	};
	const struct relay_change change = { .stamp = 1, .echo = 1, .ack = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		struct relay_header h = header_of(acknowledges, sizeof(acknowledges)), was;

		memcpy(h.bytes + 20, broken[i], sizeof(broken[i]));
		was = h;
		relay_translate(&h, 28, &change);
		assert_memory_equal(&h, &was, sizeof(h));
	}
}

static void longest_header_is_translated_to_its_end(void **state)
{
	__u8 bytes[TCP_HEADER_BYTES_MOST] = { [12] = 0xf0, [13] = TCP_ACK };
	const struct relay_change change = { .stamp = 1, .echo = 2 };

	(void)state;
	memset(bytes + 20, TCP_OPTION_NONE, 40);
	bytes[50] = TCP_OPTION_TIME;
	bytes[51] = 10;
	struct relay_header h = header_of(bytes, sizeof(bytes));

	relay_translate(&h, sizeof(bytes), &change);
	assert_int_equal(quote_be32(h.bytes + 52), 0x01010102);
	assert_int_equal(quote_be32(h.bytes + 56), 0x01010103);
}

static void window_goes_by_the_difference_of_scales(void **state)
{
	static const struct {
		__u16 window;
		__u8 up, down;
		__u16 wanted;
	} rows[] = {
		{ 65160, 0, 7, 509 },	 { 63, 10, 7, 504 },	 { 504, 7, 10, 63 },
		{ 65535, 0, 0, 65535 },	 { 60000, 4, 0, 65535 }, { 65535, 14, 14, 65535 },
		{ 65535, 14, 0, 65535 }, { 1, 0, 10, 1 },	 { 1023, 0, 10, 1 },
		{ 0, 0, 10, 0 },	 { 0, 14, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct relay_change change = { .up = rows[i].up, .down = rows[i].down };

		assert_int_equal(relay_window(rows[i].window, &change), rows[i].wanted);
	}
}

static struct pkt packet(void)
{
	struct pkt p = {
		.seen = PKT_IPV4 | PKT_PORTS | PKT_TCP,
		.sport = be16(1000),
		.dport = be16(4000),
		.l4_offset = 20,
		.proto = PROTO_TCP,
	};

	p.src.be32[2] = p.dst.be32[2] = be32(0xffff);
	p.src.be32[3] = be32(0x0a000001);
	p.dst.be32[3] = be32(0x0a000002);
	return p;
}

static void is_made(const struct pkt *p, const struct relay_made *made, const __u8 *wanted,
		    size_t length)
{
	struct answer a = { 0 };

	memset(a.quote, 0xaa, sizeof(a.quote)); /* what was taken of the packet leaves nothing */
	assert_true(relay_make(p, &a, made));
	assert_int_equal(a.length, length);
	assert_memory_equal(a.bytes + a.start, wanted, length);
}

static void syn_says_what_the_client_said(void **state)
{
	const struct relay_made made = {
		.says = { .stamp = 0x01020304, .mss = 1440, .scale = 7, .sack = 1, .time = 1 },
		.seq = 100,
		.window = 64512,
		.flags = TCP_SYN,
	};
	struct pkt p = packet();

	(void)state;
	is_made(&p, &made, made_syn, sizeof(made_syn));
}

static void acknowledgement_goes_back_to_the_server(void **state)
{
	const struct relay_made made = {
		.says = { .stamp = 0x0a0b0c0d,
			  .echo = 0x01020304,
			  .time = 1,
			  .scale = WEIR_COOKIE_NO_SCALE },
		.seq = 0xe1234567,
		.ack = 101,
		.window = 63,
		.flags = TCP_ACK,
		.goes_back = 1,
	};
	struct pkt p = packet();

	(void)state;
	p.seen = PKT_IPV6 | PKT_PORTS | PKT_TCP;
	p.src = (struct weir_addr){ .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	p.dst = (struct weir_addr){ .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 2 } };
	is_made(&p, &made, made_ack6, sizeof(made_ack6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_translated_with_its_options),
		cmocka_unit_test(header_of_the_other_way_keeps_the_edges),
		cmocka_unit_test(header_that_acknowledges_nothing_keeps_its_zeroes),
		cmocka_unit_test(options_that_are_broken_are_left_alone),
		cmocka_unit_test(longest_header_is_translated_to_its_end),
		cmocka_unit_test(window_goes_by_the_difference_of_scales),
		cmocka_unit_test(syn_says_what_the_client_said),
		cmocka_unit_test(acknowledgement_goes_back_to_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
