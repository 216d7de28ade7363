/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the clocks and of times as text. Seconds are from date -u +%s -d TIME. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

static void assert_both_ways(uint64_t seconds, const char *expected)
{
	char text[WEIR_CLOCK_TEXT];
	uint64_t ns = 0;
	assert_string_equal(weir_clock_format(seconds * WEIR_NS_PER_S, text), expected);
	assert_int_equal(weir_clock_parse(expected, &ns), 0);
	assert_int_equal(ns, seconds * WEIR_NS_PER_S);
}

static void clock_times_go_both_ways(void **state)
{
	assert_both_ways(0, "1970-01-01T00:00:00Z");
	assert_both_ways(951782400, "2000-02-29T00:00:00Z");
	assert_both_ways(1935405000, "2031-05-01T12:30:00Z");
	assert_both_ways(4102444799, "2099-12-31T23:59:59Z");
}

static void clock_format_at_the_end_of_64_bits_fits(void **state)
{
	char text[WEIR_CLOCK_TEXT];
	assert_string_equal(weir_clock_format(UINT64_MAX, text), "2554-07-21T23:34:33Z");
}

static void clock_format_ms_cuts_off_what_is_finer(void **state)
{
	char text[WEIR_CLOCK_MS_TEXT];
	assert_string_equal(weir_clock_format_ms(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(weir_clock_format_ms(1935405000 * WEIR_NS_PER_S + 250999999, text),
			    "2031-05-01T12:30:00.250Z");
	assert_string_equal(weir_clock_format_ms(1935405000 * WEIR_NS_PER_S + 7 * WEIR_NS_PER_MS,
						 text),
			    "2031-05-01T12:30:00.007Z");
	assert_string_equal(weir_clock_format_ms(UINT64_MAX, text), "2554-07-21T23:34:33.709Z");
}

/* A clock that was set back behind what is told of. */
static void clock_before_does_not_go_below_1970(void **state)
{
	assert_int_equal(weir_clock_before(100, 30), 70);
	assert_int_equal(weir_clock_before(100, 100), 0);
	assert_int_equal(weir_clock_before(100, 101), 0);
}

static void clock_real_at_is_as_long_ago_as_the_moment(void **state)
{
	uint64_t least_ns = weir_clock_real_ns() - 2 * WEIR_NS_PER_S;
	uint64_t at_ns = weir_clock_real_at(weir_clock_monotonic_ns() - WEIR_NS_PER_S);
	assert_in_range(at_ns, least_ns, weir_clock_real_ns() - WEIR_NS_PER_S);
}

/* As the data path may have it on another processor. */
static void clock_real_at_of_a_moment_to_come_is_now(void **state)
{
	uint64_t least_ns = weir_clock_real_ns();
	uint64_t at_ns = weir_clock_real_at(weir_clock_monotonic_ns() + 3600 * WEIR_NS_PER_S);
	assert_in_range(at_ns, least_ns, weir_clock_real_ns());
}

static void assert_parsed(const char *text, uint64_t expected_ns)
{
	uint64_t ns = 0;
	assert_int_equal(weir_clock_parse(text, &ns), 0);
	assert_int_equal(ns, expected_ns);
}

static void clock_parse_takes_parts_of_a_second(void **state)
{
	assert_parsed("1970-01-01T00:00:01.5Z", 1500000000);
	assert_parsed("1970-01-01T00:00:01.000000001Z", 1000000001);
	assert_parsed("1970-01-01T00:00:01.0000000019Z", 1000000001);
}

static void clock_parse_refuses_what_is_no_time(void **state)
{
	static const char *const bad[] = {
		"",
		"now",
		"2031-05-01",
		"2031-05-01T12:30:00",
		"2031-05-01 12:30:00Z",
		"2031-05-01T12:30:00+02:00",
		"2031-05-01T12:30:00Z ",
		"2031-13-01T00:00:00Z",
		"2031-02-29T00:00:00Z",
		"2031-05-01T24:00:00Z",
		"2031-05-01T12:60:00Z",
		"2031-05-01T12:30:60Z",
		"2031-05-00T12:30:00Z",
		"1969-12-31T23:59:59Z",
		"2555-01-01T00:00:00Z",
		"2031-05-01T12:30:00.Z",
		"2031-5-01T12:30:00Z",
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bad); i++) {
		uint64_t ns = 7;
		if (weir_clock_parse(bad[i], &ns) != -EINVAL || ns != 7)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void clock_monotonic_never_goes_back(void **state)
{
	uint64_t before = weir_clock_monotonic_ns();
	for (int i = 0; i < 1000; i++) {
		uint64_t now = weir_clock_monotonic_ns();
		assert_true(now >= before);
		before = now;
	}
}

static void clock_real_is_in_this_century(void **state)
{
	assert_in_range(weir_clock_real_ns() / WEIR_NS_PER_S, 1700000000, 4102444799);
}

static uint64_t minute_of_week(const char *zone, uint64_t seconds)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	return weir_clock_local_ns(seconds * WEIR_NS_PER_S) / WEIR_NS_PER_S / 60 % (7 * 24 * 60);
}

/* By hand from TZ=ZONE date -d @SECONDS "+%u %H:%M": (day - 1) * 1440 + hour * 60 + minute. */
static void clock_local_tells_the_minute_of_the_week(void **state)
{
	assert_int_equal(minute_of_week("UTC0", 0), 3 * 1440);			   /* 4 00:00 */
	assert_int_equal(minute_of_week("UTC0", 1935405000), 3 * 1440 + 750);	   /* 4 12:30 */
	assert_int_equal(minute_of_week("UTC+12", 0), 2 * 1440 + 720);		   /* 3 12:00 */
	assert_int_equal(minute_of_week("IST-5:30", 1935405000), 3 * 1440 + 1080); /* 4 18:00 */
	assert_int_equal(minute_of_week("UTC-14", 4102444799), 4 * 1440 + 839);	   /* 5 13:59 */
}

/* On 30 March 2031 clocks in central Europe go from 02:00 to 03:00, at 01:00 UTC. */
static void clock_local_follows_summer_time(void **state)
{
	static const char zone[] = "CET-1CEST,M3.5.0,M10.5.0/3";
	assert_int_equal(minute_of_week(zone, 1932598799), 6 * 1440 + 119); /* 7 01:59 */
	assert_int_equal(minute_of_week(zone, 1932598800), 6 * 1440 + 180); /* 7 03:00 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_times_go_both_ways),
		cmocka_unit_test(clock_format_at_the_end_of_64_bits_fits),
		cmocka_unit_test(clock_format_ms_cuts_off_what_is_finer),
		cmocka_unit_test(clock_before_does_not_go_below_1970),
		cmocka_unit_test(clock_real_at_is_as_long_ago_as_the_moment),
		cmocka_unit_test(clock_real_at_of_a_moment_to_come_is_now),
		cmocka_unit_test(clock_parse_takes_parts_of_a_second),
		cmocka_unit_test(clock_parse_refuses_what_is_no_time),
		cmocka_unit_test(clock_monotonic_never_goes_back),
		cmocka_unit_test(clock_real_is_in_this_century),
		cmocka_unit_test(clock_local_tells_the_minute_of_the_week),
		cmocka_unit_test(clock_local_follows_summer_time),
	};
	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
