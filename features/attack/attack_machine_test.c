/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine against series made by hand: so many packets in each second of a clock of its own.
 * Thresholds here: elevated from 100 a second for 2 s on, attack from 1,000 for 5 s; what is below
 * 70 % for 10 s is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/attack/attack_machine.h"

#define SECOND 1000000000ULL
#define ALL ((1U << WEIR_FLOOD_COUNT) - 1)
#define SYN WEIR_FLOOD_SYN

struct bench {
	struct attack_settings settings;
	struct attack_machine machine;
	uint64_t now_ns;
	uint64_t packets[WEIR_FLOOD_COUNT];
	unsigned changes; /* of the interface's level */
};

static int setup(void **state)
{
	static struct bench bench;

	bench = (struct bench){
		.settings = {
			.factor = { 0, 4, 10 },
			.falls_below = 0.7,
			.after_ns = { 0, 2 * SECOND, 5 * SECOND },
			.calm_after_ns = 10 * SECOND,
		},
		.now_ns = 1000 * SECOND,
	};
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++) {
		bench.settings.floor[i][WEIR_ELEVATED] = 100;
		bench.settings.floor[i][WEIR_ATTACK] = 1000;
	}
	attack_machine_step(&bench.machine, &bench.settings, bench.now_ns, bench.packets, ALL);
	*state = &bench;
	return 0;
}

static enum weir_alarm level(const struct bench *bench)
{
	return weir_alarm_level(attack_machine_word(&bench->machine));
}

static void tick(struct bench *bench, enum weir_flood flood, uint64_t packets, uint64_t elapsed_ns)
{
	enum weir_alarm before = level(bench);

	bench->now_ns += elapsed_ns;
	bench->packets[flood] += packets;
	attack_machine_step(&bench->machine, &bench->settings, bench->now_ns, bench->packets, ALL);
	bench->changes += level(bench) != before;
}

static void seconds(struct bench *bench, unsigned count, enum weir_flood flood, uint64_t rate)
{
	while (count--)
		tick(bench, flood, rate, SECOND);
}

static void nothing_ever_is_calm(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 1000, SYN, 0);
	assert_int_equal(attack_machine_word(&bench->machine), 0);
}

static void just_below_a_threshold_stays_calm(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 1000, SYN, 99);
	assert_int_equal(level(bench), WEIR_CALM);
	seconds(bench, 2, SYN, 100);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	seconds(bench, 1000, SYN, 999);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	seconds(bench, 5, SYN, 1000);
	assert_int_equal(level(bench), WEIR_ATTACK);
}

/* Levels after each second of a flood that is there at once, and of the silence behind it. */
static void flood_goes_through_all_levels_and_back(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 1, SYN, 50000);
	assert_int_equal(level(bench), WEIR_CALM);
	seconds(bench, 1, SYN, 50000);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	seconds(bench, 2, SYN, 50000);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	seconds(bench, 1, SYN, 50000);
	assert_int_equal(level(bench), WEIR_ATTACK);
	seconds(bench, 100, SYN, 50000);
	assert_int_equal(level(bench), WEIR_ATTACK);
	seconds(bench, 9, SYN, 0);
	assert_int_equal(level(bench), WEIR_ATTACK);
	seconds(bench, 1, SYN, 0);
	assert_int_equal(level(bench), WEIR_CALM);
	assert_int_equal(bench->changes, 3);
}

/* 20 a second more each second: 100 in second 5, 1,000 in second 50; and down again. 700 is 70 % of
 * 1,000, and 70 that of 100. */
static void ramp_passes_each_level_once_each_way(void **state)
{
	struct bench *bench = *state;
	unsigned elevated_at = 0, attack_at = 0, down_at = 0, calm_at = 0;

	for (unsigned i = 1; i <= 100; i++) {
		seconds(bench, 1, SYN, 20 * i);
		elevated_at = elevated_at ?: level(bench) == WEIR_ELEVATED ? i : 0;
		attack_at = attack_at ?: level(bench) == WEIR_ATTACK ? i : 0;
	}
	for (unsigned i = 1; i <= 120; i++) {
		seconds(bench, 1, SYN, i < 100 ? 20 * (100 - i) : 0);
		down_at = down_at ?: level(bench) == WEIR_ELEVATED ? i : 0;
		calm_at = calm_at ?: level(bench) == WEIR_CALM ? i : 0;
	}
	assert_int_equal(elevated_at, 6); /* 100 in the 5th second, 120 in the 6th */
	assert_int_equal(attack_at, 54);  /* the 50th to the 54th */
	assert_int_equal(down_at, 75);	  /* 680 in the 66th: ten seconds up to the 75th */
	assert_int_equal(calm_at, 106);	  /* 60 in the 97th */
	assert_int_equal(bench->changes, 4);
}

