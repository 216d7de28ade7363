/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of announcements; those expected are scapy's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/announce_frame.h"

static const uint8_t mac[] = { 2, 0, 0, 0, 0, 0x0b };

static void frame_is(const char *addr_text, bool is_router, const char *bytes, size_t len)
{
	uint8_t frame[ANNOUNCE_FRAME_BYTES];
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(addr_text, strlen(addr_text), &addr), 0);
	assert_int_equal(announce_frame(&addr, mac, is_router, frame), len);
	assert_memory_equal(frame, bytes, len);
}

static void ipv4_is_an_arp_request_for_oneself(void **state)
{
	static const char bytes[] =
		"\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x0b\x08\x06\x00\x01\x08\x00\x06\x04"
		"\x00\x01\x02\x00\x00\x00\x00\x0b\xc0\x00\x02\x01\x00\x00\x00\x00\x00\x00\xc0\x00"
		"\x02\x01";

	(void)state;
	frame_is("192.0.2.1", false, bytes, 42);
	frame_is("192.0.2.1", true, bytes, 42);
}

#define NA_BEGIN                                                                           \
	"\x33\x33\x00\x00\x00\x01\x02\x00\x00\x00\x00\x0b\x86\xdd\x60\x00\x00\x00\x00\x20" \
	"\x3a\xff\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\x02" \
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x88\x00"
#define NA_END                                                                                 \
	"\x00\x00\x00\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x01" \
	"\x02\x00\x00\x00\x00\x0b"

static void ipv6_is_an_advertisement_that_overrides(void **state)
{
	(void)state;
	frame_is("2001:db8::1", false, NA_BEGIN "\xf9\x20\x20" NA_END, 86);
}

static void ipv6_says_whether_it_is_a_router(void **state)
{
	(void)state;
	frame_is("2001:db8::1", true, NA_BEGIN "\x79\x20\xa0" NA_END, 86);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_an_arp_request_for_oneself),
		cmocka_unit_test(ipv6_is_an_advertisement_that_overrides),
		cmocka_unit_test(ipv6_says_whether_it_is_a_router),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
