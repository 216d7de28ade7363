/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of numbers and names, and what all fields have in common: commas and `not`. */
#include "features/rules/rules_fake_text.h"

static void numbers_ranges_and_negations_are_settled(void **state)
{
	static const struct field_row rows[] = {
		{ "22", "22" },
		{ "22,80", "22 80" },
		{ " 80 , 22 , 8000-8100 ", "22 80 8000-8100" },
		{ "1-10, 5-20", "1-20" },
		{ "1-10, 11", "1-11" },
		{ "0-65535", "0-65535" },
		{ "0x16", "22" },
		{ "080", "80" },
		{ "not 0", "1-65535" },
		{ "!65535", "0-65534" },
		{ "1-10, not 5", "1-4 6-10" },
		{ "not 5, 1-10, ! 7-20", "1-4 6" },
	};
	FIELD_ASSERT_ALL_MEAN(RULES_KEY_WIDE(RULES_DPORT), rows);
}

static void what_is_no_number_is_refused_with_the_reason(void **state)
{
	static const struct field_row rows[] = {
		{ "", "it says nothing" },
		{ " ", "it says nothing" },
		{ "ssh", "'ssh': is no number and no name known here" },
		{ "65536", "larger than the largest" },
		{ "1-65536", "larger than the largest" },
		{ "99999999999999999999", "larger than the largest" },
		{ "10-1", "ends before it begins" },
		{ "1-", "FROM-TO" },
		{ "1-+5", "FROM-TO" },
		{ "1- 5", "FROM-TO" },
		{ "-1", "is no number" },
		{ "22x", "something stands behind" },
		{ "1-2-3", "something stands behind" },
		{ "22,,80", "nothing between two separators" },
		{ ",22", "nothing between two separators" },
		{ "22,", "a separator stands at the end" },
		{ "not not 22", "is no number" },
		{ "not", "is no number" },
		{ "5, not 1-10", "no value is left" },
		{ "not 0-65535", "no value is left" },
	};
	FIELD_ASSERT_ALL_REFUSED(RULES_KEY_WIDE(RULES_DPORT), rows);
}

static void item_longer_than_any_is_refused(void **state)
{
	char text[RULES_ITEM_BYTES + 1];
	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	field_assert_refused(RULES_KEY_WIDE(RULES_DPORT), BOTH, text, "is too long");
}

static void protocols_have_names_in_any_case(void **state)
{
	static const struct field_row rows[] = {
		{ "tcp", "6" },
		{ "TCP,udp", "6 17" },
		{ "icmp, icmpv6", "1 58" },
		{ "not tcp", "0-5 7-255" },
		{ "sctp,gre,esp,ah,udplite,dccp,igmp,ospf,vrrp", "2 33 47 50-51 89 112 132 136" },
		{ "250-255", "250-255" },
	};
	FIELD_ASSERT_ALL_MEAN(RULES_KEY_FIELD(RULES_PROTO), rows);
	field_assert_refused(RULES_KEY_FIELD(RULES_PROTO), BOTH, "256", "larger");
	field_assert_refused(RULES_KEY_FIELD(RULES_PROTO), BOTH, "tcpp", "no name known");
}

static void code_points_have_the_names_of_their_classes(void **state)
{
	static const struct field_row rows[] = {
		{ "ef", "46" }, { "be", "0" },	  { "cs0, cs7", "0 56" },
		{ "va", "44" }, { "0-7", "0-7" }, { "not 63", "0-62" },
	};
	FIELD_ASSERT_ALL_MEAN(RULES_KEY_FIELD(RULES_DSCP), rows);
	field_assert_refused(RULES_KEY_FIELD(RULES_DSCP), BOTH, "af11-af43", "no name known");
	field_assert_refused(RULES_KEY_FIELD(RULES_DSCP), BOTH, "64", "larger");
}

static void vlan_none_is_a_value_of_its_own(void **state)
{
	static const struct field_row rows[] = {
		{ "none", "4096" },
		{ "0, 4095", "0 4095" },
		{ "not 100", "0-99 101-4096" },
		{ "not none", "0-4095" },
	};
	FIELD_ASSERT_ALL_MEAN(RULES_KEY_WIDE(RULES_VLAN), rows);
	field_assert_refused(RULES_KEY_WIDE(RULES_VLAN), BOTH, "4096", "larger");
}

static void fields_of_names_take_no_numbers(void **state)
{
	field_assert_means(RULES_KEY_FIELD(RULES_FAMILY), BOTH, "ipv6", "1");
	field_assert_means(RULES_KEY_FIELD(RULES_FAMILY), BOTH, "not ipv6", "0");
	field_assert_refused(RULES_KEY_FIELD(RULES_FAMILY), BOTH, "1", "is not known");
	field_assert_means(RULES_KEY_FIELD(RULES_FRAGMENT), BOTH, "any", "1-2");
	field_assert_means(RULES_KEY_FIELD(RULES_FRAGMENT), BOTH, "none, first", "0-1");
	field_assert_refused(RULES_KEY_FIELD(RULES_FRAGMENT), BOTH, "0", "is not known");
	field_assert_means(RULES_KEY_FIELD(RULES_STATE), BOTH, "untracked, new", "0-1");
	field_assert_means(RULES_KEY_FIELD(RULES_STATE), BOTH, "not established", "0-1 3-4");
	field_assert_refused(RULES_KEY_FIELD(RULES_STATE), BOTH, "old", "is not known");
}

static void every_key_has_a_name_and_a_cure(void **state)
{
	for (unsigned key = 0; key < RULES_KEYS; key++) {
		assert_non_null(rules_key_name(key));
		assert_non_null(rules_kinds[key].mend);
		assert_non_null(rules_kinds[key].read);
	}
	assert_string_equal(rules_key_name(RULES_KEY_FIELD(RULES_MINUTE)), "schedule");
	assert_int_equal(rules_key_last(RULES_KEY_WIDE(RULES_VLAN)), 4095);
	assert_int_equal(rules_key_last(RULES_KEY_WIDE(RULES_SPORT)), 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_ranges_and_negations_are_settled),
		cmocka_unit_test(what_is_no_number_is_refused_with_the_reason),
		cmocka_unit_test(item_longer_than_any_is_refused),
		cmocka_unit_test(protocols_have_names_in_any_case),
		cmocka_unit_test(code_points_have_the_names_of_their_classes),
		cmocka_unit_test(vlan_none_is_a_value_of_its_own),
		cmocka_unit_test(fields_of_names_take_no_numbers),
		cmocka_unit_test(every_key_has_a_name_and_a_cure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
