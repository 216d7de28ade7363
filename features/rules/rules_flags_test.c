/* SPDX-License-Identifier: Apache-2.0 */
/* TCP flags: which of the 256 combinations a text means, counted by hand or by Python. */
#include "features/rules/rules_fake_text.h"

#define KEY RULES_KEY_FIELD(RULES_FLAGS)

static void one_flag_is_that_flag_whatever_the_others(void **state)
{
	field_assert_means(KEY, BOTH, "cwr", "128-255");
	field_assert_means(KEY, BOTH, "ece", "64-127 192-255");
	field_assert_means(KEY, BOTH, "CWR", "128-255");
	field_assert_means(KEY, BOTH, "cwr,ece", "192-255");
}

static void value_and_mask_are_compared(void **state)
{
	field_assert_means(KEY, BOTH, "none/all", "0");
	field_assert_means(KEY, BOTH, "all/all", "255");
	field_assert_means(KEY, BOTH, "all", "255");
	field_assert_means(KEY, BOTH, "syn/all", "2");
	field_assert_means(KEY, BOTH, "none/cwr,ece", "0-63");
	field_assert_means(KEY, BOTH, "cwr/cwr,ece", "128-191");
}

static void alternatives_stand_between_spaces(void **state)
{
	field_assert_means(KEY, BOTH, "syn/all  fin/all", "1-2");
	field_assert_means(KEY, BOTH, "not none/all", "1-255");
	field_assert_means(KEY, BOTH, "none/cwr not none/all", "1-127");
}

static void what_is_no_flag_is_refused(void **state)
{
	static const struct field_row rows[] = {
		{ "", "it says nothing" },
		{ "sin", "names a flag that TCP has not" },
		{ "syn,", "names a flag that TCP has not" },
		{ "syn, ack", "names a flag that TCP has not" },
		{ ",syn", "names a flag that TCP has not" },
		{ "/syn", "names a flag that TCP has not" },
		{ "2", "names a flag that TCP has not" },
		{ "syn/", "the mask names a flag" },
		{ "syn/x", "the mask names a flag" },
		{ "syn/syn/ack", "the mask names a flag" },
		{ "none", "asks for no flag" },
		{ "none/none", "asks for no flag" },
		{ "syn/ack", "that its mask leaves out" },
		{ "none/cwr not none/cwr", "no value is left" },
	};
	FIELD_ASSERT_ALL_REFUSED(KEY, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flag_is_that_flag_whatever_the_others),
		cmocka_unit_test(value_and_mask_are_compared),
		cmocka_unit_test(alternatives_stand_between_spaces),
		cmocka_unit_test(what_is_no_flag_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
