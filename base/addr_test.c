/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of addresses and ranges: facts by hand. Against other implementations: addr_read_test.c. */
#include <errno.h>
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

/* A range as its two ends, so that nothing is hidden by how a range is written. */
static void assert_ends(const struct weir_range *range, const char *from, const char *to)
{
	char text[WEIR_ADDR_TEXT];
	assert_string_equal(weir_addr_to_string(&range->from, text), from);
	assert_string_equal(weir_addr_to_string(&range->to, text), to);
}

static void assert_refused(const char *text, const char *why)
{
	struct weir_range range;
	const char *said = "";
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, &said), -EINVAL);
	assert_string_equal(said, why);
}

static void addr_v4_is_mapped_in_network_byte_order(void **state)
{
	static const uint8_t expected[16] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1
	};
	struct weir_addr addr = addr_of("192.0.2.1");
	assert_memory_equal(addr.bytes, expected, 16);
	assert_true(weir_addr_is_v4(&addr));
}

static void addr_v6_is_in_network_byte_order(void **state)
{
	static const uint8_t expected[16] = { 0x20, 1, 0x0d, 0xb8, 0,	 1,    0, 0,
					      0,    0, 0,    0,	   0xab, 0xcd, 0, 9 };
	struct weir_addr addr = addr_of("2001:db8:1::abcd:9");
	assert_memory_equal(addr.bytes, expected, 16);
	assert_false(weir_addr_is_v4(&addr));
}

static void addr_text_ends_where_its_length_says(void **state)
{
	struct weir_addr addr;
	char text[WEIR_ADDR_TEXT];
	assert_int_equal(weir_addr_from_string("10.0.0.123", 8, &addr), 0);
	assert_string_equal(weir_addr_to_string(&addr, text), "10.0.0.1");
}

static void addr_mapped_text_is_the_v4_address(void **state)
{
	struct weir_addr v4 = addr_of("192.0.2.1"), mapped = addr_of("::ffff:192.0.2.1");
	assert_memory_equal(&v4, &mapped, 16);
	mapped = addr_of("::FFFF:c000:201");
	assert_memory_equal(&v4, &mapped, 16);
}

static void addr_bad_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"1",
		"1.2.3",
		"1.2.3.",
		"1.2.3.4.",
		"1.2.3.4.5",
		"256.1.1.1",
		"1.2.3.256",
		"01.2.3.4",
		"1.2.3.00",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1..2.3",
		"-1.2.3.4",
		"1.2.3.0x4",
		"1.2.3.4/32",
		":",
		":::",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:8:",
		":1:2:3:4:5:6:7:8",
		"::1:2:3:4:5:6:7:8",
		"1:2:3:4::5:6:7:8",
		"12345::",
		"::g",
		"::1.2.3",
		"::1.2.3.4:1",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1.2.3.4::",
		"::1.2.3.04",
		"fe80::1%eth0",
		"[::1]",
		"1:",
		"::1:",
		"::ffff:1.2.3.256",
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bad); i++) {
		struct weir_addr addr = { 0 };
		if (weir_addr_from_string(bad[i], strlen(bad[i]), &addr) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void addr_order_is_that_of_the_numbers(void **state)
{
	struct weir_addr low = addr_of("10.0.0.255"), high = addr_of("10.0.1.0");
	assert_true(weir_addr_compare(&low, &high) < 0);
	assert_true(weir_addr_compare(&high, &low) > 0);
	assert_int_equal(weir_addr_compare(&low, &low), 0);
}

static void assert_next(const char *text, const char *expected)
{
	char next_text[WEIR_ADDR_TEXT];
	struct weir_addr addr = addr_of(text), next, back;
	assert_true(weir_addr_next(&addr, &next));
	assert_string_equal(weir_addr_to_string(&next, next_text), expected);
	assert_true(weir_addr_previous(&next, &back));
	assert_memory_equal(&back, &addr, 16);
}

static void addr_next_carries_and_previous_undoes_it(void **state)
{
	assert_next("10.0.255.255", "10.1.0.0");
	assert_next("2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::");
}

static void addr_next_of_v6_steps_over_v4(void **state)
{
	assert_next("::fffe:ffff:ffff", "::1:0:0:0");
}

static void addr_last_of_each_family_has_no_next(void **state)
{
	struct weir_addr v4 = addr_of("255.255.255.255"), next = addr_of("9.9.9.9"),
			 untouched = next;
	struct weir_addr v6 = addr_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_false(weir_addr_next(&v4, &next));
	assert_false(weir_addr_next(&v6, &next));
	assert_memory_equal(&next, &untouched, 16);
}

static void addr_first_of_each_family_has_no_previous(void **state)
{
	struct weir_addr v4 = addr_of("0.0.0.0"), v6 = addr_of("::"), previous;
	assert_false(weir_addr_previous(&v4, &previous));
	assert_false(weir_addr_previous(&v6, &previous));
}

static void range_each_form_gives_both_ends(void **state)
{
	static const char *const rows[][3] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.0/24", "192.0.2.0", "192.0.2.255" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.255" },
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255" },
		{ "192.0.2.7/32", "192.0.2.7", "192.0.2.7" },
		{ "192.0.2.10-192.0.2.20", "192.0.2.10", "192.0.2.20" },
		{ "2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::1/128", "::1", "::1" },
		{ "2001:db8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff" },
		{ "::ffff:192.0.2.0/120", "192.0.2.0", "192.0.2.255" },
		{ "::ffff:0:0/96", "0.0.0.0", "255.255.255.255" },
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		struct weir_range range = range_of(rows[i][0]);
		assert_ends(&range, rows[i][1], rows[i][2]);
	}
}

