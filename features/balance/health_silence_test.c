/* SPDX-License-Identifier: Apache-2.0 */
/* Silences of a backend, by a clock of the test's own. A check hears nothing for half a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/balance/health_silence.h"

#define SECOND 1000000000ULL

static bool is_doubtful(const struct health_silence *silence, unsigned others_s, unsigned began_s)
{
	return health_silence_is_doubtful(silence, others_s * SECOND, began_s * SECOND,
					  began_s * SECOND + SECOND / 2);
}

static void silence_of_who_was_never_refused_is_believed(void **state)
{
	const struct health_silence silence = { 0 };

	(void)state;
	assert_false(is_doubtful(&silence, 0, 100));
	assert_false(is_doubtful(&silence, 100, 100));
}

static void silence_beside_refusals_of_others_is_doubtful_for_a_minute(void **state)
{
	struct health_silence silence = { 0 };

	(void)state;
	health_silence_refused(&silence, 100 * SECOND);
	assert_true(is_doubtful(&silence, 101, 101));
	assert_true(is_doubtful(&silence, 158, 159));
	assert_false(is_doubtful(&silence, 159, 160));
}

static void silence_while_nobody_is_refused_is_believed_after_two_seconds(void **state)
{
	struct health_silence silence = { 0 };

	(void)state;
	health_silence_refused(&silence, 100 * SECOND);
	assert_true(is_doubtful(&silence, 100, 101));
	assert_false(is_doubtful(&silence, 100, 102));
}

static void silence_is_doubtful_for_four_times_the_longest_between_refusals(void **state)
{
	struct health_silence silence = { 0 };

	(void)state;
	health_silence_refused(&silence, 100 * SECOND);
	health_silence_refused(&silence, 130 * SECOND); /* 30 s behind the first */
	health_silence_refused(&silence, 140 * SECOND);
	assert_true(is_doubtful(&silence, 259, 259));
	assert_false(is_doubtful(&silence, 259, 260));
}

static void silence_is_doubtful_for_ten_minutes_at_most(void **state)
{
	struct health_silence silence = { 0 };

	(void)state;
	health_silence_refused(&silence, 100 * SECOND);
	health_silence_refused(&silence, 250 * SECOND); /* 4 x 150 s */
	assert_true(is_doubtful(&silence, 849, 849));
	assert_false(is_doubtful(&silence, 849, 850));
}

static void silence_of_who_went_away_anew_is_doubtful_for_a_minute_again(void **state)
{
	struct health_silence silence = { 0 };

	(void)state;
	health_silence_refused(&silence, 100 * SECOND);
	health_silence_refused(&silence, 130 * SECOND);
	health_silence_refused(&silence, 1000 * SECOND);
	assert_false(is_doubtful(&silence, 1059, 1060));
}

static void silence_behind_an_answer_is_believed(void **state)
{
	struct health_silence silence = { 0 };

	(void)state;
	health_silence_refused(&silence, 100 * SECOND);
	health_silence_answered(&silence);
	assert_false(is_doubtful(&silence, 101, 101));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_of_who_was_never_refused_is_believed),
		cmocka_unit_test(silence_beside_refusals_of_others_is_doubtful_for_a_minute),
		cmocka_unit_test(silence_while_nobody_is_refused_is_believed_after_two_seconds),
		cmocka_unit_test(silence_is_doubtful_for_four_times_the_longest_between_refusals),
		cmocka_unit_test(silence_is_doubtful_for_ten_minutes_at_most),
		cmocka_unit_test(silence_of_who_went_away_anew_is_doubtful_for_a_minute_again),
		cmocka_unit_test(silence_behind_an_answer_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
