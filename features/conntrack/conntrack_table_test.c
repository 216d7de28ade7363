/* SPDX-License-Identifier: Apache-2.0 */
/* The table of flows from user space, over plain memory: what packet programs do to it meanwhile is
 * written into the words by hand. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "features/conntrack/conntrack_fake_table.h"

/* By which the flows 1 to 8 get the places 0 to 7, one after the other, and 2 and 7 alone the
 * first. */
#define SEED 0x5eed5eed000000b0ULL
#define NOW 1000u
#define LATER 2000u

/* 10.0.x.y:1024 to 192.0.2.1:443, x and y from the number. */
static struct conntrack_key key_of(uint32_t number)
{
	struct conntrack_key key = { .proto = CONNTRACK_TCP, .family = 4 };

	for (int end = 0; end < 2; end++)
		key.addr[end].bytes[10] = key.addr[end].bytes[11] = 0xff;
	key.addr[0].be32[3] = htonl(0x0a000000 + number);
	key.addr[1].be32[3] = htonl(0xc0000201);
	key.port[0] = htons(1024);
	key.port[1] = htons(443);
	return key;
}

/* The number in many places, so that halves of two flows do not fit. */
static struct conntrack_flow flow_of(uint32_t number)
{
	return (struct conntrack_flow){
		.key = key_of(number),
		.word = CONNTRACK_SYN,
		.expires_ticks = LATER,
		.let_in = number,
		.mark = number,
		.born = NOW,
		.side = { { .end = number }, { .max_end = number } },
		.rule = (uint16_t)number,
		.backend = (uint16_t)~number,
	};
}

static int add(struct conntrack_table *table, uint32_t number)
{
	struct conntrack_flow flow = flow_of(number);

	return conntrack_table_add(table, &flow, SEED, NOW);
}

static bool has(const struct conntrack_table *table, uint32_t number, uint32_t now)
{
	struct conntrack_key key = key_of(number);

	return conntrack_table_has(table, &key, SEED, now);
}

struct found {
	struct conntrack_flow flow;
	uint32_t index;
	uint32_t wanted; /* .mark of the flow looked for */
	uint32_t count;
};

static int found_note(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct found *found = arg;

	if (flow->mark != found->wanted)
		return 0;
	found->flow = *flow;
	found->index = index;
	found->count++;
	return 0;
}

/* The one flow of that number. */
static struct found find(const struct conntrack_table *table, uint32_t number)
{
	struct found found = { .wanted = number };

	assert_int_equal(conntrack_table_each(table, NOW, found_note, &found), 0);
	assert_int_equal(found.count, 1);
	return found;
}

static uint16_t tag_of(const struct conntrack_table *table, uint32_t index)
{
	return (uint16_t)(table->sets[index / 8].tags[index % 8 / 4] >> (index % 4 * 16));
}

/* The next number from `from` on whose flow has its two places in those sets. */
static uint32_t number_in(const struct conntrack_table *table, uint32_t from, uint32_t first,
			  uint32_t second)
{
	for (uint32_t number = from; number < from + 10000; number++) {
		struct conntrack_key key = key_of(number);
		uint64_t hash = conntrack_hash(&key, SEED);

		if (conntrack_first_set(hash, table->set_count) == first &&
		    conntrack_second_set(hash, table->set_count) == second)
			return number;
	}
	fail_msg("no flow hashes to sets %u and %u", first, second);
	return 0;
}

/* --- add and has ------------------------------------------------------------------------- */

static void flow_that_was_added_is_there_as_it_was(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 16);

	assert_false(has(&table, 7, NOW));
	assert_int_equal(add(&table, 7), 0);
	assert_true(has(&table, 7, NOW));
	assert_false(has(&table, 8, NOW));
	assert_int_equal(conntrack_table_count(&table, NOW), 1);
	struct found found = find(&table, 7);
	struct conntrack_flow flow = flow_of(7);

	flow.word = found.flow.word;
	assert_memory_equal(&found.flow, &flow, sizeof(flow));
	table_free(&table);
}

