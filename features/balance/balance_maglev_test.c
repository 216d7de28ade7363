/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: who gets how many, and who keeps his when others come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/balance_maglev.h"

#define MOST 100

struct set {
	char names[MOST][16];
	struct balance_maglev_backend backends[MOST];
};

/* Backends numbered from 1, each of its own name, all of weight 1. */
static struct set *set_new(void)
{
	struct set *set = calloc(1, sizeof(*set));

	assert_non_null(set);
	for (unsigned i = 0; i < MOST; i++) {
		snprintf(set->names[i], sizeof(set->names[i]), "10.0.0.%u", i);
		set->backends[i] = (struct balance_maglev_backend){
			.identity = set->names[i],
			.identity_len = sizeof(set->names[i]),
			.weight = 1,
			.number = (uint16_t)(i + 1),
			.order = (uint16_t)(i + 1),
		};
	}
	return set;
}

static uint16_t *slots_of(const struct balance_maglev_backend *backends, unsigned count)
{
	uint16_t *slots = malloc(BALANCE_SLOTS * sizeof(*slots));

	assert_non_null(slots);
	assert_int_equal(balance_maglev_fill(backends, count, slots), 1);
	return slots;
}

static unsigned share_of(const uint16_t *slots, uint16_t number)
{
	unsigned count = 0;

	for (unsigned i = 0; i < BALANCE_SLOTS; i++)
		count += slots[i] == number;
	return count;
}

static void shares_are_those_of_weights_within_one_percent(void **state)
{
	struct set *set = set_new();
	double sum = 0;

	for (unsigned i = 0; i < MOST; i++)
		sum += set->backends[i].weight = 1 + i % 10;
	uint16_t *slots = slots_of(set->backends, MOST);

	for (unsigned i = 0; i < MOST; i++) {
		double wanted = BALANCE_SLOTS * set->backends[i].weight / sum;
		double got = share_of(slots, (uint16_t)(i + 1));

		assert_true(got > wanted * 0.99 - 1 && got < wanted * 1.01 + 1);
	}
	free(slots);
	free(set);
	(void)state;
}

static void order_does_not_matter(void **state)
{
	struct set *set = set_new();
	struct balance_maglev_backend turned[MOST];

	for (unsigned i = 0; i < MOST; i++)
		turned[i] = set->backends[MOST - 1 - i];
	uint16_t *slots = slots_of(set->backends, MOST), *others = slots_of(turned, MOST);

	assert_memory_equal(slots, others, BALANCE_SLOTS * sizeof(*slots));
	free(slots);
	free(others);
	free(set);
	(void)state;
}

/* Beyond the slots of the one that goes, at most one in a hundred changes hands. */
static void few_slots_move_when_one_of_a_hundred_goes(void **state)
{
	struct set *set = set_new();
	uint16_t *before = slots_of(set->backends, MOST);
	unsigned moved = 0, rounds = 10;

	for (unsigned gone = 0; gone < rounds; gone++) {
		set->backends[gone].weight = 0;
		uint16_t *after = slots_of(set->backends, MOST);

		set->backends[gone].weight = 1;
		assert_int_equal(share_of(after, (uint16_t)(gone + 1)), 0);
		for (unsigned i = 0; i < BALANCE_SLOTS; i++)
			moved += before[i] != gone + 1 && after[i] != before[i];
		free(after);
	}
	assert_true(moved <= rounds * BALANCE_SLOTS / 100);
	free(before);
	free(set);
	(void)state;
}

/* Each takes a slot in turn, so that shares differ by one at most. */
static void equal_weights_have_equal_shares_to_a_slot(void **state)
{
	struct set *set = set_new();

	for (unsigned count = 1; count <= MOST; count += 9) {
		uint16_t *slots = slots_of(set->backends, count);

		for (unsigned i = 0; i < count; i++)
			assert_in_range(share_of(slots, (uint16_t)(i + 1)), BALANCE_SLOTS / count,
					BALANCE_SLOTS / count + 1);
		free(slots);
	}
	free(set);
	(void)state;
}

/* A backend that comes takes from all: what changes hands goes to it, but for one in a hundred. */
static void what_moves_when_one_comes_moves_to_it(void **state)
{
	struct set *set = set_new();
	uint16_t *before = slots_of(set->backends, 9), *after = slots_of(set->backends, 10);
	unsigned to_it = 0, elsewhere = 0;

	for (unsigned i = 0; i < BALANCE_SLOTS; i++) {
		to_it += after[i] == 10;
		elsewhere += after[i] != 10 && after[i] != before[i];
	}
	assert_in_range(to_it, BALANCE_SLOTS / 10, BALANCE_SLOTS / 10 + 1);
	assert_true(elsewhere < BALANCE_SLOTS / 100);
	free(before);
	free(after);
	free(set);
	(void)state;
}

static void one_backend_has_all_and_none_has_nothing(void **state)
{
	struct set *set = set_new();
	uint16_t *slots = slots_of(set->backends, 1);

	assert_int_equal(share_of(slots, 1), BALANCE_SLOTS);
	set->backends[0].weight = 0;
	assert_int_equal(balance_maglev_fill(set->backends, 1, slots), 0);
	assert_int_equal(share_of(slots, 0), BALANCE_SLOTS);
	assert_int_equal(balance_maglev_fill(NULL, 0, slots), 0);
	free(slots);
	free(set);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_those_of_weights_within_one_percent),
		cmocka_unit_test(equal_weights_have_equal_shares_to_a_slot),
		cmocka_unit_test(what_moves_when_one_comes_moves_to_it),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(few_slots_move_when_one_of_a_hundred_goes),
		cmocka_unit_test(one_backend_has_all_and_none_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
