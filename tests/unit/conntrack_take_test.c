/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over from one table to another, over plain memory: who takes a flow, and what a
 * copy of it gets that was made before. */
#include "features/conntrack/conntrack_fake_table.h"

#define SEED 0x5eed5eed5eed0019ULL /* by which these flows get the first place */
#define NOW 1000u

static struct conntrack_flow flow_born(uint32_t born)
{
	return (struct conntrack_flow){
		.key = { .proto = CONNTRACK_TCP, .family = 4 },
		.word = (CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH | CONNTRACK_ANSWERED,
		.expires_ticks = NOW + 100,
		.born = born,
		.side = { { .end = 5000, .flags = CONNTRACK_SIDE_SEEN },
			  { .end = 7000, .flags = CONNTRACK_SIDE_SEEN } },
	};
}

static struct conntrack_table table_with(const struct conntrack_flow *flow)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);

	assert_int_equal(conntrack_table_add(&table, flow, SEED, NOW), 0);
	return table;
}

static void flow_is_taken_and_stays_there(void **state)
{
	struct conntrack_flow flow = flow_born(1);
	struct conntrack_table table = table_with(&flow);
	uint32_t word = table.flows[0].word;

	assert_true(conntrack_table_take(&table, 0, word));
	assert_int_equal(table.flows[0].word, word | CONNTRACK_MOVING);
	assert_true(conntrack_table_has(&table, &flow.key, SEED, NOW));
	table_free(&table);
}

/* A packet was first: it may have been killed with its CPU's work undone, so it is taken again. */
static void flow_that_a_packet_has_taken_is_taken(void **state)
{
	struct conntrack_flow flow = flow_born(1);
	struct conntrack_table table = table_with(&flow);
	uint32_t word = table.flows[0].word;

	table.flows[0].word |= CONNTRACK_MOVING | CONNTRACK_FIN;
	assert_true(conntrack_table_take(&table, 0, word));
	assert_int_equal(table.flows[0].word, word | CONNTRACK_MOVING | CONNTRACK_FIN);
	table_free(&table);
}

static void flow_that_was_forgotten_is_not_taken(void **state)
{
	struct conntrack_flow flow = flow_born(1);
	struct conntrack_table table = table_with(&flow);
	uint32_t word = table.flows[0].word;

	table.flows[0].word = (word & ~CONNTRACK_MARKS) + CONNTRACK_TURN;
	assert_false(conntrack_table_take(&table, 0, word));
	/* Nor the next at the same place. */
	table.flows[0].word |= CONNTRACK_LIVE | CONNTRACK_SYN;
	assert_false(conntrack_table_take(&table, 0, word));
	assert_int_equal(table.flows[0].word & CONNTRACK_MOVING, 0);
	table_free(&table);
}

static void flow_that_is_let_go_leaves_its_place(void **state)
{
	struct conntrack_flow flow = flow_born(1);
	struct conntrack_table table = table_with(&flow);
	uint32_t word = table.flows[0].word, last;

	assert_true(conntrack_table_take(&table, 0, word));
	table.flows[0].word |= CONNTRACK_FIN; /* by a packet that works with it there */
	assert_true(conntrack_table_let_go(&table, 0, word, NULL, &last));
	assert_int_equal(last, word | CONNTRACK_MOVING | CONNTRACK_FIN);
	assert_false(conntrack_table_has(&table, &flow.key, SEED, NOW));
	assert_int_equal(table.sets[0].tags[0], 0);
	assert_false(conntrack_table_take(&table, 0, word));
	assert_false(conntrack_table_let_go(&table, 0, word, NULL, &last));
	assert_int_equal(conntrack_table_add(&table, &flow, SEED, NOW), 0);
	table_free(&table);
}

static void copy_gets_what_was_seen_since(void **state)
{
	struct conntrack_flow flow = flow_born(1), old = flow;
	struct conntrack_table table = table_with(&flow);

	old.side[0].end = 5100; /* higher */
	old.side[1].end = 6900; /* lower */
	old.side[0].max_win = 70000;
	old.side[1].flags |= CONNTRACK_SIDE_LIMIT;
	old.mark = 7;
	old.word |= CONNTRACK_FIN | CONNTRACK_GRANTED | CONNTRACK_MARKED;
	conntrack_table_merge(&table, &old, SEED, NOW);
	assert_int_equal(table.flows[0].side[0].end, 5100);
	assert_int_equal(table.flows[0].side[1].end, 7000);
	assert_int_equal(table.flows[0].side[0].max_win, 70000);
	assert_true(table.flows[0].side[1].flags & CONNTRACK_SIDE_LIMIT);
	assert_int_equal(table.flows[0].mark, 7);
	assert_true(table.flows[0].word & CONNTRACK_FIN);
	assert_true(table.flows[0].word & CONNTRACK_GRANTED);
	table_free(&table);
}