static void range_host_bits_are_cleared_and_told(void **state)
{
	struct weir_range range;
	bool had_host_bits = false;
	assert_int_equal(weir_range_from_string("192.0.2.9/24", 12, &range, &had_host_bits, NULL),
			 0);
	assert_ends(&range, "192.0.2.0", "192.0.2.255");
	assert_true(had_host_bits);
	assert_int_equal(weir_range_from_string("192.0.2.0/24", 12, &range, &had_host_bits, NULL),
			 0);
	assert_false(had_host_bits);
}

static void range_refusals_say_why(void **state)
{
	static const char none[] = "not an IPv4 or IPv6 address, CIDR or range";
	static const char v4_length[] = "a v4 prefix length is 0 to 32";
	static const char v6_length[] = "a v6 prefix length is 0 to 128";
	static const char family[] =
		"both ends must be of one family, and ::ffff:0:0 to ::ffff:ffff:ffff are IPv4";
	assert_refused("", none);
	assert_refused("example.org", none);
	assert_refused("192.0.2.1 ", none);
	assert_refused("192.0.2.0/33", v4_length);
	assert_refused("192.0.2.0/", v4_length);
	assert_refused("192.0.2.0/024", v4_length);
	assert_refused("192.0.2.0/2x", v4_length);
	assert_refused("192.0.2.0/255.255.255.0", v4_length);
	assert_refused("2001:db8::/129", v6_length);
	assert_refused("2001:db8::/1000", v6_length);
	assert_refused("10.0.0.1-", "what follows '-' is not an IPv4 or IPv6 address");
	assert_refused("10.0.0.1-20", "what follows '-' is not an IPv4 or IPv6 address");
	assert_refused("10.0.0.1-10.0.0.2-10.0.0.3",
		       "what follows '-' is not an IPv4 or IPv6 address");
	assert_refused("10.0.0.2-10.0.0.1",
		       "a range is written from its lower to its higher address");
	assert_refused("10.0.0.2-2001:db8::1", family);
	assert_refused("2001:db8::1-10.0.0.2", family);
	assert_refused("::/80", family);
	assert_refused("fe80::1%eth0", "an address with a zone (%interface) is not taken");
	assert_refused("::ffff:192.0.2.0/24",
		       "an IPv4 address written as IPv6 takes a prefix length of "
		       "96 to 128; write it as a.b.c.d/0 to 32");
}

static void range_refused_leaves_the_result_untouched(void **state)
{
	struct weir_range range = range_of("192.0.2.1"), before = range;
	assert_int_equal(weir_range_from_string("10.0.0.0/99", 11, &range, NULL, NULL), -EINVAL);
	assert_memory_equal(&range, &before, sizeof(range));
}

static void range_contains_its_ends_and_nothing_beside(void **state)
{
	struct weir_range range = range_of("10.0.0.10-10.0.0.20");
	struct weir_addr before = addr_of("10.0.0.9"), first = addr_of("10.0.0.10");
	struct weir_addr last = addr_of("10.0.0.20"), after = addr_of("10.0.0.21");
	assert_false(weir_range_contains(&range, &before));
	assert_true(weir_range_contains(&range, &first));
	assert_true(weir_range_contains(&range, &last));
	assert_false(weir_range_contains(&range, &after));
}

static void range_all_of_v6_holds_no_v4(void **state)
{
	struct weir_range v6 = range_of("::/0"), v4 = range_of("0.0.0.0/0");
	struct weir_addr addr = addr_of("192.0.2.1");
	assert_false(weir_range_contains(&v6, &addr));
	assert_false(weir_range_overlaps(&v6, &v4));
}