static void flow_of_another_family_protocol_or_port_is_another(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);
	struct conntrack_key key = key_of(7);

	assert_int_equal(add(&table, 7), 0);
	key.family = 6;
	assert_false(conntrack_table_has(&table, &key, SEED, NOW));
	key = key_of(7);
	key.proto = CONNTRACK_UDP;
	assert_false(conntrack_table_has(&table, &key, SEED, NOW));
	key = key_of(7);
	key.port[1] = htons(444);
	assert_false(conntrack_table_has(&table, &key, SEED, NOW));
	table_free(&table);
}

static void flow_of_the_same_tag_is_told_by_its_key(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);
	struct conntrack_key other = key_of(8);

	assert_int_equal(add(&table, 7), 0);
	table.sets[0].tags[0] = conntrack_tag(conntrack_hash(&other, SEED));
	assert_false(has(&table, 8, NOW));
	table_free(&table);
}

static void flow_that_is_there_stays_as_it_is(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 16);
	struct conntrack_flow flow = flow_of(7);

	assert_int_equal(add(&table, 7), 0);
	flow.mark = 99;
	assert_int_equal(conntrack_table_add(&table, &flow, SEED, NOW), -EEXIST);
	assert_int_equal(find(&table, 7).flow.mark, 7);
	assert_int_equal(conntrack_table_count(&table, NOW), 1);
	table_free(&table);
}

static void flow_past_its_time_makes_room_for_itself(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);
	struct conntrack_flow flow = flow_of(7);

	flow.expires_ticks = NOW - 1;
	assert_int_equal(conntrack_table_add(&table, &flow, SEED, NOW), 0);
	assert_int_equal(add(&table, 7), 0);
	assert_int_equal(conntrack_table_count(&table, NOW), 1);
	table_free(&table);
}

static void set_of_half_open_flows_holds_eight(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	for (uint32_t number = 1; number <= 8; number++)
		assert_int_equal(add(&table, number), 0);
	assert_int_equal(add(&table, 9), -ENOSPC);
	assert_int_equal(conntrack_table_count(&table, NOW), 8);
	for (uint32_t number = 1; number <= 8; number++)
		assert_true(has(&table, number, NOW));
	assert_false(has(&table, 9, NOW));
	table_free(&table);
}

static void full_set_gives_the_place_of_what_is_past_its_time(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	for (uint32_t number = 1; number <= 8; number++)
		assert_int_equal(add(&table, number), 0);
	table.flows[5].expires_ticks = NOW - 1;
	assert_int_equal(add(&table, 9), 0);
	assert_int_equal(find(&table, 9).index, 5);
	assert_true(has(&table, 9, NOW));
	table_free(&table);
}

static void proven_flow_goes_to_its_second_set_when_the_first_is_full(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 4);
	uint32_t number = 0;

	for (int i = 0; i < 9; i++) {
		number = number_in(&table, number + 1, 2, 3);
		assert_int_equal(add(&table, number), 0);
		assert_int_equal(find(&table, number).index / CONNTRACK_WAYS, i < 8 ? 2 : 3);
	}
	assert_true(has(&table, number, NOW));
	for (int i = 0; i < 7; i++) {
		number = number_in(&table, number + 1, 2, 3);
		assert_int_equal(add(&table, number), 0);
	}
	number = number_in(&table, number + 1, 2, 3);
	assert_int_equal(add(&table, number), -ENOSPC);
	assert_int_equal(conntrack_table_count(&table, NOW), 16);
	table_free(&table);
}

/* Places are a quarter more than flows (conntrack_sets): each has one, once others make room. */
static void table_holds_as_many_proven_flows_as_it_is_for(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 100000 / 8 * 5 / 4);

	for (uint32_t number = 1; number <= 100000; number++)
		assert_int_equal(add(&table, number), 0);
	assert_int_equal(conntrack_table_count(&table, NOW), 100000);
	for (uint32_t number = 1; number <= 100000; number += 97)
		assert_true(has(&table, number, NOW));
	table_free(&table);
}

static void half_open_flow_has_no_second_set(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 4);
	uint32_t number = 0;

	for (int i = 0; i < 8; i++) {
		number = number_in(&table, number + 1, 2, 3);
		assert_int_equal(add(&table, number), 0);
	}
	number = number_in(&table, number + 1, 2, 3);
	assert_int_equal(add(&table, number), -ENOSPC);
	table_free(&table);
}

