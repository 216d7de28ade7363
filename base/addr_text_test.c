/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of addresses and ranges written as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/cleanup.h"

static struct weir_addr addr_of(const char *text)
{
	struct weir_addr addr;
	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

static struct weir_range range_of(const char *text)
{
	struct weir_range range;
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, NULL), 0);
	return range;
}

static void addr_v6_is_written_as_rfc_5952_says(void **state)
{
	static const char *const rows[][2] = {
		{ "0:0:0:0:0:0:0:0", "::" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "2001:DB8:0:0:0:0:2:1", "2001:db8::2:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "fe80:0:0:0:0:0:0:0", "fe80::" },
		{ "1:0:0:0:0:0:0:8", "1::8" },
		{ "0:0:3:4:5:6:7:8", "::3:4:5:6:7:8" },
		{ "0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
		{ "::102:304", "::102:304" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		char text[WEIR_ADDR_TEXT];
		struct weir_addr addr = addr_of(rows[i][0]);
		assert_string_equal(weir_addr_to_string(&addr, text), rows[i][1]);
	}
}

static void range_is_written_in_its_shortest_form(void **state)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1-192.0.2.1", "192.0.2.1" },
		{ "192.0.2.0-192.0.2.255", "192.0.2.0/24" },
		{ "192.0.2.1-192.0.2.2", "192.0.2.1-192.0.2.2" },
		{ "192.0.2.0-192.0.2.2", "192.0.2.0-192.0.2.2" },
		{ "0.0.0.0-255.255.255.255", "0.0.0.0/0" },
		{ "::/0", "::/0" },
		{ "2001:db8::-2001:db8::ff", "2001:db8::/120" },
		{ "2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff" },
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		char text[WEIR_RANGE_TEXT];
		struct weir_range range = range_of(rows[i][0]);
		assert_string_equal(weir_range_to_string(&range, text), rows[i][1]);
	}
}

static void range_longest_text_fits(void **state)
{
	char text[WEIR_RANGE_TEXT];
	struct weir_range range = range_of("1111:1111:1111:1111:1111:1111:1111:1111-"
					   "2222:2222:2222:2222:2222:2222:2222:2222");
	assert_int_equal(strlen(weir_range_to_string(&range, text)), 39 + 1 + 39);
}

static void prefix_length_of_v4_is_written_as_v4_people_do(void **state)
{
	char text[WEIR_RANGE_TEXT];
	struct weir_prefix v4 = { addr_of("192.0.2.0"), 120 }, v6 = { addr_of("2001:db8::"), 32 };
	assert_string_equal(weir_prefix_to_string(&v4, text), "192.0.2.0/24");
	assert_string_equal(weir_prefix_to_string(&v6, text), "2001:db8::/32");
	v6.length = 100;
	assert_string_equal(weir_prefix_to_string(&v6, text), "2001:db8::/100");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_v6_is_written_as_rfc_5952_says),
		cmocka_unit_test(range_is_written_in_its_shortest_form),
		cmocka_unit_test(range_longest_text_fits),
		cmocka_unit_test(prefix_length_of_v4_is_written_as_v4_people_do),
	};
	return cmocka_run_group_tests_name("addr_text", tests, NULL, NULL);
}
