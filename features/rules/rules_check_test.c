/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold across the keys of a section. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/rules/rules_state.h"

/* Rules own their strings where the configuration makes them; here nobody frees them. */
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"

static void assert_told(const struct rules_section *section, const char *key, const char *why)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(rules_check(NULL, section, &diag), -EINVAL);
	assert_int_equal(diag.errors, 1);
	assert_string_equal(diag.entries[0].key, key);
	assert_non_null(diag.entries[0].mend);
	if (!strstr(diag.entries[0].what, why))
		fail_msg("said '%s'", diag.entries[0].what);
}

static void assert_right(const struct rules_section *section)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(rules_check(NULL, section, &diag), 0);
	assert_int_equal(diag.count, 0);
}

static struct rules_section with_sets(struct rules_set_config *sets, unsigned count)
{
	return (struct rules_section){ .enabled = true, .sets = sets, .set_count = count };
}

static struct rules_section with_rules(struct rules_text *rules, unsigned count)
{
	return (struct rules_section){ .enabled = true, .rules = rules, .rule_count = count };
}

static void an_empty_section_is_right(void **state)
{
	assert_right(&(struct rules_section){ .enabled = true });
}

static void sets_may_name_others_before_or_behind_them(void **state)
{
	struct rules_set_config sets[] = { { "a", "b, c" },
					   { "b", "c, bad" },
					   { "c", "10.0.0.1" } };
	struct rules_section section = with_sets(sets, 3);
	assert_right(&section);
}

static void loops_of_sets_are_refused_where_they_close(void **state)
{
	struct rules_set_config itself[] = { { "a", "a" } };
	struct rules_set_config three[] = { { "a", "b" }, { "b", "10.0.0.1, c" }, { "c", "a" } };
	struct rules_section section = with_sets(itself, 1);
	assert_told(&section, "rules.sets[0].members", "a member of itself");
	section = with_sets(three, 3);
	assert_told(&section, "rules.sets[0].members", "a member of itself");
}

/* A set in the next, and so on: `count` of them. */
static void assert_nested(unsigned count, bool is_right)
{
	static char names[34][4];
	struct rules_set_config sets[34] = { 0 };
	struct rules_section section = with_sets(sets, count);
	assert_true(count <= 34);
	for (unsigned i = 0; i < count; i++)
		snprintf(names[i], sizeof(names[i]), "s%u", i);
	for (unsigned i = 0; i < count; i++)
		sets[i] = (struct rules_set_config){ names[i],
						     i + 1 < count ? names[i + 1] : "10.0.0.1" };
	if (is_right)
		assert_right(&section);
	else
		assert_told(&section, "rules.sets[32].members", "more than 32 deep");
}

static void sets_are_nested_no_deeper_than_the_stack_bears(void **state)
{
	assert_nested(32, true);
	assert_nested(33, false);
	assert_nested(34, false);
}

/* What was looked at before counts with all that is in it. */
static void depth_does_not_go_by_the_order_of_sets(void **state)
{
	static char names[34][4];
	struct rules_set_config sets[34] = { 0 };
	struct rules_section section = with_sets(sets, 33);
	for (unsigned i = 0; i < 33; i++)
		snprintf(names[i], sizeof(names[i]), "s%u", i);
	for (unsigned i = 0; i < 33; i++)
		sets[i] = (struct rules_set_config){ names[i], i ? names[i - 1] : "10.0.0.1" };
	assert_told(&section, "rules.sets[31].members", "more than 32 deep");
}

static void sets_say_what_is_in_them_only(void **state)
{
	struct rules_set_config out[] = { { "a", "10.0.0.0/8, not 10.0.0.1" } };
	struct rules_set_config wrong[] = { { "a", "10.0.0.x!" } };
	struct rules_section section = with_sets(out, 1);
	assert_told(&section, "rules.sets[0].members", "not what is not");
	section = with_sets(wrong, 1);
	assert_told(&section, "rules.sets[0].members", "10.0.0.x!");
}

static void names_are_unique_and_well_formed(void **state)
{
	struct rules_set_config sets[] = { { "a", "10.0.0.1" }, { "a", "10.0.0.2" } };
	struct rules_set_config upper[] = { { "A", "10.0.0.1" } };
	struct rules_group_config groups[] = { { "g", true }, { "h", true }, { "g", false } };
	struct rules_text rules[] = { { .name = "r" }, { 0 }, { .name = "q" }, { .name = "r" } };
	struct rules_section section = with_sets(sets, 2);
	assert_told(&section, "rules.sets[1].name", "is the name of rules.sets[0] already");
	section = with_sets(upper, 1);
	assert_told(&section, "rules.sets[0].name", "'A'");
	section = (struct rules_section){ .groups = groups, .group_count = 3 };
	assert_told(&section, "rules.groups[2].name", "is the name of rules.groups[0] already");
	section = with_rules(rules, 4);
	assert_told(&section, "rules.rules[3].name", "is the name of rules.rules[0] already");
}

static void groups_of_rules_must_be_there(void **state)
{
	struct rules_group_config group = { "web", false };
	struct rules_text rules[] = { { .group = "web" }, { .group = "mail" } };
	struct rules_section section = with_rules(rules, 2);
	section.groups = &group;
	section.group_count = 1;
	assert_told(&section, "rules.rules[1].group", "there is no group 'mail'");
	section.rule_count = 1;
	assert_right(&section);
	assert_false(rules_group_is_on(&section, "web"));
	assert_true(rules_group_is_on(&section, NULL));
}

static void interfaces_of_policies_are_checked(void **state)
{
	struct rules_policy_config policies[] = { { .interface = "*" }, { .interface = "a b" } };
	struct rules_section section = { .policies = policies, .policy_count = 2 };
	assert_told(&section, "rules.policy[1].interface", "'a b'");
}

static void rules_that_are_off_are_checked_too(void **state)
{
	struct rules_text rule = { .dport = "x", .enabled = false };
	struct rules_section section = with_rules(&rule, 1);
	assert_told(&section, "rules.rules[0].dport", "'x'");
}

static void every_fault_of_every_part_is_told_at_once(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_set_config set = { "A", "10.0.0.1" };
	struct rules_group_config group = { "G", true };
	struct rules_text rules[] = { { .dport = "x" }, { .sport = "y" } };
	struct rules_section section = with_rules(rules, 2);
	section.sets = &set;
	section.groups = &group;
	section.set_count = section.group_count = 1;
	assert_int_equal(rules_check(NULL, &section, &diag), -EINVAL);
	assert_int_equal(diag.errors, 4);
}

static void more_rules_than_fit_are_refused(void **state)
{
	struct rules_section section = { .rule_count = RULES_MAX + 1 };
	assert_told(&section, "rules.rules", "10001 rules, where 10000 are the most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_section_is_right),
		cmocka_unit_test(sets_may_name_others_before_or_behind_them),
		cmocka_unit_test(loops_of_sets_are_refused_where_they_close),
		cmocka_unit_test(sets_are_nested_no_deeper_than_the_stack_bears),
		cmocka_unit_test(depth_does_not_go_by_the_order_of_sets),
		cmocka_unit_test(sets_say_what_is_in_them_only),
		cmocka_unit_test(names_are_unique_and_well_formed),
		cmocka_unit_test(groups_of_rules_must_be_there),
		cmocka_unit_test(interfaces_of_policies_are_checked),
		cmocka_unit_test(rules_that_are_off_are_checked_too),
		cmocka_unit_test(every_fault_of_every_part_is_told_at_once),
		cmocka_unit_test(more_rules_than_fit_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