static void flow_gets_the_place_that_its_hash_says_while_that_is_free(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);
	struct conntrack_flow flow = flow_of(7);

	for (uint64_t seed = SEED; seed < SEED + 100; seed++) {
		uint32_t way = conntrack_hash(&flow.key, seed) >> 32 & 7;

		assert_int_equal(conntrack_table_add(&table, &flow, seed, NOW), 0);
		assert_int_equal(find(&table, 7).index, way);
		assert_true(conntrack_table_remove(&table, way, table.flows[way].word));
	}
	table_free(&table);
}

/* --- words ------------------------------------------------------------------------------- */

static void word_has_marks_and_a_turn_a_flow(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	/* LIVE is bit 16; a turn is 0x40000. */
	assert_int_equal(add(&table, 1), 0);
	assert_int_equal(table.flows[0].word, 0x50001);
	assert_int_equal(tag_of(&table, 0) & 1, 1);
	assert_true(conntrack_table_remove(&table, 0, 0x50001));
	assert_int_equal(table.flows[0].word, 0x80000);
	assert_int_equal(tag_of(&table, 0), 0);
	assert_int_equal(add(&table, 2), 0);
	assert_int_equal(table.flows[0].word, 0xd0001);
	table_free(&table);
}

static void turn_and_moving_of_the_flow_that_is_added_are_left_out(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);
	struct conntrack_flow flow = flow_of(1);

	flow.word = 0xabc00000 | CONNTRACK_MOVING | CONNTRACK_LIVE | CONNTRACK_SYN;
	assert_int_equal(conntrack_table_add(&table, &flow, SEED, NOW), 0);
	assert_int_equal(table.flows[0].word, 0x50001);
	table_free(&table);
}

static void turn_wraps_around(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	assert_int_equal(add(&table, 1), 0);
	table.flows[0].word = 0xfffd0001;
	assert_true(conntrack_table_remove(&table, 0, 0xfffd0001));
	assert_int_equal(table.flows[0].word, 0);
	table_free(&table);
}

static void remove_of_a_flow_that_has_changed_is_refused(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	assert_int_equal(add(&table, 1), 0);
	uint32_t word = table.flows[0].word;

	table.flows[0].word |= CONNTRACK_ANSWERED;
	assert_false(conntrack_table_remove(&table, 0, word));
	assert_true(has(&table, 1, NOW));
	assert_true(conntrack_table_remove(&table, 0, word | CONNTRACK_ANSWERED));
	assert_int_equal(add(&table, 1), 0);
	/* The same flow at the same place, and yet another. */
	assert_false(conntrack_table_remove(&table, 0, word));
	assert_true(has(&table, 1, NOW));
	table_free(&table);
}

/* While a packet moves it, it is found, and nobody takes it away. */
static void flow_that_moves_is_left_to_who_moves_it(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	assert_int_equal(add(&table, 1), 0);
	uint32_t word = table.flows[0].word |= CONNTRACK_MOVING;

	assert_true(has(&table, 1, NOW));
	assert_int_equal(conntrack_table_count(&table, NOW), 1);
	assert_false(conntrack_table_remove(&table, 0, word));
	assert_int_equal(conntrack_table_sweep(&table, LATER + 1, 0, 1), 0);
	assert_int_equal(table.flows[0].word, word);
	assert_true(tag_of(&table, 0) != 0);
	table_free(&table);
}

/* A place whose flow is gone, and where a packet writes another. */
static void place_that_is_being_written_is_left_to_who_writes_it(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);
	struct conntrack_flow untouched[8];

	for (uint32_t number = 1; number <= 8; number++)
		assert_int_equal(add(&table, number), 0);
	table.flows[3].word = 0x80000 | CONNTRACK_MOVING;
	memcpy(untouched, table.flows, sizeof(untouched));
	assert_int_equal(conntrack_table_count(&table, NOW), 7);
	assert_false(has(&table, 4, NOW));
	assert_int_equal(add(&table, 9), -ENOSPC);
	assert_int_equal(conntrack_table_sweep(&table, NOW, 0, 1), 7);
	assert_memory_equal(table.flows, untouched, sizeof(untouched));
	table_free(&table);
}

