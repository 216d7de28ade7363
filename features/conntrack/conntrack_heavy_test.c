/* SPDX-License-Identifier: Apache-2.0 */
/* The heaviest groups of a stream beside a plain array that has all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_heavy.h"

#define ROOM 64u
#define KEYS 5000u
#define STEPS 60000

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % limit);
}

static struct conntrack_heavy *heavy_new(uint32_t room)
{
	struct conntrack_heavy *heavy = malloc(conntrack_heavy_bytes(room));

	assert_non_null(heavy);
	conntrack_heavy_init(heavy, room, 7);
	return heavy;
}

static struct conntrack_share share_of(uint32_t number)
{
	return (struct conntrack_share){
		.key = { .addr.be32 = { 1, 2, 3, number }, .number = number },
		.totals = { .flows = 1,
			    .packets = { random_below(9), 1 },
			    .bytes = { random_below(5000), random_below(100) } },
	};
}

static void totals_equal(const struct conntrack_totals *one, const struct conntrack_totals *other)
{
	assert_memory_equal(one, other, sizeof(*one));
}

/* Every measure of every key: what is seen is never more than there was, and with what may be
 * missed never less. */
static void bounds_hold(const struct conntrack_heavy *heavy, const struct conntrack_totals *all)
{
	struct conntrack_totals sum = heavy->gone;
	uint8_t is_kept[KEYS] = { 0 };

	for (uint32_t i = 0; i < heavy->count; i++) {
		const struct conntrack_heavy_entry *entry = conntrack_heavy_at(heavy, i);
		uint32_t key = entry->key.number;

		assert_false(is_kept[key]);
		is_kept[key] = 1;
		conntrack_totals_add(&sum, &entry->seen);
		for (int by = 0; by < CONNTRACK_BY_COUNT; by++) {
			uint64_t seen = conntrack_totals_of(&entry->seen, by),
				 truth = conntrack_totals_of(&all[key], by);

			assert_true(seen <= truth && truth <= seen + entry->missed[by]);
		}
	}
	totals_equal(&sum, &heavy->all);
	for (uint32_t key = 0; key < KEYS; key++)
		for (int by = 0; by < CONNTRACK_BY_COUNT && !is_kept[key]; by++)
			assert_true(conntrack_totals_of(&all[key], by) <= heavy->most_missed[by]);
}

/* A few keys come often and the rest seldom, as senders do. */
static uint32_t key_any(void)
{
	uint32_t most = random_below(3) ? 20 : KEYS;

	return random_below(most);
}

static void feed(struct conntrack_heavy *heavy, struct conntrack_totals *all, int steps)
{
	for (int i = 0; i < steps; i++) {
		struct conntrack_share share = share_of(key_any());

		conntrack_totals_add(&all[share.key.number], &share.totals);
		conntrack_heavy_add(heavy, &share);
	}
}

static struct conntrack_totals sum_of(const struct conntrack_totals *all)
{
	struct conntrack_totals sum = { .flows = 0 };

	for (uint32_t key = 0; key < KEYS; key++)
		conntrack_totals_add(&sum, &all[key]);
	return sum;
}

static void random_streams_stay_in_their_bounds(void **state)
{
	for (random_state = 1; random_state < 6; random_state++) {
		_cleanup_free_ struct conntrack_heavy *heavy = heavy_new(ROOM);
		struct conntrack_totals all[KEYS] = { 0 };
		uint64_t seed = random_state;

		feed(heavy, all, STEPS);
		assert_int_equal(heavy->count, ROOM);
		bounds_hold(heavy, all);
		struct conntrack_totals sum = sum_of(all);

		totals_equal(&sum, &heavy->all);
		/* The theorem: no group lacks more than an equal share of all bytes. */
		assert_true(heavy->most_missed[CONNTRACK_BY_BYTES] <=
			    conntrack_totals_of(&sum, CONNTRACK_BY_BYTES) / ROOM);
		random_state = seed;
	}
}

