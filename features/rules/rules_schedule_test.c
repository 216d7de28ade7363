/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules as minutes from Monday 0:00: a day has 1440, the week 10080. */
#include "features/rules/rules_fake_text.h"

#define KEY RULES_KEY_FIELD(RULES_MINUTE)

static void a_day_is_its_minutes(void **state)
{
	field_assert_means(KEY, BOTH, "mon", "0-1439");
	field_assert_means(KEY, BOTH, "Sun", "8640-10079");
	field_assert_means(KEY, BOTH, "mon-fri", "0-7199");
	field_assert_means(KEY, BOTH, "mon-sun", "0-10079");
	field_assert_means(KEY, BOTH, "tue-tue", "1440-2879");
	field_assert_means(KEY, BOTH, "mon, wed", "0-1439 2880-4319");
}

static void days_run_past_the_end_of_the_week(void **state)
{
	field_assert_means(KEY, BOTH, "sun-mon", "0-1439 8640-10079");
	field_assert_means(KEY, BOTH, "sat-tue", "0-2879 7200-10079");
}

static void times_end_before_their_last_minute(void **state)
{
	field_assert_means(KEY, BOTH, "mon 08:00-18:00", "480-1079");
	field_assert_means(KEY, BOTH, "mon 8:00-8:01", "480");
	field_assert_means(KEY, BOTH, "sat 00:00-24:00", "7200-8639");
	field_assert_means(KEY, BOTH, "mon-tue 23:00-24:00", "1380-1439 2820-2879");
}

static void times_run_into_the_next_day(void **state)
{
	field_assert_means(KEY, BOTH, "mon 22:00-06:00", "1320-1799");
	field_assert_means(KEY, BOTH, "sun 23:00-01:00", "0-59 10020-10079");
	field_assert_means(KEY, BOTH, "mon 12:00-12:00", "720-2159");
	field_assert_means(KEY, BOTH, "sun 00:00-00:00", "8640-10079");
}

static void times_alone_are_of_every_day(void **state)
{
	field_assert_means(KEY, BOTH, "00:00-24:00", "0-10079");
	field_assert_means(KEY, BOTH, "00:00-12:00, 12:00-24:00", "0-10079");
	field_assert_means(KEY, BOTH, "not 00:01-24:00", "0 1440 2880 4320 5760 7200 8640");
	field_assert_means(KEY, BOTH, "mon, not 00:00-23:59", "1439");
}

static void what_is_no_schedule_is_refused(void **state)
{
	static const struct field_row rows[] = {
		{ "", "it says nothing" },
		{ "monday", "does not begin with a day" },
		{ "mo", "does not begin with a day" },
		{ "mon-", "does not begin with a day" },
		{ "mon-xyz", "does not begin with a day" },
		{ "mon08:00-09:00", "does not begin with a day" },
		{ "8", "is not a time" },
		{ "08:00", "is not a time" },
		{ "08:00-", "is not a time" },
		{ "08:00-18:00x", "is not a time" },
		{ "08:60-18:00", "is not a time" },
		{ "08:5-18:00", "is not a time" },
		{ "mon +8:00-18:00", "is not a time" },
		{ "08: 0-18:00", "is not a time" },
		{ "008:00-18:00", "is not a time" },
		{ "00:00-24:01", "is not a time" },
		{ "00:00-25:00", "is not a time" },
		{ "sun 24:00-01:00", "is not a time" },
		{ "mon, not mon", "no value is left" },
	};
	FIELD_ASSERT_ALL_REFUSED(KEY, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_is_its_minutes),
		cmocka_unit_test(days_run_past_the_end_of_the_week),
		cmocka_unit_test(times_end_before_their_last_minute),
		cmocka_unit_test(times_run_into_the_next_day),
		cmocka_unit_test(times_alone_are_of_every_day),
		cmocka_unit_test(what_is_no_schedule_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