static void range_overlap_needs_a_common_address(void **state)
{
	struct weir_range a = range_of("10.0.0.0/30"), touching = range_of("10.0.0.4/30");
	struct weir_range crossing = range_of("10.0.0.3-10.0.0.9");
	assert_false(weir_range_overlaps(&a, &touching));
	assert_true(weir_range_overlaps(&a, &crossing));
	assert_true(weir_range_overlaps(&crossing, &a));
}

static void range_order_is_by_start_then_larger_first(void **state)
{
	struct weir_range wide = range_of("10.0.0.0/8"), narrow = range_of("10.0.0.0/9");
	struct weir_range later = range_of("10.0.0.1");
	assert_true(weir_range_compare(&wide, &narrow) < 0);
	assert_true(weir_range_compare(&narrow, &wide) > 0);
	assert_true(weir_range_compare(&narrow, &later) < 0);
	assert_int_equal(weir_range_compare(&wide, &wide), 0);
}

static void assert_prefixes(const char *range_text, const char *const *expected, size_t count)
{
	struct weir_range range = range_of(range_text);
	struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX];
	assert_int_equal(weir_range_to_prefixes(&range, prefixes), count);
	for (size_t i = 0; i < count; i++) {
		char text[WEIR_RANGE_TEXT];
		assert_string_equal(weir_prefix_to_string(&prefixes[i], text), expected[i]);
	}
}

static void prefixes_of_a_range_are_the_fewest(void **state)
{
	static const char *const expected[] = {
		"192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/30", "192.0.2.8/31", "192.0.2.10/32",
	};
	assert_prefixes("192.0.2.1-192.0.2.10", expected, 5);
}

static void prefixes_of_a_cidr_is_itself(void **state)
{
	assert_prefixes("10.0.0.0/8", (const char *const[]){ "10.0.0.0/8" }, 1);
	assert_prefixes("0.0.0.0/0", (const char *const[]){ "0.0.0.0/0" }, 1);
	assert_prefixes("::/0", (const char *const[]){ "::/0" }, 1);
	assert_prefixes("255.255.255.255", (const char *const[]){ "255.255.255.255/32" }, 1);
}

static void prefixes_of_the_worst_range_are_254(void **state)
{
	struct weir_range range = range_of("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
	struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX];
	char text[WEIR_RANGE_TEXT];
	assert_int_equal(weir_range_to_prefixes(&range, prefixes), 254);
	assert_string_equal(weir_prefix_to_string(&prefixes[0], text), "::1/128");
	assert_string_equal(weir_prefix_to_string(&prefixes[126], text), "4000::/2");
	assert_string_equal(weir_prefix_to_string(&prefixes[127], text), "8000::/2");
	assert_string_equal(weir_prefix_to_string(&prefixes[253], text),
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/128");
}

static void prefix_gives_its_range(void **state)
{
	struct weir_prefix prefix = { addr_of("192.0.2.64"), 122 };
	struct weir_range range;
	weir_prefix_to_range(&prefix, &range);
	assert_ends(&range, "192.0.2.64", "192.0.2.127");
	prefix = (struct weir_prefix){ addr_of("::"), 0 };
	weir_prefix_to_range(&prefix, &range);
	assert_ends(&range, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_v4_is_mapped_in_network_byte_order),
		cmocka_unit_test(addr_v6_is_in_network_byte_order),
		cmocka_unit_test(addr_text_ends_where_its_length_says),
		cmocka_unit_test(addr_mapped_text_is_the_v4_address),
		cmocka_unit_test(addr_bad_text_is_refused),
		cmocka_unit_test(addr_order_is_that_of_the_numbers),
		cmocka_unit_test(addr_next_carries_and_previous_undoes_it),
		cmocka_unit_test(addr_next_of_v6_steps_over_v4),
		cmocka_unit_test(addr_last_of_each_family_has_no_next),
		cmocka_unit_test(addr_first_of_each_family_has_no_previous),
		cmocka_unit_test(range_each_form_gives_both_ends),
		cmocka_unit_test(range_host_bits_are_cleared_and_told),
		cmocka_unit_test(range_refusals_say_why),
		cmocka_unit_test(range_refused_leaves_the_result_untouched),
		cmocka_unit_test(range_contains_its_ends_and_nothing_beside),
		cmocka_unit_test(range_all_of_v6_holds_no_v4),
		cmocka_unit_test(range_overlap_needs_a_common_address),
		cmocka_unit_test(range_order_is_by_start_then_larger_first),
		cmocka_unit_test(prefixes_of_a_range_are_the_fewest),
		cmocka_unit_test(prefixes_of_a_cidr_is_itself),
		cmocka_unit_test(prefixes_of_the_worst_range_are_254),
		cmocka_unit_test(prefix_gives_its_range),
	};
	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
