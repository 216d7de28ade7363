/* SPDX-License-Identifier: Apache-2.0 */
/* What flows carried, when they leave their places: taken along, or counted as ended, once. */
#include "features/conntrack/conntrack_fake_table.h"

#include <pthread.h>
#include <string.h>

#include "features/conntrack/conntrack_carried.h"

#define NOW 1000
#define SEED 7
#define SETS 4

static struct conntrack_flow flow_of(uint16_t port)
{
	return (struct conntrack_flow){
		.key = { .port = { port, 53 }, .proto = CONNTRACK_UDP, .family = 4 },
		.word = CONNTRACK_LIVE,
		.expires_ticks = NOW + 100,
		.born = 1,
	};
}

static struct conntrack_table counted_table(void)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, SETS);

	table.sums = calloc(CONNTRACK_SUM_ROW(SETS * CONNTRACK_WAYS), sizeof(*table.sums));
	table.ended = calloc(1, sizeof(*table.ended));
	assert_non_null(table.sums);
	assert_non_null(table.ended);
	return table;
}

static void counted_free(struct conntrack_table *table)
{
	free(table->sums);
	free(table->ended);
	table_free(table);
}

static struct conntrack_place put(struct conntrack_table *table, uint16_t port)
{
	struct conntrack_flow flow = flow_of(port);
	struct conntrack_place place;

	assert_int_equal(conntrack_table_put(table, &flow, SEED, NOW, &place), 0);
	return place;
}

/* As a packet does it that found the flow with this word; false: it came too late. */
static bool add(struct conntrack_table *table, const struct conntrack_place *place, uint32_t at,
		uint64_t rest)
{
	__u64 *word = &table->sums[CONNTRACK_SUM_ROW(place->index)].words[at];
	uint64_t turn = conntrack_sum_turn(place->word);
	__u64 old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (!old || conntrack_sum_is_of(old, turn))
		if (__atomic_compare_exchange_n(word, &old,
						conntrack_sum_plus(old | turn, rest, at), false,
						__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

static void send_two(struct conntrack_table *table, const struct conntrack_place *place)
{
	assert_true(add(table, place, CONNTRACK_SUM_PACKETS, 1 | 2ULL << 49));
	assert_true(add(table, place, CONNTRACK_SUM_BYTES, 100));
	assert_true(add(table, place, CONNTRACK_SUM_PACKETS + 1, 1 | 0x12ULL << 49));
	assert_true(add(table, place, CONNTRACK_SUM_PACKETS + 1, 1 | 1ULL << 49));
	assert_true(add(table, place, CONNTRACK_SUM_BYTES + 1, 3000));
}

static void flow_has_what_its_packets_carried_by_side(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);
	struct conntrack_carried carried;

	send_two(&table, &place);
	assert_true(conntrack_carried_get(&table, place.index, place.word, &carried));
	assert_int_equal(carried.packets[0], 1);
	assert_int_equal(carried.packets[1], 2);
	assert_int_equal(carried.bytes[0], 100);
	assert_int_equal(carried.bytes[1], 3000);
	assert_int_equal(carried.flags[0], 0x02);
	assert_int_equal(carried.flags[1], 0x13);
	counted_free(&table);
}

static void flow_that_is_forgotten_is_counted_as_ended(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);
	struct conntrack_carried carried;

	send_two(&table, &place);
	assert_true(conntrack_table_remove(&table, place.index, place.word));
	assert_int_equal(table.ended->packets, 3);
	assert_int_equal(table.ended->bytes, 3100);
	assert_false(add(&table, &place, CONNTRACK_SUM_PACKETS, 1));
	/* The next at the same place begins with nothing, and adds nothing to the one before. */
	struct conntrack_place next = put(&table, 1);

	assert_int_equal(next.index, place.index);
	assert_true(conntrack_carried_get(&table, next.index, next.word, &carried));
	assert_int_equal(carried.packets[0] + carried.packets[1] + carried.bytes[0], 0);
	assert_false(add(&table, &place, CONNTRACK_SUM_BYTES, 1));
	assert_int_equal(table.ended->packets, 3);
	counted_free(&table);
}

static void flow_that_moves_takes_along_what_it_carried(void **state)
{
	struct conntrack_table from = counted_table(), to = counted_table();
	struct conntrack_place old = put(&from, 1);
	struct conntrack_heir heir = { .table = &to, .place = put(&to, 1) };
	struct conntrack_carried carried;
	uint32_t last;

	send_two(&from, &old);
	send_two(&to, &heir.place); /* packets were there before it came */
	assert_true(conntrack_table_take(&from, old.index, old.word));
	assert_true(conntrack_table_let_go(&from, old.index, old.word, &heir, &last));
	assert_true(conntrack_carried_get(&to, heir.place.index, heir.place.word, &carried));
	assert_int_equal(carried.packets[0], 2);
	assert_int_equal(carried.packets[1], 4);
	assert_int_equal(carried.bytes[1], 6000);
	assert_int_equal(carried.flags[1], 0x13);
	assert_int_equal(from.ended->packets + to.ended->packets, 0);
	assert_false(add(&from, &old, CONNTRACK_SUM_PACKETS, 1));
	counted_free(&from);
	counted_free(&to);
}

static void what_finds_its_heir_gone_is_counted_as_ended(void **state)
{
	struct conntrack_table from = counted_table(), to = counted_table();
	struct conntrack_place old = put(&from, 1);
	struct conntrack_heir heir = { .table = &to, .place = put(&to, 1) };

	send_two(&from, &old);
	assert_true(conntrack_table_remove(&to, heir.place.index, heir.place.word));
	put(&to, 1);
	assert_true(conntrack_table_leave(&from, old.index, old.word, &heir));
	assert_int_equal(from.ended->packets, 3);
	assert_int_equal(from.ended->bytes, 3100);
	counted_free(&from);
	counted_free(&to);
}

static void table_that_goes_leaves_nothing_uncounted(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1), unused = put(&table, 2);

	send_two(&table, &place);
	conntrack_sums_close(&table, CONNTRACK_CAUSE_OFF);
	assert_int_equal(table.ended->packets, 3);
	assert_int_equal(table.ended->bytes, 3100);
	assert_false(add(&table, &place, CONNTRACK_SUM_PACKETS, 1));
	assert_false(add(&table, &unused, CONNTRACK_SUM_PACKETS, 1));
	counted_free(&table);
}

