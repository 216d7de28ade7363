/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of explain held against what a line expects. */
#include "cli/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DENIED_BY_RULE                                                                           \
	"{\"verdict\":\"drop\",\"reason\":\"drop_rule\",\"rule\":{\"name\":\"guard\",\"id\":3}," \
	"\"list\":\"office\"}"
#define DENIED_BY_NAMELESS "{\"verdict\":\"drop\",\"reason\":\"drop_rule\",\"rule\":{\"id\":3}}"
#define DENIED_BY_LIST "{\"verdict\":\"drop\",\"reason\":\"drop_blocked\",\"list\":\"bad\"}"
#define DENIED_BY_POLICY "{\"verdict\":\"drop\",\"reason\":\"drop_policy\"}"
#define REJECTED "{\"verdict\":\"drop\",\"reason\":\"drop_reject\",\"rule\":{\"name\":\"guard\"}}"
#define ALLOWED_BY_POLICY "{\"verdict\":\"pass\",\"reason\":\"pass_policy\"}"
#define ALLOWED_BY_LIST "{\"verdict\":\"pass\",\"reason\":\"pass_allowed\",\"list\":\"office\"}"

/* Whether `expected` ("denied", "denied by x") is met by an answer. */
static bool is_met(const char *expected, const char *json)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_expectations_ struct weir_expectations line = { 0 };
	_cleanup_json_ struct weir_json *answer = NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_addf(&text, "tcp 10.0.0.1 > 10.0.0.2 is %s", expected);
	assert_int_equal(weir_expectations_read(weir_buf_str(&text), text.len, "f", &diag, &line),
			 0);
	assert_int_equal(weir_json_parse(json, strlen(json), NULL, NULL, &answer), 0);
	return weir_expectation_is_met(&line.rows[0], answer);
}

static void outcome_alone_is_met_by_whoever_decides(void **state)
{
	assert_true(is_met("denied", DENIED_BY_RULE));
	assert_true(is_met("denied", DENIED_BY_LIST));
	assert_true(is_met("denied", DENIED_BY_POLICY));
	assert_true(is_met("allowed", ALLOWED_BY_POLICY));
	assert_true(is_met("allowed", ALLOWED_BY_LIST));
	assert_false(is_met("allowed", DENIED_BY_LIST));
	assert_false(is_met("denied", ALLOWED_BY_LIST));
}

static void denied_and_rejected_are_not_the_same(void **state)
{
	assert_true(is_met("rejected", REJECTED));
	assert_false(is_met("denied", REJECTED));
	assert_false(is_met("rejected", DENIED_BY_RULE));
}

static void name_must_be_that_of_the_decider(void **state)
{
	assert_true(is_met("denied by guard", DENIED_BY_RULE));
	assert_true(is_met("rejected by guard", REJECTED));
	assert_true(is_met("denied by bad", DENIED_BY_LIST));
	assert_true(is_met("allowed by office", ALLOWED_BY_LIST));
	assert_false(is_met("denied by other", DENIED_BY_RULE));
	assert_false(is_met("denied by other", DENIED_BY_LIST));
	assert_false(is_met("denied by guard", DENIED_BY_POLICY));
	assert_false(is_met("denied by guard", DENIED_BY_NAMELESS));
}

static void list_that_let_it_go_on_to_a_rule_did_not_decide(void **state)
{
	assert_false(is_met("denied by office", DENIED_BY_RULE));
}

static void reason_stands_for_the_decider(void **state)
{
	assert_true(is_met("denied by drop_rule", DENIED_BY_NAMELESS));
	assert_true(is_met("denied by drop_blocked", DENIED_BY_LIST));
	assert_false(is_met("denied by drop_rule", DENIED_BY_LIST));
}

static void policy_is_the_default_and_nothing_else(void **state)
{
	assert_true(is_met("allowed by policy", ALLOWED_BY_POLICY));
	assert_true(is_met("denied by policy", DENIED_BY_POLICY));
	assert_false(is_met("allowed by policy", ALLOWED_BY_LIST));
	assert_false(is_met("denied by policy", DENIED_BY_RULE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcome_alone_is_met_by_whoever_decides),
		cmocka_unit_test(denied_and_rejected_are_not_the_same),
		cmocka_unit_test(name_must_be_that_of_the_decider),
		cmocka_unit_test(list_that_let_it_go_on_to_a_rule_did_not_decide),
		cmocka_unit_test(reason_stands_for_the_decider),
		cmocka_unit_test(policy_is_the_default_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