/* --- time -------------------------------------------------------------------------------- */

static void flow_is_there_up_to_its_tick(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 4);

	assert_int_equal(add(&table, 1), 0);
	assert_true(has(&table, 1, LATER));
	assert_int_equal(conntrack_table_count(&table, LATER), 1);
	assert_false(has(&table, 1, LATER + 1));
	assert_int_equal(conntrack_table_count(&table, LATER + 1), 0);
	table_free(&table);
}

static void ticks_wrap_around(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 4);
	struct conntrack_flow flow = flow_of(1);

	flow.expires_ticks = 0x10;
	assert_int_equal(conntrack_table_add(&table, &flow, SEED, 0xfffffff0), 0);
	assert_true(has(&table, 1, 0xfffffff0));
	assert_true(has(&table, 1, 0));
	assert_true(has(&table, 1, 0x10));
	assert_false(has(&table, 1, 0x11));
	assert_int_equal(conntrack_table_sweep(&table, 0xfffffff0, 0, 4), 1);
	assert_int_equal(conntrack_table_sweep(&table, 0x11, 0, 4), 0);
	assert_int_equal(conntrack_table_sweep(&table, 0xfffffff0, 0, 4), 0);
	table_free(&table);
}

static void sweep_forgets_what_is_past_its_time_alone(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);

	for (uint32_t number = 1; number <= 5; number++)
		assert_int_equal(add(&table, number), 0);
	table.flows[1].expires_ticks = table.flows[4].expires_ticks = NOW - 1;
	assert_int_equal(conntrack_table_sweep(&table, NOW, 0, 1), 3);
	assert_int_equal(table.flows[1].word & CONNTRACK_LIVE, 0);
	assert_int_equal(tag_of(&table, 1), 0);
	assert_int_equal(tag_of(&table, 4), 0);
	assert_true(tag_of(&table, 0) && tag_of(&table, 2) && tag_of(&table, 3));
	assert_int_equal(conntrack_table_count(&table, NOW), 3);
	table_free(&table);
}

static void sweep_keeps_to_its_sets(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 4);
	uint32_t first = number_in(&table, 1, 0, 0), last = number_in(&table, 1, 3, 0);

	assert_int_equal(add(&table, first), 0);
	assert_int_equal(add(&table, last), 0);
	assert_int_equal(conntrack_table_sweep(&table, NOW, 0, 1), 1);
	assert_int_equal(conntrack_table_sweep(&table, NOW, 1, 2), 0);
	assert_int_equal(conntrack_table_sweep(&table, NOW, 3, 100), 1);
	assert_int_equal(conntrack_table_sweep(&table, NOW, 4, 100), 0);
	assert_int_equal(conntrack_table_sweep(&table, LATER + 1, 1, 100), 0);
	assert_true(has(&table, first, NOW));
	assert_false(has(&table, last, NOW));
	table_free(&table);
}

/* --- each -------------------------------------------------------------------------------- */

static int stop_at_third(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	int *left = arg;

	(void)flow, (void)index;
	return --*left ? 0 : -ECANCELED;
}

static void each_stops_at_the_first_that_says_so(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 4);
	int left = 3;

	for (uint32_t number = 1; number <= 8; number++)
		assert_int_equal(add(&table, number), 0);
	assert_int_equal(conntrack_table_each(&table, NOW, stop_at_third, &left), -ECANCELED);
	assert_int_equal(left, 0);
	table_free(&table);
}

/* --- at once ----------------------------------------------------------------------------- */

#define FLOWS 200000u /* of each thread, one after the other */

struct worker {
	pthread_t thread;
	struct conntrack_table *table;
	uint32_t first; /* number of its flows */
	uint32_t burst; /* so many are there before they are taken away */
	uint32_t added, removed, wrong;
	const bool *stop;
};

static int remove_own(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct worker *worker = arg;

	if (flow->mark - worker->first < FLOWS)
		worker->removed += conntrack_table_remove(worker->table, index, flow->word);
	return 0;
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	for (uint32_t i = 0; i < FLOWS; i++) {
		int r = add(worker->table, worker->first + i);

		worker->added += r == 0;
		worker->wrong += r != 0 && r != -ENOSPC;
		if (i % worker->burst == worker->burst - 1)
			conntrack_table_each(worker->table, NOW, remove_own, worker);
	}
	return NULL;
}

