/* SPDX-License-Identifier: Apache-2.0 */
/* The machine against checks made by hand, by a clock of the test's own. Here 2 checks bring up and
 * 3 bring down, one every 10 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/health_machine.h"

#define SECOND 1000000000ULL

struct bench {
	struct health_settings settings;
	struct health_machine machine;
	uint64_t now_ns;
};

static int setup(void **state)
{
	static struct bench bench;

	bench = (struct bench){
		.settings = { .interval_ns = 10 * SECOND,
			      .timeout_ns = SECOND,
			      .rise = 2,
			      .fall = 3,
			      .jitter = 20 },
		.now_ns = 1000 * SECOND,
	};
	health_machine_init(&bench.machine, bench.now_ns);
	*state = &bench;
	return 0;
}

/* A check each 10 s: + is good, - has failed, ? could not ask. The state behind the last. */
static enum health_state checks(struct bench *bench, const char *results)
{
	for (; *results; results++) {
		bench->now_ns += 10 * SECOND;
		health_machine_note(&bench->machine, &bench->settings,
				    *results == '+' ? HEALTH_OK :
				    *results == '-' ? HEALTH_FAILED :
						      HEALTH_UNASKED,
				    "why", bench->now_ns);
	}
	return bench->machine.state;
}

static void machine_counts_as_up_before_its_first_check(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(bench->machine.state, HEALTH_UNCHECKED);
	assert_true(health_machine_is_up(&bench->machine));
}

static void machine_is_up_by_one_good_check_at_first(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(checks(bench, "+"), HEALTH_UP);
	assert_int_equal(bench->machine.since_ns, 1010 * SECOND);
}

static void machine_falls_by_three_failures_in_a_row(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(checks(bench, "+--"), HEALTH_UP);
	assert_int_equal(checks(bench, "-"), HEALTH_DOWN);
	assert_false(health_machine_is_up(&bench->machine));
	assert_int_equal(bench->machine.since_ns, 1040 * SECOND);
}

static void machine_never_checked_falls_by_three_failures_too(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(checks(bench, "--"), HEALTH_UNCHECKED);
	assert_int_equal(checks(bench, "-"), HEALTH_DOWN);
}

static void machine_found_down_before_rises_as_any_other(void **state)
{
	struct bench *bench = *state;

	health_machine_init_down(&bench->machine, "connect: refused", bench->now_ns);
	assert_false(health_machine_is_up(&bench->machine));
	assert_string_equal(bench->machine.reason, "connect: refused");
	assert_int_equal(bench->machine.since_ns, 1000 * SECOND);
	assert_int_equal(checks(bench, "+-+"), HEALTH_DOWN);
	assert_int_equal(checks(bench, "+"), HEALTH_UP);
	assert_int_equal(bench->machine.downs, 0);
}

static void machine_good_check_between_failures_starts_their_count_again(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(checks(bench, "+--+--"), HEALTH_UP);
	assert_int_equal(checks(bench, "-"), HEALTH_DOWN);
}

static void machine_rises_by_two_good_checks_in_a_row(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(checks(bench, "---+-+"), HEALTH_DOWN);
	assert_int_equal(checks(bench, "+"), HEALTH_UP);
	assert_int_equal(bench->machine.since_ns, 1070 * SECOND);
}

static void machine_check_that_could_not_ask_says_nothing(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(checks(bench, "+--?????"), HEALTH_UP);
	assert_int_equal(checks(bench, "-"), HEALTH_DOWN);
	assert_int_equal(checks(bench, "+?+"), HEALTH_UP);
	assert_int_equal(bench->machine.checks, 6);
	assert_int_equal(bench->machine.failed, 3);
	assert_int_equal(bench->machine.unasked, 6);
}

static void machine_keeps_the_last_reason_cut_to_size(void **state)
{
	struct bench *bench = *state;
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	health_machine_note(&bench->machine, &bench->settings, HEALTH_OK, text, bench->now_ns);
	assert_int_equal(strlen(bench->machine.reason), HEALTH_REASON_TEXT - 1);
	checks(bench, "-");
	assert_string_equal(bench->machine.reason, "why");
}

/* The promise that a backend is known to be down within fall * interval + timeout hangs on it. */
static void next_check_comes_early_by_jitter_and_never_late(void **state)
{
	const struct bench *bench = *state;
	const struct health_settings *settings = &bench->settings;

	assert_int_equal(health_next_ns(settings, 100 * SECOND, 101 * SECOND, 0), 110 * SECOND);
	assert_int_equal(health_next_ns(settings, 100 * SECOND, 101 * SECOND, 1U << 31),
			 109 * SECOND);
	assert_in_range(health_next_ns(settings, 100 * SECOND, 101 * SECOND, UINT32_MAX),
			108 * SECOND, 108 * SECOND + 10);
}

static void next_check_waits_for_the_one_before(void **state)
{
	const struct bench *bench = *state;

	assert_int_equal(health_next_ns(&bench->settings, 100 * SECOND, 109 * SECOND, UINT32_MAX),
			 109 * SECOND);
}

