/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers. */
#include "features/rules/rules_values.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define SET(...)                                           \
	set_of((const struct rules_span[]){ __VA_ARGS__ }, \
	       sizeof((const struct rules_span[]){ __VA_ARGS__ }) / sizeof(struct rules_span))

static struct rules_values set_of(const struct rules_span *spans, size_t count)
{
	struct rules_values values = { 0 };
	for (size_t i = 0; i < count; i++)
		assert_int_equal(rules_values_add(&values, spans[i].from, spans[i].to), 0);
	rules_values_seal(&values);
	return values;
}

static void assert_spans(const struct rules_values *values, const struct rules_span *spans,
			 uint32_t count)
{
	assert_int_equal(values->count, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(values->at[i].from, spans[i].from);
		assert_int_equal(values->at[i].to, spans[i].to);
	}
}

static void seal_sorts_and_joins_what_touches_or_overlaps(void **state)
{
	_cleanup_values_ struct rules_values values =
		SET({ 20, 30 }, { 5, 5 }, { 6, 9 }, { 25, 40 }, { 22, 23 }, { 42, 42 });
	assert_spans(&values, (struct rules_span[]){ { 5, 9 }, { 20, 40 }, { 42, 42 } }, 3);
}

static void seal_ends_at_the_largest_number(void **state)
{
	_cleanup_values_ struct rules_values values =
		SET({ 7, UINT32_MAX }, { 3, 4 }, { 9, 10 }, { UINT32_MAX, UINT32_MAX });
	assert_spans(&values, (struct rules_span[]){ { 3, 4 }, { 7, UINT32_MAX } }, 2);
}

static void seal_of_nothing_is_nothing(void **state)
{
	struct rules_values values = { 0 };
	rules_values_seal(&values);
	assert_int_equal(values.count, 0);
}

static void subtract_cuts_edges_middles_and_wholes(void **state)
{
	_cleanup_values_ struct rules_values from = SET({ 0, 9 }, { 20, 29 }, { 40, 49 }),
					     less = SET({ 5, 24 }, { 26, 26 }, { 39, 60 }),
					     left = { 0 };
	assert_int_equal(rules_values_subtract(&from, &less, &left), 0);
	assert_spans(&left, (struct rules_span[]){ { 0, 4 }, { 25, 25 }, { 27, 29 } }, 3);
}

static void subtract_of_one_span_from_several_takes_from_each(void **state)
{
	_cleanup_values_ struct rules_values from = SET({ 1, 2 }, { 4, 5 }, { 7, 8 }),
					     less = SET({ 2, 7 }), left = { 0 };
	assert_int_equal(rules_values_subtract(&from, &less, &left), 0);
	assert_spans(&left, (struct rules_span[]){ { 1, 1 }, { 8, 8 } }, 2);
}

static void subtract_of_nothing_leaves_all_and_of_all_leaves_nothing(void **state)
{
	_cleanup_values_ struct rules_values from = SET({ 1, 2 }, { 4, 5 }), none = { 0 },
					     all = { 0 }, left = { 0 };
	assert_int_equal(rules_values_subtract(&from, &none, &all), 0);
	assert_true(rules_values_equal(&from, &all));
	assert_int_equal(rules_values_subtract(&from, &all, &left), 0);
	assert_int_equal(left.count, 0);
}

static void has_includes_both_ends(void **state)
{
	_cleanup_values_ struct rules_values values = SET({ 5, 9 }, { 20, 20 });
	assert_false(rules_values_has(&values, 4));
	assert_true(rules_values_has(&values, 5));
	assert_true(rules_values_has(&values, 9));
	assert_false(rules_values_has(&values, 10));
	assert_true(rules_values_has(&values, 20));
}

static void cover_needs_every_value(void **state)
{
	_cleanup_values_ struct rules_values outer = SET({ 5, 9 }, { 20, 29 }),
					     inside = SET({ 5, 6 }, { 8, 9 }, { 29, 29 }),
					     across = SET({ 9, 20 }), before = SET({ 4, 5 }),
					     behind = SET({ 29, 30 }), none = { 0 };
	assert_true(rules_values_cover(&outer, &inside));
	assert_true(rules_values_cover(&outer, &outer));
	assert_true(rules_values_cover(&outer, &none));
	assert_true(rules_values_cover(&none, &none));
	assert_false(rules_values_cover(&none, &inside));
	assert_false(rules_values_cover(&inside, &outer));
	assert_false(rules_values_cover(&outer, &across));
	assert_false(rules_values_cover(&outer, &before));
	assert_false(rules_values_cover(&outer, &behind));
}

static void equal_is_the_same_values_however_added(void **state)
{
	_cleanup_values_ struct rules_values a = SET({ 5, 9 }), b = SET({ 7, 9 }, { 5, 6 }),
					     c = SET({ 5, 8 }), none = { 0 };
	assert_true(rules_values_equal(&a, &b));
	assert_false(rules_values_equal(&a, &c));
	assert_false(rules_values_equal(&a, &none));
	assert_true(rules_values_equal(&none, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seal_sorts_and_joins_what_touches_or_overlaps),
		cmocka_unit_test(seal_ends_at_the_largest_number),
		cmocka_unit_test(seal_of_nothing_is_nothing),
		cmocka_unit_test(subtract_cuts_edges_middles_and_wholes),
		cmocka_unit_test(subtract_of_one_span_from_several_takes_from_each),
		cmocka_unit_test(subtract_of_nothing_leaves_all_and_of_all_leaves_nothing),
		cmocka_unit_test(has_includes_both_ends),
		cmocka_unit_test(cover_needs_every_value),
		cmocka_unit_test(equal_is_the_same_values_however_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
