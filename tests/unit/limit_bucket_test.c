/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: bursts, clocks that come round, several processors, more sources than buckets. How
 * exactly rates are held is limit_exact_test.c's. */
#include <pthread.h>

#include "tests/unit/limit_model.h"

/* ICMP of netxfw's figures: 50 at once, then one each 100 ms. */
static void burst_passes_and_not_one_more(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"10/s", .burst = 50 });

	for (int i = 0; i < 50; i++)
		assert_int_equal(packet(&table, START, 7, 64), LIMIT_PASSES);
	assert_int_equal(packet(&table, START, 7, 64), LIMIT_OVER);
	assert_int_equal(packet(&table, START + 99900000, 7, 64), LIMIT_OVER);
	assert_int_equal(packet(&table, START + 100000000, 7, 64), LIMIT_PASSES);
	assert_int_equal(packet(&table, START + 100000000, 7, 64), LIMIT_OVER);
	/* Five seconds of silence fill it again, and not more. */
	for (int i = 0; i < 50; i++)
		assert_int_equal(packet(&table, START + 60 * SECOND, 7, 64), LIMIT_PASSES);
	assert_int_equal(packet(&table, START + 60 * SECOND, 7, 64), LIMIT_OVER);
	free(table.lines);
	(void)state;
}

/* What is refused costs nothing: a flood does not push its own end further away. */
static void one_packet_an_hour_is_not_starved(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"1/h", .burst = 1 });
	uint64_t passed = 0;

	for (uint64_t s = 0; s < 10 * 3600; s++)
		passed += packet(&table, START + s * SECOND, 7, 64) == LIMIT_PASSES;
	assert_int_equal(passed, 10);
	free(table.lines);
	(void)state;
}

static void look_charges_nothing(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"1/s", .burst = 1 });
	struct limit_ask ask = { .now = limit_time(START),
				 .cost = table.row.per,
				 .step = table.row.per,
				 .room = table.row.room,
				 .print = 5,
				 .is_look = 1 };
	struct limit_line before = {};

	for (int i = 0; i < 3; i++)
		assert_int_equal(limit_try(table.lines, table.lines, &ask), LIMIT_PASSES);
	assert_memory_equal(table.lines, &before, sizeof(before));
	ask.is_look = 0;
	assert_int_equal(limit_try(table.lines, table.lines, &ask), LIMIT_PASSES);
	ask.is_look = 1;
	assert_int_equal(limit_try(table.lines, table.lines, &ask), LIMIT_OVER);
	free(table.lines);
	(void)state;
}

/* --- the clock comes round ------------------------------------------------------------------ */

#define ROUND_NS (1ULL << 50) /* 44 bits of 64 ns: 13 days */

static void nothing_is_seen_when_the_clock_comes_round(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"10/s", .burst = 50 });
	struct model model = { .count = 10, .period_ns = SECOND, .burst = 50 };

	for (uint64_t i = 0; i < 4000; i++) {
		uint64_t now = ROUND_NS - 20 * SECOND + i * (SECOND / 100);

		assert_int_equal(packet(&table, now, 7, 64) == LIMIT_PASSES,
				 model_passes(&model, now, 1));
	}
	free(table.lines);
	(void)state;
}

/* Whenever the machine was started: eight sources have a bucket in an empty line. */
static void empty_words_are_free_at_any_time(void **state)
{
	for (uint64_t now = SECOND; now < 2 * ROUND_NS; now += 3600 * SECOND) {
		struct table table =
			table_new(1, &(struct limit_text){ .packets = (char *)"1/s", .burst = 1 });

		for (uint64_t source = 0; source < LIMIT_WAYS; source++)
			assert_int_equal(packet(&table, now, source, 64), LIMIT_PASSES);
		assert_int_equal(packet(&table, now, 99, 64), LIMIT_CROWDED);
		free(table.lines);
	}
	(void)state;
}

/* Half a second before a word has come round, it says that half a second is owed. Without a sweep
 * the source waits as long as its bucket takes to drain, and no longer. */
