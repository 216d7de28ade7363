/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a flow is told of while it lives, its records add up to what it carried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/conntrack/conntrack_active.h"

#define SECOND 1000000000ull
#define TIMEOUT (10 * SECOND)

static struct conntrack_flow flow_of(uint32_t number)
{
	return (struct conntrack_flow){
		.key = { .addr[1].be32 = { 0, 0, 0, number }, .family = 4, .proto = CONNTRACK_UDP },
		.born = 1 + number,
	};
}

static struct conntrack_carried carried_of(uint64_t packets, uint64_t bytes)
{
	return (struct conntrack_carried){ .packets = { packets, 1 },
					   .bytes = { bytes, 60 },
					   .first_ns = SECOND };
}

static struct conntrack_active *active_new(const char *dir, uint32_t flows)
{
	const struct conntrack_active_plan plan = { flows, TIMEOUT, 7 };
	struct conntrack_active *active = conntrack_active_new(dir);

	assert_non_null(active);
	conntrack_active_keep(active, &plan);
	return active;
}

static bool tell(struct conntrack_active *active, uint32_t number, uint64_t seconds,
		 struct conntrack_carried *carried)
{
	struct conntrack_flow flow = flow_of(number);

	return conntrack_active_due(active, &flow, seconds * SECOND, carried);
}

static void assert_carried(const struct conntrack_carried *carried, uint64_t packets,
			   uint64_t replies, uint64_t bytes, uint64_t reply_bytes)
{
	assert_int_equal(carried->packets[0], packets);
	assert_int_equal(carried->packets[1], replies);
	assert_int_equal(carried->bytes[0], bytes);
	assert_int_equal(carried->bytes[1], reply_bytes);
}

static void assert_unheard(struct conntrack_active *active, uint64_t packets, uint64_t bytes)
{
	struct weir_count count = conntrack_active_unheard(active);

	assert_int_equal(count.packets, packets);
	assert_int_equal(count.bytes, bytes);
}

static void told_each_time_of_what_came_since(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);
	struct conntrack_carried first = carried_of(5, 500), second = carried_of(7, 700),
				 third = carried_of(7, 700);

	assert_false(tell(active, 1, 10, &first)); /* it lives for 9 s */
	assert_true(tell(active, 1, 11, &first));
	assert_carried(&first, 5, 1, 500, 60);
	assert_false(tell(active, 1, 20, &second));
	assert_carried(&second, 7, 1, 700, 60);
	assert_true(tell(active, 1, 21, &second));
	assert_carried(&second, 2, 0, 200, 0);
	assert_false(tell(active, 1, 40, &third)); /* nothing came */
	conntrack_active_free(active);
}

static void the_end_tells_of_the_rest(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);
	struct conntrack_flow flow = flow_of(1), other = flow_of(1);
	struct conntrack_carried told = carried_of(5, 500), lives = carried_of(6, 600),
				 ends = carried_of(8, 800), again = carried_of(9, 900);

	other.born++;
	assert_true(tell(active, 1, 11, &told));
	conntrack_active_rest(active, &other, CONNTRACK_TOLD_ENDS, &again); /* another's */
	assert_carried(&again, 9, 1, 900, 60);
	conntrack_active_rest(active, &flow, CONNTRACK_TOLD_LIVES, &lives);
	assert_carried(&lives, 1, 0, 100, 0);
	conntrack_active_rest(active, &flow, CONNTRACK_TOLD_ENDS, &ends);
	assert_carried(&ends, 3, 0, 300, 0);
	conntrack_active_rest(active, &flow, CONNTRACK_TOLD_ENDS, &again); /* known no more */
	assert_carried(&again, 9, 1, 900, 60);
	assert_unheard(active, 0, 0); /* its end was heard of */
	conntrack_active_free(active);
}

/* A flow that moves leaves some of its numbers to a record of their own. */
static void a_part_has_what_the_end_lacks(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);
	struct conntrack_flow flow = flow_of(1), part = flow_of(1);
	struct conntrack_carried told = carried_of(5, 500), most = carried_of(3, 900),
				 rest = carried_of(4, 0);

	part.born = 77;
	assert_true(tell(active, 1, 11, &told));
	conntrack_active_rest(active, &flow, CONNTRACK_TOLD_ENDS, &most);
	assert_carried(&most, 0, 0, 400, 0);
	conntrack_active_rest(active, &part, CONNTRACK_TOLD_PART, &rest);
	assert_carried(&rest, 2, 1, 0, 60);
	conntrack_active_free(active);
}