/* However high: a second is less than two. */
static void bursts_shorter_than_the_window_stay_calm(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 100; i++) {
		seconds(bench, 1, SYN, 10000000);
		seconds(bench, 5, SYN, 0);
	}
	assert_int_equal(bench->changes, 0);
}

/* A second on and a second off, for ever: half of the time is more than a third. */
static void pulses_are_seen_as_the_flood_they_are(void **state)
{
	struct bench *bench = *state;
	unsigned attack_at = 0;

	for (unsigned i = 0; i < 60; i++) {
		seconds(bench, 1, SYN, i % 2 ? 0 : 10000);
		attack_at = attack_at ?: level(bench) == WEIR_ATTACK ? i + 1 : 0;
	}
	/* After the nth second of flood (n + 1) / 2 count: five after the ninth, which is the 17th.
	 */
	assert_int_equal(attack_at, 17);
	assert_int_equal(level(bench), WEIR_ATTACK);
	assert_int_equal(bench->changes, 2);
}

static void rate_around_a_threshold_changes_the_level_once(void **state)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 1000; i++)
		seconds(bench, 1, SYN, i % 2 ? 95 : 105);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	assert_int_equal(bench->changes, 1);
}

/* Between 70 % and the threshold nothing rises and nothing falls. */
static void what_is_neither_high_nor_low_changes_nothing(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 1000, SYN, 85);
	assert_int_equal(level(bench), WEIR_CALM);
	seconds(bench, 2, SYN, 100);
	seconds(bench, 1000, SYN, 85);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	seconds(bench, 10, SYN, 69);
	assert_int_equal(level(bench), WEIR_CALM);
}

static void pauses_shorter_than_the_wait_do_not_calm(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 5, SYN, 5000);
	for (int i = 0; i < 100; i++) {
		seconds(bench, 9, SYN, 0);
		seconds(bench, 1, SYN, 5000);
	}
	assert_int_equal(level(bench), WEIR_ATTACK);
	assert_int_equal(bench->changes, 2);
}

/* A clock set back, and one that jumps a day ahead, with what came meanwhile. */
static void clock_jumps_neither_raise_nor_calm(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 10, SYN, 50);
	bench->now_ns -= 500 * SECOND;
	tick(bench, SYN, 1000000000, 0);
	assert_int_equal(level(bench), WEIR_CALM);
	seconds(bench, 10, SYN, 50);
	tick(bench, SYN, 50 * 86400, 86400 * SECOND);
	assert_int_equal(level(bench), WEIR_CALM);
	assert_true(bench->machine.rates[SYN].now == 50);

	seconds(bench, 5, SYN, 5000);
	assert_int_equal(level(bench), WEIR_ATTACK);
	tick(bench, SYN, 0, 86400 * SECOND);
	assert_int_equal(level(bench), WEIR_ATTACK);
	bench->now_ns -= 500 * SECOND;
	tick(bench, SYN, 0, 0);
	assert_int_equal(level(bench), WEIR_ATTACK);
	seconds(bench, 8, SYN, 0);
	assert_int_equal(level(bench), WEIR_CALM);
}

/* The daemon compiled for a minute: one look at the mean of it is no five seconds of looking. */
static void one_late_look_is_not_an_attack(void **state)
{
	struct bench *bench = *state;

	tick(bench, SYN, 60 * 5000, 60 * SECOND);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	tick(bench, SYN, 60 * 5000, 60 * SECOND);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	tick(bench, SYN, 60 * 5000, 60 * SECOND);
	assert_int_equal(level(bench), WEIR_ATTACK);
}

/* Ten packets within a millisecond would be 10,000 a second. */
static void looks_one_behind_the_other_are_one(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 10000; i++)
		tick(bench, SYN, i % 2 ? 0 : 10, SECOND / 1000);
	assert_int_equal(level(bench), WEIR_ATTACK); /* 5,000 a second, for ten seconds */
	setup(state);
	for (int i = 0; i < 100; i++) {
		tick(bench, SYN, 10, SECOND / 1000);
		tick(bench, SYN, 80, SECOND);
	}
	assert_int_equal(bench->changes, 0);
}