static void the_twenty_that_come_often_are_kept(void **state)
{
	_cleanup_free_ struct conntrack_heavy *heavy = heavy_new(ROOM);
	struct conntrack_totals all[KEYS] = { 0 };
	unsigned kept = 0;

	random_state = 9;
	feed(heavy, all, STEPS);
	for (uint32_t i = 0; i < heavy->count; i++)
		kept += conntrack_heavy_at(heavy, i)->key.number < 20;
	assert_int_equal(kept, 20);
}

static void what_fits_is_exact(void **state)
{
	_cleanup_free_ struct conntrack_heavy *heavy = heavy_new(KEYS);
	struct conntrack_totals all[KEYS] = { 0 };

	random_state = 3;
	feed(heavy, all, STEPS);
	assert_int_equal(heavy->gone.flows, 0);
	for (uint32_t i = 0; i < heavy->count; i++) {
		const struct conntrack_heavy_entry *entry = conntrack_heavy_at(heavy, i);

		totals_equal(&entry->seen, &all[entry->key.number]);
		assert_int_equal(entry->missed[CONNTRACK_BY_BYTES], 0);
	}
}

/* Heap, chains and sums are of no use after a kill: all of them are made anew. */
static void what_a_killed_run_left_goes_on(void **state)
{
	_cleanup_free_ struct conntrack_heavy *heavy = heavy_new(ROOM);
	struct conntrack_totals all[KEYS] = { 0 };

	random_state = 4;
	feed(heavy, all, STEPS);
	struct conntrack_heavy_entry *entries = (struct conntrack_heavy_entry *)(heavy + 1);

	memset(entries + ROOM, 0xa5,
	       conntrack_heavy_bytes(ROOM) - sizeof(*heavy) - ROOM * sizeof(*entries));
	for (uint32_t i = 0; i < ROOM; i++)
		entries[i].heap = entries[i].next = 0xa5a5a5a5;
	heavy->all.flows++;
	assert_true(conntrack_heavy_mend(heavy, ROOM));
	bounds_hold(heavy, all);
	feed(heavy, all, STEPS);
	bounds_hold(heavy, all);
	assert_false(conntrack_heavy_mend(heavy, ROOM + 1));
	heavy->count = ROOM + 1;
	assert_false(conntrack_heavy_mend(heavy, ROOM));
}

static void another_room_takes_the_heaviest(void **state)
{
	static const uint32_t rooms[] = { 1, 7, ROOM, 200 };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rooms); i++) {
		_cleanup_free_ struct conntrack_heavy *from = heavy_new(ROOM),
						      *to = heavy_new(rooms[i]);
		struct conntrack_totals all[KEYS] = { 0 };

		random_state = 5;
		feed(from, all, STEPS);
		conntrack_heavy_take(to, from);
		bounds_hold(to, all);
		assert_true(to->count <= rooms[i] &&
			    to->count + 1 >= (rooms[i] < ROOM ? rooms[i] : ROOM));
		feed(to, all, STEPS);
		bounds_hold(to, all);
	}
}

static void what_is_forgotten_is_in_no_group_and_in_the_sum(void **state)
{
	_cleanup_free_ struct conntrack_heavy *heavy = heavy_new(ROOM);
	struct conntrack_totals all[KEYS] = { 0 };

	random_state = 6;
	feed(heavy, all, STEPS);
	conntrack_heavy_forget(heavy);
	assert_int_equal(heavy->count, 0);
	totals_equal(&heavy->gone, &heavy->all);
	feed(heavy, all, STEPS);
	bounds_hold(heavy, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_streams_stay_in_their_bounds),
		cmocka_unit_test(the_twenty_that_come_often_are_kept),
		cmocka_unit_test(what_fits_is_exact),
		cmocka_unit_test(what_a_killed_run_left_goes_on),
		cmocka_unit_test(another_room_takes_the_heaviest),
		cmocka_unit_test(what_is_forgotten_is_in_no_group_and_in_the_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