/* Shares of 10,000 first checks in each tenth of an interval: 1,000, and never 1,200. */
static void first_checks_are_spread_over_an_interval(void **state)
{
	const struct bench *bench = *state;
	unsigned tenths[10] = { 0 };
	uint32_t random = 1;

	for (int i = 0; i < 10000; i++) {
		random = random * 1664525 + 1013904223;
		uint64_t at_ns = health_first_ns(&bench->settings, 500 * SECOND, random);

		assert_in_range(at_ns, 500 * SECOND, 510 * SECOND - 1);
		tenths[(at_ns - 500 * SECOND) / SECOND]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 800, 1200);
}

/* Two downs within 100 s are too many; 60 s, 120 s and at most 200 s of hold. */
static struct bench *damped(void **state)
{
	struct bench *bench = *state;

	bench->settings.damping = (struct health_damping){ .downs = 2,
							   .within_ns = 100 * SECOND,
							   .hold_ns = 60 * SECOND,
							   .hold_most_ns = 200 * SECOND };
	assert_int_equal(checks(bench, "+---"), HEALTH_DOWN);
	return bench;
}

static void machine_down_once_is_not_held(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++"), HEALTH_UP);
}

/* Down at 0 s and 50 s (by the first); held until 110 s. */
static void machine_down_too_often_is_held_though_its_checks_are_good(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++---"), HEALTH_DOWN);
	assert_int_equal(checks(bench, "+"), HEALTH_DOWN);
	assert_int_equal(checks(bench, "+"), HEALTH_DAMPED);
	assert_false(health_machine_is_up(&bench->machine));
	assert_int_equal(checks(bench, "+++"), HEALTH_DAMPED);
	assert_int_equal(checks(bench, "+"), HEALTH_UP);
}

static void machine_that_fails_while_held_rises_anew(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++---++++"), HEALTH_DAMPED);
	assert_int_equal(checks(bench, "-"), HEALTH_DOWN);
	assert_int_equal(checks(bench, "+"), HEALTH_DOWN); /* the hold is over here */
	assert_int_equal(checks(bench, "+"), HEALTH_UP);
	assert_int_equal(bench->machine.downs, 2);
}

/* Each time up for 30 s only. Held for 60 s, 120 s, then 200 s: checks each 10 s from then on. */
static void machine_is_held_twice_as_long_up_to_the_most(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++---"
				       "+++++"),
			 HEALTH_DAMPED);
	assert_int_equal(checks(bench, "+"
				       "---"
				       "+++++++++++"),
			 HEALTH_DAMPED);
	assert_int_equal(checks(bench, "+"
				       "---"
				       "+++++++++++++++++++"),
			 HEALTH_DAMPED);
	assert_int_equal(checks(bench, "+"
				       "---"
				       "+++++++++++++++++++"),
			 HEALTH_DAMPED);
	assert_int_equal(checks(bench, "+"), HEALTH_UP);
}

/* Up for 100 s, it is as one that never went down; up for 90 s, it is at it again. */
static void machine_that_stays_up_is_forgiven(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++---"
				       "++++++"
				       "+++++++---"
				       "++"),
			 HEALTH_UP);
	bench = *state;
	setup(state);
	bench = damped(state);
	assert_int_equal(checks(bench, "++---"
				       "++++++"
				       "++++++---"
				       "++"),
			 HEALTH_DAMPED);
}

static void machine_is_not_held_by_downs_long_ago(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++"
				       "++++++"
				       "---"
				       "++"),
			 HEALTH_UP);
}

static void machine_is_let_go_when_nobody_is_held_any_more(void **state)
{
	struct bench *bench = damped(state);

	assert_int_equal(checks(bench, "++---++"), HEALTH_DAMPED);
	bench->settings.damping.downs = 0;
	assert_int_equal(checks(bench, "+"), HEALTH_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(machine_counts_as_up_before_its_first_check, setup),
		cmocka_unit_test_setup(machine_is_up_by_one_good_check_at_first, setup),
		cmocka_unit_test_setup(machine_falls_by_three_failures_in_a_row, setup),
		cmocka_unit_test_setup(machine_never_checked_falls_by_three_failures_too, setup),
		cmocka_unit_test_setup(machine_found_down_before_rises_as_any_other, setup),
		cmocka_unit_test_setup(machine_good_check_between_failures_starts_their_count_again,
				       setup),
		cmocka_unit_test_setup(machine_rises_by_two_good_checks_in_a_row, setup),
		cmocka_unit_test_setup(machine_check_that_could_not_ask_says_nothing, setup),
		cmocka_unit_test_setup(machine_keeps_the_last_reason_cut_to_size, setup),
		cmocka_unit_test_setup(machine_down_once_is_not_held, setup),
		cmocka_unit_test_setup(machine_down_too_often_is_held_though_its_checks_are_good,
				       setup),
		cmocka_unit_test_setup(machine_that_fails_while_held_rises_anew, setup),
		cmocka_unit_test_setup(machine_is_held_twice_as_long_up_to_the_most, setup),
		cmocka_unit_test_setup(machine_that_stays_up_is_forgiven, setup),
		cmocka_unit_test_setup(machine_is_not_held_by_downs_long_ago, setup),
		cmocka_unit_test_setup(machine_is_let_go_when_nobody_is_held_any_more, setup),
		cmocka_unit_test_setup(next_check_comes_early_by_jitter_and_never_late, setup),
		cmocka_unit_test_setup(next_check_waits_for_the_one_before, setup),
		cmocka_unit_test_setup(first_checks_are_spread_over_an_interval, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