static void counters_made_anew_are_no_flood(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 10, SYN, 50);
	memset(bench->packets, 0, sizeof(bench->packets));
	seconds(bench, 10, SYN, 50);
	assert_int_equal(bench->changes, 0);
	assert_true(bench->machine.rates[SYN].now == 50);
}

static void each_flood_has_a_level_of_its_own(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 10; i++) {
		bench->packets[WEIR_FLOOD_ICMP] += 200;
		bench->packets[WEIR_FLOOD_BAD_FLAGS] += 99;
		seconds(bench, 1, WEIR_FLOOD_UDP, 2000);
	}
	uint32_t word = attack_machine_word(&bench->machine);

	assert_int_equal(weir_alarm_level(word), WEIR_ATTACK);
	assert_int_equal(weir_alarm_of_flood(word, WEIR_FLOOD_UDP), WEIR_ATTACK);
	assert_int_equal(weir_alarm_of_flood(word, WEIR_FLOOD_ICMP), WEIR_ELEVATED);
	assert_int_equal(weir_alarm_of_flood(word, WEIR_FLOOD_BAD_FLAGS), WEIR_CALM);
	assert_int_equal(weir_alarm_of_flood(word, SYN), WEIR_CALM);
	assert_int_equal(bench->machine.cause, WEIR_FLOOD_UDP);
	/* The larger one ends: the smaller goes on. */
	for (int i = 0; i < 10; i++) {
		bench->packets[WEIR_FLOOD_ICMP] += 200;
		seconds(bench, 1, SYN, 0);
	}
	assert_int_equal(level(bench), WEIR_ELEVATED);
	assert_int_equal(bench->machine.cause, WEIR_FLOOD_ICMP);
}

static void evidence_says_how_high_and_since_when(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 10, SYN, 20);
	uint64_t calm_since_ns = bench->machine.since_ns;

	seconds(bench, 1, SYN, 9000);
	seconds(bench, 4, SYN, 2000);
	uint64_t attack_since_ns = bench->now_ns;

	seconds(bench, 20, SYN, 3000);
	const struct attack_rate *rate = &bench->machine.rates[SYN];

	assert_int_equal(calm_since_ns, 0);
	assert_int_equal(bench->machine.since_ns, attack_since_ns);
	assert_int_equal(rate->since_ns, attack_since_ns);
	assert_true(rate->now == 3000 && rate->peak == 9000);
	seconds(bench, 10, SYN, 0);
	assert_int_equal(bench->machine.since_ns, attack_since_ns + 30 * SECOND);
	assert_int_equal(bench->machine.was_since_ns, attack_since_ns);
	assert_int_equal(bench->machine.cause, SYN);
	seconds(bench, 1, SYN, 7);
	assert_true(rate->peak == 7);
}

static void who_resumes_goes_on_where_it_was(void **state)
{
	struct bench *bench = *state;

	seconds(bench, 5, WEIR_FLOOD_UDP, 5000);
	uint32_t word = attack_machine_word(&bench->machine);

	bench->machine = (struct attack_machine){};
	attack_machine_resume(&bench->machine, word, bench->now_ns);
	assert_int_equal(attack_machine_word(&bench->machine), word);
	assert_int_equal(bench->machine.cause, WEIR_FLOOD_UDP);
	bench->changes = 0;
	seconds(bench, 10, WEIR_FLOOD_UDP, 5000); /* the first only says what was counted before */
	assert_int_equal(bench->changes, 0);
	seconds(bench, 10, WEIR_FLOOD_UDP, 0);
	assert_int_equal(level(bench), WEIR_CALM);
}

/* 200 a second are usual, learned over a day: four times that are elevated, ten times an attack. */
static void what_is_usual_raises_thresholds(void **state)
{
	struct bench *bench = *state;

	bench->settings.learn_ns = 86400 * SECOND;
	bench->machine.rates[SYN].usual = 200;
	assert_true(attack_threshold(&bench->settings, &bench->machine, SYN, WEIR_ELEVATED) == 800);
	assert_true(attack_threshold(&bench->settings, &bench->machine, SYN, WEIR_ATTACK) == 2000);
	assert_true(attack_is_learned(&bench->settings, &bench->machine, SYN, WEIR_ATTACK));
	seconds(bench, 100, SYN, 750);
	assert_int_equal(level(bench), WEIR_CALM);
	seconds(bench, 10, SYN, 1900);
	assert_int_equal(level(bench), WEIR_ELEVATED);
	seconds(bench, 10, SYN, 2200);
	assert_int_equal(level(bench), WEIR_ATTACK);
}