#define PACKETS_MOST 0x1ffffffffffffULL /* 49 bits */
#define BYTES_MOST 0x1ffffffffffffffULL /* 57 bits */
#define FLAG_ACK (0x10ULL << 49)
#define FLAG_FIN 1

static struct conntrack_carried carried_at(const struct conntrack_table *table,
					   const struct conntrack_place *place)
{
	struct conntrack_carried carried;

	assert_true(conntrack_carried_get(table, place->index, place->word, &carried));
	return carried;
}

static void numbers_are_exact_up_to_their_last_value(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);

	assert_true(add(&table, &place, CONNTRACK_SUM_PACKETS, (PACKETS_MOST - 1) | FLAG_ACK));
	assert_true(add(&table, &place, CONNTRACK_SUM_PACKETS, 1 | FLAG_ACK));
	assert_true(add(&table, &place, CONNTRACK_SUM_BYTES, BYTES_MOST - 1500));
	assert_true(add(&table, &place, CONNTRACK_SUM_BYTES, 1500));
	struct conntrack_carried carried = carried_at(&table, &place);

	assert_true(carried.packets[0] == PACKETS_MOST && carried.bytes[0] == BYTES_MOST);
	assert_int_equal(carried.flags[0], 0x10);
	assert_true(conntrack_table_remove(&table, place.index, place.word));
	assert_true(table.ended->packets == PACKETS_MOST && table.ended->bytes == BYTES_MOST);
	counted_free(&table);
}

/* The bit it had run into is that of a flag. The flow stays its place's. */
static void packets_past_their_edge_begin_at_nothing_and_count_on(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);

	assert_true(add(&table, &place, CONNTRACK_SUM_PACKETS, PACKETS_MOST | FLAG_ACK));
	assert_true(add(&table, &place, CONNTRACK_SUM_PACKETS, 1 | FLAG_ACK));
	struct conntrack_carried carried = carried_at(&table, &place);

	assert_int_equal(carried.packets[0], 0);
	assert_int_equal(carried.flags[0], 0x10 | FLAG_FIN);
	assert_true(add(&table, &place, CONNTRACK_SUM_PACKETS, 7));
	assert_int_equal(carried_at(&table, &place).packets[0], 7);
	counted_free(&table);
}