static void workers_run(struct worker workers[2])
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(workers[i].wrong, 0);
		assert_true(workers[i].removed > 0);
	}
}

static int whole_is(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct conntrack_flow whole = flow_of(flow->mark);
	uint32_t *wrong = arg;

	(void)index;
	whole.word = flow->word;
	*wrong += memcmp(flow, &whole, sizeof(whole)) != 0;
	return 0;
}

static void *walk(void *arg)
{
	struct worker *worker = arg;

	while (!__atomic_load_n(worker->stop, __ATOMIC_ACQUIRE))
		conntrack_table_each(worker->table, NOW, whole_is, &worker->wrong);
	return NULL;
}

static void flow_is_told_whole_while_two_threads_add_and_remove(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_HALF, 1);
	bool stop = false;
	struct worker walker = { .table = &table, .stop = &stop };
	struct worker workers[2] = { { .table = &table, .first = 0x100000, .burst = 1 },
				     { .table = &table, .first = 0x200000, .burst = 1 } };

	assert_int_equal(pthread_create(&walker.thread, NULL, walk, &walker), 0);
	workers_run(workers);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(walker.thread, NULL);
	assert_int_equal(walker.wrong, 0);
	table_free(&table);
}

/* Bursts of 12, and room for 16: places are fought over. Nothing is lost; a flow that is taken out
 * while another thread moves it to make room may leave its copy. */
static void flows_of_two_threads_are_all_accounted_for(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 2);
	struct worker workers[2] = { { .table = &table, .first = 0x100000, .burst = 12 },
				     { .table = &table, .first = 0x200000, .burst = 12 } };
	uint32_t live = 0;

	workers_run(workers);
	for (uint32_t index = 0; index < 2 * CONNTRACK_WAYS; index++) {
		live += !!(table.flows[index].word & CONNTRACK_LIVE);
		assert_false(table.flows[index].word & CONNTRACK_MOVING);
	}
	uint32_t added = workers[0].added + workers[1].added,
		 found = workers[0].removed + workers[1].removed + live;

	assert_in_range(found, added, added + added / 1000);
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_that_was_added_is_there_as_it_was),
		cmocka_unit_test(flow_of_another_family_protocol_or_port_is_another),
		cmocka_unit_test(flow_of_the_same_tag_is_told_by_its_key),
		cmocka_unit_test(flow_that_is_there_stays_as_it_is),
		cmocka_unit_test(flow_past_its_time_makes_room_for_itself),
		cmocka_unit_test(set_of_half_open_flows_holds_eight),
		cmocka_unit_test(full_set_gives_the_place_of_what_is_past_its_time),
		cmocka_unit_test(proven_flow_goes_to_its_second_set_when_the_first_is_full),
		cmocka_unit_test(table_holds_as_many_proven_flows_as_it_is_for),
		cmocka_unit_test(half_open_flow_has_no_second_set),
		cmocka_unit_test(flow_gets_the_place_that_its_hash_says_while_that_is_free),
		cmocka_unit_test(word_has_marks_and_a_turn_a_flow),
		cmocka_unit_test(turn_and_moving_of_the_flow_that_is_added_are_left_out),
		cmocka_unit_test(turn_wraps_around),
		cmocka_unit_test(remove_of_a_flow_that_has_changed_is_refused),
		cmocka_unit_test(flow_that_moves_is_left_to_who_moves_it),
		cmocka_unit_test(place_that_is_being_written_is_left_to_who_writes_it),
		cmocka_unit_test(flow_is_there_up_to_its_tick),
		cmocka_unit_test(ticks_wrap_around),
		cmocka_unit_test(sweep_forgets_what_is_past_its_time_alone),
		cmocka_unit_test(sweep_keeps_to_its_sets),
		cmocka_unit_test(each_stops_at_the_first_that_says_so),
		cmocka_unit_test(flow_is_told_whole_while_two_threads_add_and_remove),
		cmocka_unit_test(flows_of_two_threads_are_all_accounted_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
