/* SPDX-License-Identifier: Apache-2.0 */
/* Which errors are about packets of tunnels; bytes by hand, from RFC 792, 1191 and 4443. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "features/balance/balance_paths.h"

#define MESSAGE_BYTES 64

/* Fragmentation needed, 1,400 bytes; an IPv4 header, 192.0.2.1 to 198.51.100.7; the next eight. */
static const uint8_t v4[] = { 3,   4,  0,    0, 0,    0, 5, 0x78, 0x45, 0, 5, 0xc8,
			      0,   0,  0x40, 0, 64,   4, 0, 0,	  192,	0, 2, 1,
			      198, 51, 100,  7, 0x45, 0, 0, 0,	  0,	0, 0, 0 };
#define V4_PROTO 17
#define V4_FRAGMENT 14
#define V4_BEHIND 28

static bool reads(const uint8_t *message, size_t len, bool is_v4, struct balance_quote *ret_quote)
{
	/* Of the size that it has, for a sanitizer to see what is read behind it. */
	uint8_t *exact = test_malloc(len + !len);

	memcpy(exact, message, len);
	bool is_read = balance_quote_read(exact, len, is_v4, ret_quote);

	test_free(exact);
	return is_read;
}

static void assert_ends(const struct balance_quote *quote, const char *from, const char *to)
{
	char text[WEIR_ADDR_TEXT];

	assert_string_equal(weir_addr_to_string(&quote->from, text), from);
	assert_string_equal(weir_addr_to_string(&quote->to, text), to);
}

static void ipv4_tunnel_is_read(void **state)
{
	uint8_t message[sizeof(v4)];
	struct balance_quote quote;

	(void)state;
	assert_true(reads(v4, sizeof(v4), true, &quote));
	assert_int_equal(quote.proto, 4);
	assert_ends(&quote, "192.0.2.1", "198.51.100.7");
	memcpy(message, v4, sizeof(v4));
	message[V4_PROTO] = 41;
	assert_true(reads(message, sizeof(v4), true, &quote));
	assert_int_equal(quote.proto, 41);
}

static void udp_is_a_tunnel_by_the_port_it_is_sent_to(void **state)
{
	uint8_t message[sizeof(v4)];
	struct balance_quote quote;

	(void)state;
	memcpy(message, v4, sizeof(v4));
	message[V4_PROTO] = 17;
	assert_false(reads(message, sizeof(v4), true, &quote));
	message[V4_BEHIND + 2] = 6080 >> 8;
	message[V4_BEHIND + 3] = 6080 & 255;
	assert_true(reads(message, sizeof(v4), true, &quote));
	assert_int_equal(quote.proto, 17);
	assert_false(reads(message, sizeof(v4) - 1, true, &quote));
}

static void ipv6_tunnel_is_read(void **state)
{
	/* Packet too big, 1,400 bytes; an IPv6 header, 2001:db8::1 to 2001:db8::7. */
	static const uint8_t v6[] = { 2, 0, 0,	  0,	0,    0,    5,	  0x78, 0x60, 0,
				      0, 0, 5,	  0xc8, 41,   64,   0x20, 0x01, 0x0d, 0xb8,
				      0, 0, 0,	  0,	0,    0,    0,	  0,	0,    0,
				      0, 1, 0x20, 0x01, 0x0d, 0xb8, 0,	  0,	0,    0,
				      0, 0, 0,	  0,	0,    0,    0,	  7 };
	struct balance_quote quote;

	(void)state;
	assert_true(reads(v6, sizeof(v6), false, &quote));
	assert_int_equal(quote.proto, 41);
	assert_ends(&quote, "2001:db8::1", "2001:db8::7");
	assert_false(reads(v6, sizeof(v6) - 1, false, &quote));
	assert_false(reads(v6, sizeof(v6), true, &quote));
}

static void what_is_cut_short_or_something_else_is_left(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} others[] = { { 0, 11 },   /* time exceeded */
		       { 1, 3 },    /* port unreachable */
		       { 8, 0x65 }, /* IPv6, it says */
		       { 8, 0x44 }, /* a header of 16 bytes */
		       { 8, 0x4f }, /* one longer than what is there */
		       { V4_FRAGMENT, 0x20 + 1 },
		       { V4_PROTO, 6 } };
	struct balance_quote quote;

	(void)state;
	for (size_t len = 0; len < V4_BEHIND; len++)
		assert_false(reads(v4, len, true, &quote));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		uint8_t message[MESSAGE_BYTES];

		memcpy(message, v4, sizeof(v4));
		message[others[i].at] = others[i].value;
		assert_false(reads(message, sizeof(v4), true, &quote));
	}
	assert_false(reads(v4, sizeof(v4), false, &quote));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_tunnel_is_read),
		cmocka_unit_test(udp_is_a_tunnel_by_the_port_it_is_sent_to),
		cmocka_unit_test(ipv6_tunnel_is_read),
		cmocka_unit_test(what_is_cut_short_or_something_else_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
