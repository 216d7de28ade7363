/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP types of both versions: those of ICMPv6 stand behind 256. */
#include "features/rules/rules_fake_text.h"

#define KEY RULES_KEY_FIELD(RULES_TYPE)

static void a_name_is_the_type_of_each_version(void **state)
{
	field_assert_means(KEY, BOTH, "echo-request", "8 384");
	field_assert_means(KEY, RULES_V4, "echo-request", "8");
	field_assert_means(KEY, RULES_V6, "Echo-Request", "384");
	field_assert_means(KEY, BOTH, "destination-unreachable", "3 257");
	field_assert_means(KEY, BOTH, "redirect", "5 393");
	field_assert_means(KEY, BOTH, "packet-too-big", "258");
	field_assert_means(KEY, BOTH, "source-quench", "4");
	field_assert_means(KEY, BOTH, "neighbour-solicitation, neighbor-advertisement", "391-392");
	field_assert_means(KEY, BOTH, "router-solicitation, router-advertisement", "9-10 389-390");
}

static void a_number_is_the_type_of_the_versions_the_rule_is_about(void **state)
{
	field_assert_means(KEY, BOTH, "3", "3 259");
	field_assert_means(KEY, RULES_V4, "0, 255", "0 255");
	field_assert_means(KEY, RULES_V6, "0-1", "256-257");
	field_assert_means(KEY, BOTH, "0-255", "0-511");
}

static void negation_leaves_every_other_type(void **state)
{
	field_assert_means(KEY, BOTH, "not 0-254", "255 511");
	field_assert_means(KEY, BOTH, "not echo-request", "0-7 9-383 385-511");
}

static void what_is_no_type_is_refused(void **state)
{
	static const struct field_row rows[] = {
		{ "ping", "is no number and no type known by name" },
		{ "256", "larger" },
		{ "1-256", "larger" },
		{ "5-3", "ends before it begins" },
		{ "5-", "FROM-TO" },
		{ "5-+6", "FROM-TO" },
		{ "5x", "something stands behind" },
		{ "", "it says nothing" },
		{ "not 0-255", "no value is left" },
	};
	FIELD_ASSERT_ALL_REFUSED(KEY, rows);
}

static void types_of_another_version_or_protocol_are_refused(void **state)
{
	field_assert_refused(KEY, RULES_V4, "packet-too-big", "has no such type");
	field_assert_refused(KEY, RULES_V6, "source-quench", "has no such type");
	field_assert_refused(KEY, 0, "8", "has no ICMP types");
	field_assert_refused(KEY, 0, "echo-request", "has no ICMP types");
	field_assert_refused(KEY, 0, "not 8", "has no ICMP types");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_the_type_of_each_version),
		cmocka_unit_test(a_number_is_the_type_of_the_versions_the_rule_is_about),
		cmocka_unit_test(negation_leaves_every_other_type),
		cmocka_unit_test(what_is_no_type_is_refused),
		cmocka_unit_test(types_of_another_version_or_protocol_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