/* They run into the turn: the number is nobody's, and the other three go on. */
static void bytes_past_their_edge_are_not_known_and_whoever_comes_next_begins_whole(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);

	assert_true(add(&table, &place, CONNTRACK_SUM_BYTES, BYTES_MOST));
	assert_true(add(&table, &place, CONNTRACK_SUM_BYTES, 1));
	assert_false(add(&table, &place, CONNTRACK_SUM_BYTES, 1500));
	assert_true(add(&table, &place, CONNTRACK_SUM_BYTES + 1, 60));
	assert_true(add(&table, &place, CONNTRACK_SUM_PACKETS, 1));
	struct conntrack_carried carried = carried_at(&table, &place);

	assert_int_equal(carried.bytes[0], 0);
	assert_int_equal(carried.bytes[1], 60);
	assert_int_equal(carried.packets[0], 1);
	assert_true(conntrack_table_remove(&table, place.index, place.word));
	assert_int_equal(table.ended->bytes, 60);
	struct conntrack_place next = put(&table, 1);

	assert_int_equal(next.index, place.index);
	assert_true(add(&table, &next, CONNTRACK_SUM_BYTES, 40));
	assert_int_equal(carried_at(&table, &next).bytes[0], 40);
	counted_free(&table);
}

/* Six bits of the word's turn, and one that says there is one. */
static void turn_of_a_number_is_the_same_again_after_64(void **state)
{
	uint32_t first = CONNTRACK_LIVE | 5 * CONNTRACK_TURN, word = first;

	for (int i = 1; i < 64; i++) {
		word = conntrack_word_next(word);
		assert_false(
			conntrack_sum_is_of(conntrack_sum_turn(word), conntrack_sum_turn(first)));
		assert_true(conntrack_sum_turn(word) >> 57 >= 64); /* never what is 0 or closed */
	}
	word = conntrack_word_next(word);
	assert_true(conntrack_sum_is_of(conntrack_sum_turn(word), conntrack_sum_turn(first)));
}

/* A flow that is forgotten leaves a turn to nobody, so every flow takes two. */
static void who_holds_a_place_over_32_flows_that_were_forgotten_adds_to_another(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place old = put(&table, 1), place = old;

	for (int i = 0; i < 32; i++) {
		assert_int_equal(add(&table, &old, CONNTRACK_SUM_PACKETS, 1), i == 0);
		assert_true(conntrack_table_remove(&table, place.index, place.word));
		place = put(&table, 1);
		assert_int_equal(place.index, old.index);
	}
	assert_true(add(&table, &old, CONNTRACK_SUM_PACKETS, 1));
	assert_int_equal(carried_at(&table, &place).packets[0], 1);
	counted_free(&table);
}

#define QINQ (CONNTRACK_VLAN_KNOWN | 0x1064u | 0x10c8u << 16) /* 100.200 */

/* As the packet that began it notes it. */
static void note_vlan(struct conntrack_table *table, const struct conntrack_place *place)
{
	table->sums[CONNTRACK_SUM_ROW(place->index)].vlan = conntrack_sum_turn(place->word) | QINQ;
}

static uint32_t vlan_of(const struct conntrack_table *table, const struct conntrack_place *place)
{
	struct conntrack_carried carried;

	assert_true(conntrack_carried_get(table, place->index, place->word, &carried));
	return carried.vlan;
}

static void vlan_is_of_its_flow_and_of_none_after_it(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);

	assert_int_equal(vlan_of(&table, &place), 0);
	note_vlan(&table, &place);
	assert_int_equal(vlan_of(&table, &place), 0x10c83064);
	assert_true(conntrack_table_remove(&table, place.index, place.word));
	struct conntrack_place next = put(&table, 1);

	assert_int_equal(next.index, place.index);
	assert_int_equal(vlan_of(&table, &next), 0);
	counted_free(&table);
}

static void vlan_of_a_program_that_knew_none_is_not_known(void **state)
{
	struct conntrack_table table = counted_table();
	struct conntrack_place place = put(&table, 1);

	note_vlan(&table, &place);
	/* It gave the place to another, and left what it does not know as it was. */
	place.word = conntrack_word_next(place.word) | CONNTRACK_LIVE;
	assert_int_equal(vlan_of(&table, &place), 0);
	counted_free(&table);
}

static void vlan_moves_with_its_flow(void **state)
{
	struct conntrack_table from = counted_table(), to = counted_table();
	struct conntrack_place old = put(&from, 1);
	struct conntrack_heir heir = { .table = &to, .place = put(&to, 1) };
	uint32_t last;

	note_vlan(&from, &old);
	assert_true(conntrack_table_take(&from, old.index, old.word));
	assert_true(conntrack_table_let_go(&from, old.index, old.word, &heir, &last));
	assert_int_equal(vlan_of(&to, &heir.place), 0x10c83064);
	counted_free(&from);
	counted_free(&to);
}