static void word_that_came_round_holds_for_one_drain_at_most(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"1/s", .burst = 1 });
	uint64_t later = START + ROUND_NS - 3600 * SECOND;

	assert_int_equal(packet(&table, START, 7, 64), LIMIT_PASSES);
	assert_int_equal(packet(&table, later, 7, 64), LIMIT_OVER);
	assert_int_equal(packet(&table, later + SECOND + 10000, 7, 64), LIMIT_PASSES);
	free(table.lines);
	(void)state;
}

/* A limit that is raised must hold for a source that owes it an hour. */
static void raised_limit_holds_at_once(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"1/h", .burst = 1 });

	assert_int_equal(packet(&table, START, 7, 64), LIMIT_PASSES);
	assert_int_equal(packet(&table, START + SECOND, 7, 64), LIMIT_OVER);
	table.row = row_of(&(struct limit_text){ .packets = (char *)"10/s", .burst = 10 });
	assert_int_equal(packet(&table, START + SECOND, 7, 64), LIMIT_OVER);
	assert_int_equal(packet(&table, START + 2 * SECOND, 7, 64), LIMIT_PASSES);
	free(table.lines);
	(void)state;
}

/* --- several processors ---------------------------------------------------------------------- */

#define PROCESSORS 4
#define TOGETHER 400000

static void *hammer(void *data)
{
	const struct table *table = data;
	struct limit_ask ask = { .now = limit_time(START),
				 .cost = table->row.per,
				 .step = table->row.per,
				 .room = table->row.room,
				 .print = 5 };
	uintptr_t passed = 0;

	for (int i = 0; i < TOGETHER; i++) {
		enum limit_answer answer = LIMIT_RACED;

		for (int n = 0; n < LIMIT_TRIES && answer == LIMIT_RACED; n++) {
			ask.is_last = n == LIMIT_TRIES - 1;
			answer = limit_try(table->lines, table->lines, &ask);
		}
		passed += answer == LIMIT_PASSES;
	}
	return (void *)passed;
}

/* The clock stands still, so what passes is the burst, and where two met one a processor more. */
static void processors_at_one_bucket_charge_each_packet(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"500/s", .burst = TOGETHER });
	pthread_t threads[PROCESSORS];
	uintptr_t sum = 0;

	for (int i = 0; i < PROCESSORS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &table), 0);
	for (int i = 0; i < PROCESSORS; i++) {
		void *passed;

		assert_int_equal(pthread_join(threads[i], &passed), 0);
		sum += (uintptr_t)passed;
	}
	assert_in_range(sum, TOGETHER, TOGETHER + PROCESSORS);
	free(table.lines);
	(void)state;
}

/* --- more sources than buckets --------------------------------------------------------------- */

/* Seven have used up their two, one has not; then a ninth sends a hundred times as much. */
static void source_that_sends_much_takes_the_word_that_owes_least(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"1/m", .burst = 2 });
	uint64_t passed = 0;

	for (uint64_t source = 0; source < LIMIT_WAYS; source++)
		for (int i = 0; i < 2 - (source == 3); i++)
			assert_int_equal(packet(&table, START, source, 64), LIMIT_PASSES);
	for (int i = 0; i < 500; i++)
		passed += packet(&table, START + SECOND, 99, 64) != LIMIT_OVER;
	assert_in_range(passed, 3, 200); /* one in 16: (15/16)^198 is 3 in a million */
	for (uint64_t source = 0; source < LIMIT_WAYS; source++)
		assert_int_equal(packet(&table, START + SECOND, source, 64),
				 source == 3 ? LIMIT_CROWDED : LIMIT_OVER);
	free(table.lines);
	(void)state;
}

