/* SPDX-License-Identifier: Apache-2.0 */
/* The governor against a model of what measuring costs: a part for all packets, and a part for
 * those of connections that are measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/quality/quality_governor.h"

#define CEILING 0.05

/* What it takes in all, and the most after `settled` looks. */
struct course {
	double sum, most_settled;
	unsigned changes;
};

static struct course run(struct quality_governor *governor, double passed, double measured,
			 unsigned looks, unsigned settled)
{
	struct course course = { 0 };

	for (unsigned i = 0; i < looks; i++) {
		governor->share = governor->sample ? passed + measured / governor->sample : 0;
		course.sum += governor->share;
		if (i >= settled && governor->share > course.most_settled)
			course.most_settled = governor->share;
		uint32_t sample = quality_governor_step(governor, 1, CEILING);

		course.changes += sample != governor->sample;
		governor->sample = sample;
	}
	return course;
}

static void little_work_is_measured_whole(void **state)
{
	struct quality_governor governor = { .sample = 1 };

	assert_int_equal(run(&governor, 0.01, 0.03, 100, 0).changes, 0);
	assert_int_equal(governor.sample, 1);
}

static void too_much_work_is_below_the_ceiling_within_three_looks_and_stays(void **state)
{
	struct quality_governor governor = { .sample = 1 };
	struct course course = run(&governor, 0.02, 0.60, 200, 3);

	assert_true(course.most_settled <= CEILING);
	assert_true(course.changes <= 3);
	assert_true(governor.sample >= 20 && governor.sample <= 40); /* 0.02 + 0.6 / 20 is 0.05 */
}

static void when_work_ends_all_is_measured_again(void **state)
{
	struct quality_governor governor = { .sample = 1 };

	run(&governor, 0.02, 0.60, 50, 0);
	assert_true(governor.sample > 1);
	run(&governor, 0.0001, 0.003, 60, 0);
	assert_int_equal(governor.sample, 1);
}

static void what_was_asked_for_is_not_gone_below(void **state)
{
	struct quality_governor governor = { .sample = 64, .share = 0.0001 };

	for (int i = 0; i < 50; i++)
		governor.sample = quality_governor_step(&governor, 8, CEILING);
	assert_int_equal(governor.sample, 8);
}

/* Passing packets over costs three times the ceiling: it can be held by pauses alone. */
static void where_nothing_helps_it_pauses_and_holds_the_ceiling_in_the_mean(void **state)
{
	struct quality_governor governor = { .sample = 1 };

	run(&governor, 0.15, 0.60, 40, 0);
	struct course course = run(&governor, 0.15, 0.60, 440, 0);

	assert_true(course.sum / 440 <= CEILING);
	assert_true(course.sum > 0); /* it tries again */
}

/* Passing over costs 102 % of the ceiling: each step by the measurement alone is a tenth. */
static void where_little_is_gained_steps_grow_until_it_pauses(void **state)
{
	struct quality_governor governor = { .sample = 1 };
	unsigned looks = 0;

	(void)state;
	while (governor.sample && looks < 200) {
		run(&governor, 1.02 * CEILING, 0.30, 1, 0);
		looks++;
	}
	assert_true(looks <= 10);
}

/* A connection that takes forty times the ceiling, and is measured at 1:4 and below. */
static void one_that_costs_too_much_is_tried_ever_less_often(void **state)
{
	struct quality_governor governor = { .sample = 1 };
	unsigned above = 0;
	double sum = 0;

	(void)state;
	for (int i = 0; i < 600; i++) {
		governor.share = governor.sample <= 4 ? 40 * CEILING : CEILING / 4;
		sum += governor.share;
		above += governor.share > CEILING;
		governor.sample = quality_governor_step(&governor, 1, CEILING);
	}
	assert_true(sum / 600 <= CEILING);
	assert_true(above > 1); /* and that it is tried again */
	governor.share = 0;
	for (int i = 0; i < 20; i++)
		governor.sample = quality_governor_step(&governor, 1, CEILING);
	assert_int_equal(governor.sample, 1);
}

static void what_is_asked_for_anew_holds_at_once(void **state)
{
	struct quality_governor governor = { .sample = 2, .share = 0.0001 };

	(void)state;
	assert_int_equal(quality_governor_step(&governor, 8, CEILING), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_work_is_measured_whole),
		cmocka_unit_test(too_much_work_is_below_the_ceiling_within_three_looks_and_stays),
		cmocka_unit_test(when_work_ends_all_is_measured_again),
		cmocka_unit_test(what_was_asked_for_is_not_gone_below),
		cmocka_unit_test(where_nothing_helps_it_pauses_and_holds_the_ceiling_in_the_mean),
		cmocka_unit_test(where_little_is_gained_steps_grow_until_it_pauses),
		cmocka_unit_test(one_that_costs_too_much_is_tried_ever_less_often),
		cmocka_unit_test(what_is_asked_for_anew_holds_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