static void side_that_the_copy_has_not_seen_is_taken_whole(void **state)
{
	struct conntrack_flow flow = flow_born(1), old = flow;

	flow.side[1] = (struct conntrack_side){};
	struct conntrack_table table = table_with(&flow);

	conntrack_table_merge(&table, &old, SEED, NOW);
	assert_memory_equal(&table.flows[0].side[1], &old.side[1], sizeof(old.side[1]));
	table_free(&table);
}

/* Tags are no numbers that rise: what packets have seen since stays. */
static void tags_that_the_copy_lacks_are_taken_and_no_others(void **state)
{
	struct conntrack_flow flow = flow_born(1), old;

	flow.key.proto = CONNTRACK_SCTP;
	flow.side[0] = (struct conntrack_side){ .tag = 55, .next = 55 };
	flow.side[1] = (struct conntrack_side){ .tag = 66 };
	old = flow;
	old.side[0] = (struct conntrack_side){ .tag = 17, .asked = 77 };
	old.side[1] = (struct conntrack_side){ .tag = 0xffffffff, .next = 34 };
	struct conntrack_table table = table_with(&flow);

	(void)state;
	conntrack_table_merge(&table, &old, SEED, NOW);
	assert_int_equal(table.flows[0].side[0].tag, 55);
	assert_int_equal(table.flows[0].side[0].next, 55);
	assert_int_equal(table.flows[0].side[0].asked, 77);
	assert_int_equal(table.flows[0].side[1].tag, 66);
	assert_int_equal(table.flows[0].side[1].next, 34);
	assert_int_equal(table.flows[0].side[1].asked, 0);
	table_free(&table);
}

static void flow_of_the_same_ends_gets_nothing_of_the_one_before(void **state)
{
	struct conntrack_flow flow = flow_born(2), old = flow_born(1);
	struct conntrack_table table = table_with(&flow);

	old.side[0].end = 5100;
	old.word |= CONNTRACK_FIN_ACKED * CONNTRACK_BOTH;
	conntrack_table_merge(&table, &old, SEED, NOW);
	assert_int_equal(table.flows[0].side[0].end, 5000);
	assert_false(table.flows[0].word & CONNTRACK_FIN_ACKED * CONNTRACK_BOTH);
	table_free(&table);
}

/* Marks that packets have added since do not keep it. */
static void flow_that_was_put_is_taken_back_from_its_place(void **state)
{
	struct conntrack_flow flow = flow_born(1);
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);
	struct conntrack_place place;

	(void)state;
	assert_int_equal(conntrack_table_put(&table, &flow, SEED, NOW, &place), 0);
	assert_int_equal(place.word, table.flows[place.index].word);
	table.flows[place.index].word |= CONNTRACK_FIN;
	conntrack_table_take_back(&table, &place);
	assert_false(conntrack_table_has(&table, &flow.key, SEED, NOW));
	assert_int_equal(table.sets[0].tags[0], 0);
	table_free(&table);
}

/* Its ends have begun another, which is found first. */
static void flow_of_the_same_ends_stays_when_the_one_before_is_taken_back(void **state)
{
	struct conntrack_flow flow = flow_born(1), other = flow_born(2);
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);
	struct conntrack_place place;

	(void)state;
	table.flows[0].word = CONNTRACK_MOVING; /* where the other is being written */
	assert_int_equal(conntrack_table_put(&table, &flow, SEED, NOW, &place), 0);
	assert_int_equal(place.index, 1);
	table.flows[0] = other;
	table.flows[0].word |= CONNTRACK_LIVE;
	table.sets[0].tags[0] |= conntrack_tag(conntrack_hash(&other.key, SEED));
	conntrack_table_take_back(&table, &place);
	assert_int_equal(conntrack_table_count(&table, NOW), 1);
	assert_true(table.flows[0].word & CONNTRACK_LIVE);
	table_free(&table);
}

static void place_that_went_to_another_is_not_taken_back(void **state)
{
	struct conntrack_flow flow = flow_born(1);
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, 1);
	struct conntrack_place place;

	(void)state;
	assert_int_equal(conntrack_table_put(&table, &flow, SEED, NOW, &place), 0);
	table.flows[place.index].word += CONNTRACK_TURN;
	conntrack_table_take_back(&table, &place);
	assert_true(conntrack_table_has(&table, &flow.key, SEED, NOW));
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_is_taken_and_stays_there),
		cmocka_unit_test(flow_that_a_packet_has_taken_is_taken),
		cmocka_unit_test(flow_that_was_forgotten_is_not_taken),
		cmocka_unit_test(flow_that_is_let_go_leaves_its_place),
		cmocka_unit_test(copy_gets_what_was_seen_since),
		cmocka_unit_test(side_that_the_copy_has_not_seen_is_taken_whole),
		cmocka_unit_test(tags_that_the_copy_lacks_are_taken_and_no_others),
		cmocka_unit_test(flow_of_the_same_ends_gets_nothing_of_the_one_before),
		cmocka_unit_test(flow_that_was_put_is_taken_back_from_its_place),
		cmocka_unit_test(flow_of_the_same_ends_stays_when_the_one_before_is_taken_back),
		cmocka_unit_test(place_that_went_to_another_is_not_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