/* It got its word there because its first line was full; that one has run dry since. */
static void source_is_found_in_its_second_line(void **state)
{
	struct limit_line first = {}, second = {};
	struct limit_row quick =
		row_of(&(struct limit_text){ .packets = (char *)"10/s", .burst = 1 });
	struct limit_row slow =
		row_of(&(struct limit_text){ .packets = (char *)"1/m", .burst = 1 });
	struct limit_ask ask = { .now = limit_time(START) };

	ask.cost = ask.step = quick.per;
	ask.room = quick.room;
	for (ask.print = 1; ask.print <= LIMIT_WAYS; ask.print++)
		assert_int_equal(limit_try(&first, &second, &ask), LIMIT_PASSES);
	ask.cost = ask.step = slow.per;
	ask.room = slow.room;
	assert_int_equal(limit_try(&first, &second, &ask), LIMIT_PASSES);
	assert_int_not_equal(second.words[0], 0);
	ask.now = limit_time(START + SECOND);
	assert_int_equal(limit_try(&first, &second, &ask), LIMIT_OVER);
	(void)state;
}

#define HONEST 100

struct flood {
	uint64_t honest_sent, honest_passed, heavy_passed, heavy_expected, crowded;
};

/*
 * A second of 15 Mpps of 10,000,000 random sources, whom a limit of 10/s, burst 50, leaves alone
 * one by one: more buckets are wanted than the 1,048,576 there are. Among them a hundred that keep
 * to the limit with eight a second, and one that sends ten thousand.
 */
static struct flood flood_run(struct table *table)
{
	const uint64_t pps = 15000000;
	struct model model = { .count = 10, .period_ns = SECOND, .burst = 50 };
	struct flood flood = {};

	for (uint64_t i = 0; i < pps; i++) {
		uint64_t now = START + i * SECOND / pps;

		flood.crowded += packet(table, now, roll() % 10000000, 64) == LIMIT_CROWDED;
		if (i % (pps / 8 / HONEST) == 0)
			flood.honest_passed +=
				packet(table, now, (1ULL << 40) + flood.honest_sent++ % HONEST,
				       64) != LIMIT_OVER;
		if (i % (pps / 10000) == 0) {
			flood.heavy_passed += packet(table, now, 1ULL << 41, 64) != LIMIT_OVER;
			flood.heavy_expected += model_passes(&model, now, 1);
		}
	}
	return flood;
}

static void flood_of_random_sources_hides_no_heavy_one(void **state)
{
	struct table table =
		table_new(131072, &(struct limit_text){ .packets = (char *)"10/s", .burst = 50 });
	struct flood flood = flood_run(&table);

	assert_true(flood.honest_sent >= 8 * HONEST);
	assert_true(flood.honest_passed * 100 >= flood.honest_sent * 95);
	assert_in_range(flood.heavy_passed, flood.heavy_expected,
			flood.heavy_expected + flood.heavy_expected / 2);
	assert_in_range(flood.heavy_expected, 59, 61);
	assert_true(flood.crowded > 1000000);
	free(table.lines);
	(void)state;
}

/* As the last byte of an IPv4 address, which is the highest of its word. */
static void neighbours_have_fingerprints_of_their_own(void **state)
{
	static uint32_t prints[256];
	unsigned equal = 0;

	for (uint64_t i = 0; i < 256; i++) {
		struct limit_ask ask = {};

		limit_place(&ask, limit_mix(0x5eed, 0x0a00000affff0000ULL ^ i << 56), 1000);
		prints[i] = ask.print;
		for (uint64_t j = 0; j < i; j++)
			equal += prints[j] == prints[i];
	}
	assert_in_range(equal, 0, 2); /* of 32,640 pairs and 2^20 fingerprints 0.03 by chance */
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_have_fingerprints_of_their_own),
		cmocka_unit_test(burst_passes_and_not_one_more),
		cmocka_unit_test(one_packet_an_hour_is_not_starved),
		cmocka_unit_test(look_charges_nothing),
		cmocka_unit_test(nothing_is_seen_when_the_clock_comes_round),
		cmocka_unit_test(empty_words_are_free_at_any_time),
		cmocka_unit_test(word_that_came_round_holds_for_one_drain_at_most),
		cmocka_unit_test(raised_limit_holds_at_once),
		cmocka_unit_test(processors_at_one_bucket_charge_each_packet),
		cmocka_unit_test(source_that_sends_much_takes_the_word_that_owes_least),
		cmocka_unit_test(source_is_found_in_its_second_line),
		cmocka_unit_test(flood_of_random_sources_hides_no_heavy_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
