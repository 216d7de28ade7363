/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets as the data path has them, compiled natively, with a clock of the test's own, beside a
 * model that counts in whole numbers and rounds nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/lib/limit_bucket.h"
#include "features/limit/limit_state.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

/* A small random number generator (xorshift64*), so that a run can be repeated. */
static uint64_t dice;

static uint64_t roll(void)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return dice * 0x2545f4914f6cdd1dULL;
}

/* --- the model: time in 1/count of a ns, so that a packet costs a whole number ------------ */

struct model {
	__extension__ unsigned __int128 paid_up_to;
	uint64_t count, period_ns, burst;
};

static bool model_passes(struct model *model, uint64_t now_ns, uint64_t amount)
{
	__extension__ unsigned __int128 now = (unsigned __int128)now_ns * model->count;
	__extension__ unsigned __int128 from = model->paid_up_to > now ? model->paid_up_to : now;
	__extension__ unsigned __int128 to = from + (unsigned __int128)amount * model->period_ns;

	if (to - now > (unsigned __int128)model->burst * model->period_ns)
		return false;
	model->paid_up_to = to;
	return true;
}

/* --- the data path's ---------------------------------------------------------------------- */

struct table {
	struct limit_line *lines;
	uint32_t count;
	struct limit_row row;
};

static struct limit_row row_of(const struct limit_text *text)
{
	struct limit_text whole = *text;
	struct limit_meaning meaning;

	whole.name = (char *)"x";
	whole.per = (char *)"source";
	assert_int_equal(limit_read(&whole, "", NULL, &meaning), 0);
	return meaning.row;
}

static struct table table_new(uint32_t lines, const struct limit_text *text)
{
	struct table table = { aligned_alloc(64, lines * sizeof(struct limit_line)), lines,
			       row_of(text) };

	assert_non_null(table.lines);
	memset(table.lines, 0, lines * sizeof(struct limit_line));
	dice = 88172645463325252ULL;
	return table;
}

/* As limit_visit() does, of a packet of `bytes` of source `source`. */
static enum limit_answer packet(struct table *table, uint64_t now_ns, uint64_t source,
				uint64_t bytes)
{
	const struct limit_row *row = &table->row;
	struct limit_ask ask = { .now = limit_time(now_ns), .room = row->room };
	enum limit_answer answer = LIMIT_RACED;

	bytes = bytes < row->most ? bytes : row->most;
	ask.cost = row->flags & LIMIT_COUNTS_BYTES ? row->per * bytes : row->per;
	ask.step = limit_step(ask.cost, ask.cost & LIMIT_PRINT_MASK ? (uint32_t)roll() : 0);
	limit_place(&ask, limit_mix(limit_mix(0x5eed, source), 1), table->count);
	struct limit_line *a = &table->lines[ask.line[0]], *b = &table->lines[ask.line[1]];

	for (int i = 0; i < LIMIT_TRIES && answer == LIMIT_RACED; i++) {
		ask.is_last = i == LIMIT_TRIES - 1;
		answer = limit_try(a, b, &ask);
	}
	if (answer == LIMIT_CROWDED && roll() % LIMIT_REPLACE_ONE_IN == 0)
		limit_replace(a, b, &ask);
	return answer;
}

/* --- exactness ----------------------------------------------------------------------------- */

/* Four times as much as is let pass, at times that are chance, until `wanted` have passed of the
 * model's. */
static void rate_is_held(const char *rate, uint64_t count, uint64_t period_ns, uint32_t burst)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)rate, .burst = burst });
	struct model model = { .count = count, .period_ns = period_ns, .burst = burst };
	uint64_t now = START, passed = 0, expected = 0;
	uint64_t gap = period_ns / count / 2; /* twice the mean */

	while (expected < burst + 20000) {
		now += gap ? roll() % gap : roll() % 2;
		expected += model_passes(&model, now, 1);
		passed += packet(&table, now, 7, 64) == LIMIT_PASSES;
	}
	if (passed * 1000 < expected * 998 || passed * 1000 > expected * 1002)
		fail_msg("%s: %llu passed, %llu expected", rate, (unsigned long long)passed,
			 (unsigned long long)expected);
	free(table.lines);
}

static void rates_are_held_within_2_in_1000(void **state)
{
	rate_is_held("1/h", 1, 3600 * SECOND, 5);
	rate_is_held("1/m", 1, 60 * SECOND, 1);
	rate_is_held("1/s", 1, SECOND, 1);
	rate_is_held("3/s", 3, SECOND, 7);
	rate_is_held("10/s", 10, SECOND, 50);
	rate_is_held("999/s", 999, SECOND, 20);
	rate_is_held("12345/s", 12345, SECOND, 100);
	rate_is_held("100k/s", 100000, SECOND, 1000);
	rate_is_held("999983/s", 999983, SECOND, 1000);
	rate_is_held("3Mpps", 3000000, SECOND, 100000);
	rate_is_held("7654321pps", 7654321, SECOND, 1000000);
	rate_is_held("10Mpps", 10000000, SECOND, 1000000);
	(void)state;
}

/* Each 100 ns one, which leaves nothing over for what chance rounds up. */
static void ten_million_a_second_pass_a_limit_of_as_many(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"10Mpps", .burst = 10000 });
	uint64_t over = 0;

	for (uint64_t i = 0; i < 2000000; i++)
		over += packet(&table, START + i * 100, 7, 64) != LIMIT_PASSES;
	assert_in_range(over, 0, 2000); /* one in a thousand, of chance */
	free(table.lines);
	(void)state;
}

static void bytes_are_held_within_2_in_1000(void **state)
{
	static const struct {
		const char *rate;
		uint64_t count, period_ns, burst;
	} cases[] = {
		{ "10Gbit/s", 1250000000, SECOND, 1250000000 / 100 },
		{ "100Mbit/s", 12500000, SECOND, 1000000 },
		{ "64KiB/s", 65536, SECOND, 65550 },
		{ "1MB/m", 1000000, 60 * SECOND, 70000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct limit_text text = { .bytes = (char *)cases[i].rate,
					   .burst_bytes = { (char *)"x", cases[i].burst } };
		struct table table = table_new(1, &text);
		struct model model = { .count = cases[i].count,
				       .period_ns = cases[i].period_ns,
				       .burst = cases[i].burst };
		uint64_t now = START, passed = 0, expected = 0;
		/* 780 bytes on average; twice the rate, so gaps up to its time. */
		uint64_t gap = 780 * cases[i].period_ns / cases[i].count;

		for (int n = 0; n < 300000; n++) {
			uint64_t bytes = 60 + roll() % 1440;

			now += roll() % gap;
			expected += model_passes(&model, now, bytes) ? bytes : 0;
			passed += packet(&table, now, 7, bytes) == LIMIT_PASSES ? bytes : 0;
		}
		if (passed * 1000 < expected * 998 || passed * 1000 > expected * 1002)
			fail_msg("%s: %llu passed, %llu expected", cases[i].rate,
				 (unsigned long long)passed, (unsigned long long)expected);
		free(table.lines);
	}
	(void)state;
}

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
		cmocka_unit_test(rates_are_held_within_2_in_1000),
		cmocka_unit_test(ten_million_a_second_pass_a_limit_of_as_many),
		cmocka_unit_test(bytes_are_held_within_2_in_1000),
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