static void numbers_that_are_under_way_are_waited_for(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);
	struct conntrack_carried told = carried_of(5, 500), less = carried_of(9, 400),
				 more = carried_of(9, 900);

	assert_true(tell(active, 1, 11, &told));
	assert_false(tell(active, 1, 30, &less));
	assert_true(tell(active, 1, 31, &more));
	assert_carried(&more, 4, 0, 400, 0);
	conntrack_active_free(active);
}

static void who_has_the_ends_next_begins_anew(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);
	struct conntrack_flow next = flow_of(1);
	struct conntrack_carried told = carried_of(5, 500), young = carried_of(2, 200), old = young;

	next.born += 1000;
	young.first_ns = old.first_ns = 30 * SECOND;
	assert_true(tell(active, 1, 11, &told));
	assert_false(conntrack_active_due(active, &next, 32 * SECOND, &young));
	assert_true(conntrack_active_due(active, &next, 40 * SECOND, &old));
	assert_carried(&old, 2, 1, 200, 60);
	assert_unheard(active, 6, 560);
	conntrack_active_free(active);
}

static void an_end_that_comes_when_the_ends_are_anothers_is_told_of_once(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);
	const struct conntrack_flow first = flow_of(1);
	struct conntrack_flow next = first;
	struct conntrack_carried told = carried_of(5, 500), young = carried_of(2, 200),
				 whole = carried_of(7, 700);

	next.born += 1000;
	young.first_ns = 30 * SECOND;
	assert_true(tell(active, 1, 11, &told));
	assert_false(conntrack_active_due(active, &next, 32 * SECOND, &young));
	conntrack_active_rest(active, &first, CONNTRACK_TOLD_ENDS, &whole);
	assert_carried(&whole, 2, 0, 200, 0);
	assert_unheard(active, 0, 0);
	conntrack_active_free(active);
}

static bool is_even(const struct conntrack_key *key, void *arg)
{
	(void)arg;
	return key->addr[1].be32[3] % 2 == 0;
}

static void what_nobody_heard_the_end_of_is_forgotten_after_a_minute(void **state)
{
	struct conntrack_active *active = active_new(NULL, 100);

	for (uint32_t number = 0; number < 20; number++) {
		struct conntrack_carried carried = carried_of(5, 500);

		assert_true(tell(active, number, 11, &carried));
	}
	for (uint64_t seconds = 100; seconds < 180; seconds++) {
		conntrack_active_sweep(active, seconds * SECOND, is_even, NULL);
		for (uint32_t number = 0; number < 20 && seconds < 160; number++) {
			struct conntrack_flow flow = flow_of(number);
			struct conntrack_carried carried = carried_of(5, 500);

			conntrack_active_rest(active, &flow, CONNTRACK_TOLD_LIVES, &carried);
			assert_carried(&carried, 0, 0, 0, 0);
		}
	}
	for (uint32_t number = 0; number < 20; number++) {
		struct conntrack_flow flow = flow_of(number);
		struct conntrack_carried carried = carried_of(5, 500);

		conntrack_active_rest(active, &flow, CONNTRACK_TOLD_LIVES, &carried);
		assert_int_equal(carried.packets[0], number % 2 ? 5 : 0);
	}
	assert_unheard(active, 10 * 6, 10 * 560);
	conntrack_active_free(active);
}

static bool is_none(const struct conntrack_key *key, void *arg)
{
	(void)key;
	(void)arg;
	return false;
}

/* Of one flow nobody hears again; of the other in a part, from which two packets are taken off. */
static void what_is_told_and_unrecorded_is_known_over_runs_and_sizes(void **state)
{
	char dir[] = "/tmp/conntrack-active-XXXXXX", file[64];

	assert_non_null(mkdtemp(dir));
	struct conntrack_active *active = active_new(dir, 100);
	struct conntrack_flow part = flow_of(2);
	struct conntrack_carried one = carried_of(5, 500), two = carried_of(5, 500),
				 left = { .packets = { 2, 0 }, .bytes = { 200, 0 } };

	assert_true(tell(active, 1, 11, &one));
	assert_true(tell(active, 2, 11, &two));
	conntrack_active_rest(active, &part, CONNTRACK_TOLD_PART, &left);
	assert_carried(&left, 0, 0, 0, 0);
	for (uint64_t seconds = 100; seconds < 180; seconds++)
		conntrack_active_sweep(active, seconds * SECOND, is_none, NULL);
	assert_unheard(active, 6 + 4, 560 + 360);
	conntrack_active_free(active);
	active = active_new(dir, 100);
	assert_unheard(active, 10, 920);
	conntrack_active_free(active);
	active = active_new(dir, 5000); /* of another size */
	assert_unheard(active, 10, 920);
	conntrack_active_free(active);
	snprintf(file, sizeof(file), "%s/flow-told", dir);
	unlink(file);
	assert_int_equal(rmdir(dir), 0);
}

