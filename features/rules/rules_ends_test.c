/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses with sets by name, and interfaces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/rules/rules_rule.h"

static void assert_side(const struct rules_addresses *side, const char *expected)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	char range[WEIR_RANGE_TEXT];
	for (uint32_t i = 0; i < side->range_count; i++)
		weir_buf_addf(&text, "%s ", weir_range_to_string(&side->ranges[i], range));
	for (uint32_t i = 0; i < side->set_count; i++)
		weir_buf_addf(&text, "%s ", side->sets[i]);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void end_assert_reads(const char *text, const char *in, const char *out)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_end end = { 0 };
	assert_int_equal(rules_end_read(text, "k", &diag, &end), 0);
	assert_int_equal(diag.count, 0);
	assert_true(end.is_given);
	assert_side(&end.in, in);
	assert_side(&end.out, out);
	rules_end_done(&end);
}

static void end_assert_refused(const char *text, const char *why)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_end end = { 0 };
	assert_int_equal(rules_end_read(text, "k", &diag, &end), -EINVAL);
	assert_false(end.is_given);
	assert_int_equal(diag.errors, 1);
	assert_string_equal(diag.entries[0].key, "k");
	assert_non_null(diag.entries[0].mend);
	if (!strstr(diag.entries[0].what, why))
		fail_msg("'%s': said '%s'", text, diag.entries[0].what);
}

static void end_holds_addresses_prefixes_ranges_and_names(void **state)
{
	end_assert_reads("192.0.2.1", "192.0.2.1 ", "");
	end_assert_reads("10.0.0.0/8,2001:db8::/32", "10.0.0.0/8 2001:db8::/32 ", "");
	end_assert_reads("192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9 ", "");
	end_assert_reads("office, 10.0.0.0-10.0.0.255", "10.0.0.0/24 office ", "");
	end_assert_reads("a.b-c_1", "a.b-c_1 ", "");
	end_assert_reads("0.0.0.0/0, ::/0", "0.0.0.0/0 ::/0 ", "");
}

static void end_keeps_what_is_negated_apart(void **state)
{
	end_assert_reads("not 10.0.0.0/8", "", "10.0.0.0/8 ");
	end_assert_reads("!office, 10.0.0.0/8, not 10.1.0.0/16", "10.0.0.0/8 ",
			 "10.1.0.0/16 office ");
}

static void end_with_host_bits_is_taken_with_a_warning(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_end end = { 0 };
	assert_int_equal(rules_end_read("10.1.2.3/8", "rules.rules[0].src", &diag, &end), 0);
	assert_side(&end.in, "10.0.0.0/8 ");
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.errors, 0);
	assert_string_equal(diag.entries[0].key, "rules.rules[0].src");
	assert_string_equal(diag.entries[0].what,
			    "10.1.2.3/8 has host bits set: taken as 10.0.0.0/8");
	rules_end_done(&end);
}

static void end_refuses_what_is_neither_address_nor_name(void **state)
{
	end_assert_refused("", "it says nothing");
	end_assert_refused("10.0.0.256", "10.0.0.256");
	end_assert_refused("10.0.0.0/33", "10.0.0.0/33");
	end_assert_refused("10.0.0.9-10.0.0.1", "10.0.0.9-10.0.0.1");
	end_assert_refused("10.0.0.1, Office", "'Office'");
	end_assert_refused("-office", "'-office'");
	end_assert_refused("10.0.0.1,,10.0.0.2", "nothing between two separators");
	end_assert_refused("10.0.0.1,", "a separator stands at the end");
	end_assert_refused("a23456789012345678901234567890123", "");
}

static void names_assert(const char *text, const char *name, bool is_matched)
{
	struct rules_names names = { 0 };
	assert_int_equal(rules_names_read(text, "k", NULL, &names), 0);
	if (rules_names_match(&names, name) != is_matched)
		fail_msg("'%s' and %s", text, name);
	rules_names_done(&names);
}

static void names_match_names_and_patterns_less_the_negated(void **state)
{
	names_assert("eth0", "eth0", true);
	names_assert("eth0", "eth01", false);
	names_assert("eth*", "eth", true);
	names_assert("eth?, ppp0", "ppp0", true);
	names_assert("eth?", "eth10", false);
	names_assert("eth[0-3]", "eth3", true);
	names_assert("not lo", "eth0", true);
	names_assert("not lo", "lo", false);
	names_assert("eth*, !eth0", "eth0", false);
	names_assert("eth*, !eth0", "eth1", true);
	names_assert("eth*, !eth0", "ppp0", false);
	names_assert("*", "anything", true);
}

static void names_assert_refused(const char *text, const char *what)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_names names = { 0 };
	assert_int_equal(rules_names_read(text, "k", &diag, &names), -EINVAL);
	assert_null(names.in);
	assert_null(names.out);
	assert_int_equal(diag.errors, 1);
	assert_string_equal(diag.entries[0].key, "k");
	assert_string_equal(diag.entries[0].what, what);
}

static void names_refuse_what_no_interface_is_called(void **state)
{
	names_assert_refused("", "'': it says nothing");
	names_assert_refused("eth0, a234567890123456",
			     "'a234567890123456': is longer than the 15 bytes a name of an "
			     "interface may have");
	names_assert_refused("eth0, a/b", "'a/b': has a byte that no name of an interface has");
	names_assert_refused("eth0 eth1",
			     "'eth0 eth1': has a byte that no name of an interface has");
	names_assert_refused("eth0,,eth1", "'eth0,,eth1': there is nothing between two separators");
	names_assert_refused("eth0,", "'eth0,': a separator stands at the end");
}

static void names_of_fifteen_bytes_are_taken(void **state)
{
	names_assert("a23456789012345", "a23456789012345", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_holds_addresses_prefixes_ranges_and_names),
		cmocka_unit_test(end_keeps_what_is_negated_apart),
		cmocka_unit_test(end_with_host_bits_is_taken_with_a_warning),
		cmocka_unit_test(end_refuses_what_is_neither_address_nor_name),
		cmocka_unit_test(names_match_names_and_patterns_less_the_negated),
		cmocka_unit_test(names_refuse_what_no_interface_is_called),
		cmocka_unit_test(names_of_fifteen_bytes_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
