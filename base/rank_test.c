/* SPDX-License-Identifier: Apache-2.0 */
/* The first so many of a number are those that come first when all are put in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/rank.h"
#include "tests/unit/drawn.h"

#define MANY 3000u

/* How many come before it, by looking at each: its place. */
static size_t place_of(const uint64_t *measures, uint32_t item, bool high_first)
{
	size_t before = 0;

	for (uint32_t i = 0; i < MANY; i++)
		before += measures[i] > measures[item] ||
			  (measures[i] == measures[item] && (high_first ? i > item : i < item));
	return before;
}

static bool high_comes_first(uint32_t item, uint32_t other, const void *arg)
{
	return item > other;
}

static void assert_ranks(const uint64_t *measures, size_t room, bool high_first)
{
	struct weir_rank rank = { .comes_first = high_first ? high_comes_first : NULL };
	size_t expected = room < MANY ? room : MANY;

	assert_int_equal(weir_rank_init(&rank, room), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct weir_ranked one = { measures[i], i, i + 7 };
		bool takes = weir_rank_takes(&rank, &one);

		assert_int_equal(weir_rank_add(&rank, &one), takes);
	}
	weir_rank_sort(&rank);
	assert_int_equal(rank.count, expected);
	for (size_t i = 0; i < expected; i++) {
		assert_int_equal(place_of(measures, rank.at[i].item, high_first), i);
		assert_int_equal(rank.at[i].measure, measures[rank.at[i].item]);
		assert_int_equal(rank.at[i].slot, rank.at[i].item + 7);
	}
	weir_rank_done(&rank);
}

static void the_first_so_many_are_those_of_all_in_order(void **state)
{
	static const size_t rooms[] = { 0, 1, 2, 3, 20, 999, MANY - 1, MANY, MANY + 5 };
	static const uint64_t different[] = { UINT64_MAX, 100,
					      1 }; /* measures: few are equal, all */
	static uint64_t measures[MANY];

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(different); i++) {
		for (uint32_t item = 0; item < MANY; item++)
			measures[item] = draw() % different[i];
		for (size_t room = 0; room < WEIR_ARRAY_SIZE(rooms); room++) {
			assert_ranks(measures, rooms[room], false);
			assert_ranks(measures, rooms[room], true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_so_many_are_those_of_all_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