#define FLOWS 300u

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % limit);
}

static void records_add(uint64_t sums[4], const struct conntrack_carried *carried)
{
	for (int side = 0; side < 2; side++) {
		sums[side] += carried->packets[side];
		sums[2 + side] += carried->bytes[side];
	}
}

/* Runs that end at any time, tables of other sizes, and more flows than are told of. */
static void records_of_random_flows_add_up(void **state)
{
	static const uint32_t rooms[] = { 300, 40, 500, 7, 300 };
	char dir[] = "/tmp/conntrack-active-XXXXXX", file[64];
	struct conntrack_carried all[FLOWS] = { 0 };
	uint64_t sums[FLOWS][4] = { 0 }, seconds = 0;
	unsigned told = 0;

	assert_non_null(mkdtemp(dir));
	for (size_t run = 0; run < 25; run++) {
		struct conntrack_active *active = active_new(dir, rooms[run / 5]);

		for (int step = 0; step < 2000; step++) {
			uint32_t number = random_below(FLOWS);
			struct conntrack_flow flow = flow_of(number);
			struct conntrack_carried *carried = &all[number];

			seconds += !random_below(40);
			carried->first_ns = SECOND;
			carried->packets[0] += random_below(9);
			carried->bytes[1] += random_below(5000);
			struct conntrack_carried now = *carried;

			if (!conntrack_active_due(active, &flow, seconds * SECOND, &now))
				continue;
			records_add(sums[number], &now);
			told++;
		}
		conntrack_active_free(active);
	}
	struct conntrack_active *active = active_new(dir, 300);

	for (uint32_t number = 0; number < FLOWS; number++) {
		struct conntrack_flow flow = flow_of(number);
		struct conntrack_carried rest = all[number];

		conntrack_active_rest(active, &flow, CONNTRACK_TOLD_ENDS, &rest);
		records_add(sums[number], &rest);
	}
	conntrack_active_free(active);
	snprintf(file, sizeof(file), "%s/flow-told", dir);
	unlink(file);
	assert_int_equal(rmdir(dir), 0);
	assert_true(told > 1000);
	for (uint32_t number = 0; number < FLOWS; number++)
		assert_carried(&all[number], sums[number][0], sums[number][1], sums[number][2],
			       sums[number][3]);
}

/* Of so many flows each of one set of 16, as they were placed without a seed. */
static void who_knows_the_hash_cannot_fill_a_set(void **state)
{
	const uint64_t sets = (100 + 100 / 4) / 16 + 1;
	struct conntrack_active *active = active_new(NULL, 100);
	unsigned met = 0;

	for (uint32_t number = 0; met < 40; number++) {
		struct conntrack_flow flow = flow_of(number);
		struct conntrack_carried carried = carried_of(5, 500);

		if (weir_hash_bytes(&flow.key, sizeof(flow.key), 0) % sets)
			continue;
		met++;
		assert_true(tell(active, number, number + 20, &carried));
	}
	conntrack_active_free(active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_each_time_of_what_came_since),
		cmocka_unit_test(the_end_tells_of_the_rest),
		cmocka_unit_test(a_part_has_what_the_end_lacks),
		cmocka_unit_test(numbers_that_are_under_way_are_waited_for),
		cmocka_unit_test(who_has_the_ends_next_begins_anew),
		cmocka_unit_test(an_end_that_comes_when_the_ends_are_anothers_is_told_of_once),
		cmocka_unit_test(what_nobody_heard_the_end_of_is_forgotten_after_a_minute),
		cmocka_unit_test(what_is_told_and_unrecorded_is_known_over_runs_and_sizes),
		cmocka_unit_test(who_knows_the_hash_cannot_fill_a_set),
		cmocka_unit_test(records_of_random_flows_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
