/* SPDX-License-Identifier: Apache-2.0 */
/* The order of turns, against orders made by hand; and that a round has each as often as it weighs,
 * in services as compiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/balance_turns.h"

#define MOST 4

/* Whose turns these are, as letters; `weights` end with -1. */
static void order_is(const int *weights, const char *wanted)
{
	struct balance_maglev_backend backends[MOST] = { 0 };
	uint16_t *slots = calloc(BALANCE_SLOTS, sizeof(*slots));
	unsigned count = 0;

	assert_non_null(slots);
	for (; weights[count] >= 0; count++)
		backends[count] = (struct balance_maglev_backend){
			.weight = (uint32_t)weights[count],
			.number = (uint16_t)('a' + count),
		};
	assert_int_equal(balance_turns_fill(backends, count, slots), strlen(wanted));
	for (size_t i = 0; wanted[i]; i++)
		assert_int_equal(slots[i], wanted[i]);
	free(slots);
}

static void equal_weights_take_turns_as_they_stand(void **state)
{
	order_is((int[]){ 1, 1, 1, -1 }, "abc");
	order_is((int[]){ 7, -1 }, "a");
	(void)state;
}

/* The first is the example that nginx gives; the others are done on paper by its rule. */
static void heavy_ones_turns_lie_apart(void **state)
{
	order_is((int[]){ 5, 1, 1, -1 }, "aabacaa");
	order_is((int[]){ 1, 2, -1 }, "bab");
	order_is((int[]){ 3, 2, -1 }, "ababa");
	order_is((int[]){ 4, 3, 2, 1, -1 }, "abcabdacba");
	(void)state;
}

static void what_weights_have_in_common_is_left_out(void **state)
{
	order_is((int[]){ 65535, 65535, -1 }, "ab");
	order_is((int[]){ 500, 100, 100, -1 }, "aabacaa");
	(void)state;
}

static void who_weighs_nothing_has_no_turn(void **state)
{
	order_is((int[]){ 0, 1, 0, 1, -1 }, "bd");
	order_is((int[]){ 0, 0, -1 }, "");
	order_is((int[]){ -1 }, "");
	(void)state;
}

static void counts_of(const uint32_t *weights, unsigned count, unsigned *counts)
{
	struct balance_maglev_backend backends[MOST] = { 0 };
	uint16_t *slots = calloc(BALANCE_SLOTS, sizeof(*slots));

	assert_non_null(slots);
	for (unsigned i = 0; i < count; i++)
		backends[i] = (struct balance_maglev_backend){ .weight = weights[i],
							       .number = (uint16_t)(i + 1) };
	int turns = balance_turns_fill(backends, count, slots);

	assert_in_range(turns, 1, BALANCE_SLOTS);
	for (int i = 0; i < turns; i++)
		counts[slots[i] - 1]++;
	free(slots);
}

static void weights_that_are_too_many_keep_their_shares(void **state)
{
	static const uint32_t weights[] = { 65535, 65534, 30001, 1999 };
	unsigned counts[MOST] = { 0 };
	double sum = 0, turns = 0;

	for (unsigned i = 0; i < MOST; i++)
		sum += weights[i];
	counts_of(weights, MOST, counts);
	for (unsigned i = 0; i < MOST; i++)
		turns += counts[i];
	for (unsigned i = 0; i < MOST; i++) {
		double share = counts[i] / turns / (weights[i] / sum);

		assert_true(share > 0.98 && share < 1.02);
	}
	(void)state;
}

static void the_lightest_comes_away_with_a_turn(void **state)
{
	static const uint32_t weights[] = { 65535, 65535, 65535, 1 };
	unsigned counts[MOST] = { 0 };

	counts_of(weights, MOST, counts);
	assert_int_equal(counts[3], 1);
	assert_int_equal(counts[0], counts[2]);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_weights_take_turns_as_they_stand),
		cmocka_unit_test(heavy_ones_turns_lie_apart),
		cmocka_unit_test(what_weights_have_in_common_is_left_out),
		cmocka_unit_test(who_weighs_nothing_has_no_turn),
		cmocka_unit_test(weights_that_are_too_many_keep_their_shares),
		cmocka_unit_test(the_lightest_comes_away_with_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