static void little_that_is_usual_lowers_no_threshold(void **state)
{
	struct bench *bench = *state;

	bench->settings.learn_ns = 86400 * SECOND;
	bench->machine.rates[SYN].usual = 2;
	assert_true(attack_threshold(&bench->settings, &bench->machine, SYN, WEIR_ELEVATED) == 100);
	assert_false(attack_is_learned(&bench->settings, &bench->machine, SYN, WEIR_ELEVATED));
	seconds(bench, 100, SYN, 60);
	assert_int_equal(level(bench), WEIR_CALM);
}

/* After the time it is learned over, 1 - 1/e of the way is gone: 63.2 of 100. */
static void what_is_usual_is_learned_slowly(void **state)
{
	struct bench *bench = *state;

	bench->settings.learn_ns = 86400 * SECOND;
	bench->settings.floor[SYN][WEIR_ELEVATED] = 1000;
	seconds(bench, 86400, SYN, 100);
	assert_true(bench->machine.rates[SYN].usual > 63.1 &&
		    bench->machine.rates[SYN].usual < 63.3);
}

/* 300 a second are usual. An hour of ten million a second counts as an hour of 1,200: 900 more, a
 * 24th of the way, and a little for what was learned meanwhile. */
static void attack_is_not_learned(void **state)
{
	struct bench *bench = *state;

	bench->settings.learn_ns = 86400 * SECOND;
	bench->machine.rates[SYN].usual = 300;
	seconds(bench, 3600, SYN, 10000000);
	assert_int_equal(level(bench), WEIR_ATTACK);
	assert_true(bench->machine.rates[SYN].usual > 337.5 &&
		    bench->machine.rates[SYN].usual < 341);
}

static void bad_flags_are_never_usual(void **state)
{
	struct bench *bench = *state;

	bench->settings.learn_ns = 3600 * SECOND;
	seconds(bench, 7200, WEIR_FLOOD_BAD_FLAGS, 90);
	assert_true(bench->machine.rates[WEIR_FLOOD_BAD_FLAGS].usual == 0);
	assert_true(bench->machine.rates[WEIR_FLOOD_BAD_FLAGS].now == 90);
}

static void what_is_not_measured_is_said_to_be_so(void **state)
{
	struct bench *bench = *state;

	bench->now_ns += SECOND;
	attack_machine_step(&bench->machine, &bench->settings, bench->now_ns, bench->packets,
			    ALL & ~(1U << WEIR_FLOOD_NEW_FLOWS));
	assert_false(bench->machine.rates[WEIR_FLOOD_NEW_FLOWS].is_measured);
	assert_true(bench->machine.rates[SYN].is_measured);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_ever_is_calm),
		CASE(just_below_a_threshold_stays_calm),
		CASE(flood_goes_through_all_levels_and_back),
		CASE(ramp_passes_each_level_once_each_way),
		CASE(bursts_shorter_than_the_window_stay_calm),
		CASE(pulses_are_seen_as_the_flood_they_are),
		CASE(rate_around_a_threshold_changes_the_level_once),
		CASE(what_is_neither_high_nor_low_changes_nothing),
		CASE(pauses_shorter_than_the_wait_do_not_calm),
		CASE(clock_jumps_neither_raise_nor_calm),
		CASE(one_late_look_is_not_an_attack),
		CASE(looks_one_behind_the_other_are_one),
		CASE(counters_made_anew_are_no_flood),
		CASE(each_flood_has_a_level_of_its_own),
		CASE(evidence_says_how_high_and_since_when),
		CASE(who_resumes_goes_on_where_it_was),
		CASE(what_is_usual_raises_thresholds),
		CASE(little_that_is_usual_lowers_no_threshold),
		CASE(what_is_usual_is_learned_slowly),
		CASE(attack_is_not_learned),
		CASE(bad_flags_are_never_usual),
		CASE(what_is_not_measured_is_said_to_be_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