static void vlan_that_comes_too_late_leaves_that_of_another(void **state)
{
	struct conntrack_table from = counted_table(), to = counted_table();
	struct conntrack_place old = put(&from, 1);
	struct conntrack_heir heir = { .table = &to, .place = put(&to, 1) };

	note_vlan(&from, &old);
	assert_true(conntrack_table_remove(&to, heir.place.index, heir.place.word));
	struct conntrack_place other = put(&to, 1);

	to.sums[CONNTRACK_SUM_ROW(other.index)].vlan =
		conntrack_sum_turn(other.word) | CONNTRACK_VLAN_KNOWN;
	assert_true(conntrack_table_leave(&from, old.index, old.word, &heir));
	assert_int_equal(vlan_of(&to, &other), CONNTRACK_VLAN_KNOWN);
	counted_free(&from);
	counted_free(&to);
}

static void flow_is_not_counted_where_nothing_is(void **state)
{
	struct conntrack_table table = table_new(CONNTRACK_TABLE_PROVEN, SETS);
	struct conntrack_place place = put(&table, 1);
	struct conntrack_carried carried;

	assert_false(conntrack_carried_get(&table, place.index, place.word, &carried));
	assert_int_equal(carried.packets[0], 0);
	assert_true(conntrack_table_remove(&table, place.index, place.word));
	table_free(&table);
}

#define ADDED 300000

struct adder {
	struct conntrack_table *table;
	struct conntrack_place place; /* read as one word: the index is always the same */
	uint64_t late;
	bool is_done;
};

/* By whatever word stands there, as packets find it, up to some time ago. */
static void *adder_run(void *arg)
{
	struct adder *adder = arg;
	struct conntrack_place place = adder->place;

	for (int i = 0; i < ADDED; i++) {
		if (i % 3 == 0)
			place.word = __atomic_load_n(&adder->table->flows[place.index].word,
						     __ATOMIC_ACQUIRE);
		adder->late += !add(adder->table, &place, CONNTRACK_SUM_PACKETS, 1);
	}
	__atomic_store_n(&adder->is_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void nothing_is_lost_or_counted_twice_while_a_place_changes_hands(void **state)
{
	struct conntrack_table table = counted_table();
	struct adder adder = { &table, put(&table, 1), 0, false };
	struct conntrack_place place = adder.place;
	struct conntrack_carried carried;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, adder_run, &adder), 0);
	while (!__atomic_load_n(&adder.is_done, __ATOMIC_ACQUIRE)) {
		assert_true(conntrack_table_remove(&table, place.index, place.word));
		place = put(&table, 1);
	}
	pthread_join(thread, NULL);
	conntrack_carried_get(&table, place.index, place.word, &carried);
	assert_int_equal(table.ended->packets + carried.packets[0] + adder.late, ADDED);
	counted_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_has_what_its_packets_carried_by_side),
		cmocka_unit_test(flow_that_is_forgotten_is_counted_as_ended),
		cmocka_unit_test(flow_that_moves_takes_along_what_it_carried),
		cmocka_unit_test(what_finds_its_heir_gone_is_counted_as_ended),
		cmocka_unit_test(table_that_goes_leaves_nothing_uncounted),
		cmocka_unit_test(numbers_are_exact_up_to_their_last_value),
		cmocka_unit_test(packets_past_their_edge_begin_at_nothing_and_count_on),
		cmocka_unit_test(
			bytes_past_their_edge_are_not_known_and_whoever_comes_next_begins_whole),
		cmocka_unit_test(turn_of_a_number_is_the_same_again_after_64),
		cmocka_unit_test(
			who_holds_a_place_over_32_flows_that_were_forgotten_adds_to_another),
		cmocka_unit_test(vlan_is_of_its_flow_and_of_none_after_it),
		cmocka_unit_test(vlan_of_a_program_that_knew_none_is_not_known),
		cmocka_unit_test(vlan_moves_with_its_flow),
		cmocka_unit_test(vlan_that_comes_too_late_leaves_that_of_another),
		cmocka_unit_test(flow_is_not_counted_where_nothing_is),
		cmocka_unit_test(nothing_is_lost_or_counted_twice_while_a_place_changes_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
