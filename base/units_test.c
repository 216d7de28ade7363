/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of durations, sizes, rates and counts as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"

#define SECOND 1000000000ull
#define UNTOUCHED 12345

struct row {
	const char *text;
	uint64_t value;
};

static void assert_read(int (*read)(const char *, uint64_t *), const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = UNTOUCHED;
		int r = read(rows[i].text, &value);
		if (r != 0 || value != rows[i].value)
			fail_msg("'%s': %d, %llu", rows[i].text, r, (unsigned long long)value);
	}
}

static void assert_refused(int (*read)(const char *, uint64_t *), int error,
			   const char *const *texts)
{
	for (; *texts; texts++) {
		uint64_t value = UNTOUCHED;
		int r = read(*texts, &value);
		if (r != error || value != UNTOUCHED)
			fail_msg("'%s': %d, %llu", *texts, r, (unsigned long long)value);
	}
}

static void duration_each_unit_and_their_sums_are_read(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "1ns", 1 },
		{ "2us", 2000 },
		{ "500ms", SECOND / 2 },
		{ "30s", 30 * SECOND },
		{ "10m", 600 * SECOND },
		{ "1h", 3600 * SECOND },
		{ "7d", 604800 * SECOND },
		{ "2w", 1209600 * SECOND },
		{ "1h30m", 5400 * SECOND },
		{ "1d1s", 86401 * SECOND },
		{ "1m500ms", 60 * SECOND + SECOND / 2 },
		{ "18446744073709551615ns", UINT64_MAX },
	};
	assert_read(weir_duration_from_string, rows, WEIR_ARRAY_SIZE(rows));
}

static void duration_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "",	     "10",    "00",   "s",   "1.5h", "-1s",
					   "1h 30m", "30m1h", "1h1h", "10M", "1y",   "10s ",
					   " 10s",   "1s5",   "+1s",  NULL };
	assert_refused(weir_duration_from_string, -EINVAL, bad);
}

static void duration_past_64_bits_does_not_fit(void **state)
{
	static const char *const bad[] = { "18446744073709551616ns", "99999999999999999999999s",
					   "30501w", "18446744073s1000000000ns", NULL };
	assert_refused(weir_duration_from_string, -ERANGE, bad);
}

static void size_each_unit_is_read(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "12B", 12 },
		{ "16KiB", 16384 },
		{ "64MiB", 67108864 },
		{ "2GiB", 2147483648 },
		{ "1TiB", 1099511627776 },
		{ "5kB", 5000 },
		{ "5KB", 5000 },
		{ "3MB", 3000000 },
		{ "1GB", 1000000000 },
		{ "1TB", 1000000000000 },
	};
	assert_read(weir_size_from_string, rows, WEIR_ARRAY_SIZE(rows));
}

static void size_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "",	     "B",  "64M",  "64mib",  "64 MiB",
					   "1.5GiB", "-1", "0x10", "64MiBs", NULL };
	assert_refused(weir_size_from_string, -EINVAL, bad);
}

static void size_past_64_bits_does_not_fit(void **state)
{
	static const char *const bad[] = { "18446744073709551616", "16777216TiB", NULL };
	assert_refused(weir_size_from_string, -ERANGE, bad);
}

static void rate_each_form_is_read(void **state)
{
	static const struct row rows[] = {
		{ "0pps", 0 },	      { "500pps", 500 },       { "10kpps", 10000 },
		{ "1Mpps", 1000000 }, { "2Gpps", 2000000000 }, { "500/s", 500 },
		{ "10k/s", 10000 },   { "600/m", 10 },	       { "36000/h", 10 },
	};
	assert_read(weir_rate_from_string, rows, WEIR_ARRAY_SIZE(rows));
}

static void rate_that_is_none_or_not_whole_is_refused(void **state)
{
	static const char *const bad[] = { "",	     "500", "pps",     "30/m",	  "10Kpps",  "10k",
					   "10 pps", "5/d", "1.5kpps", "10kkpps", "10pps/s", NULL };
	assert_refused(weir_rate_from_string, -EINVAL, bad);
}

static void assert_rate(int (*read)(const char *, struct weir_rate *), const char *text,
			uint64_t count, uint64_t period_s)
{
	struct weir_rate rate;

	assert_int_equal(read(text, &rate), 0);
	assert_int_equal(rate.count, count);
	assert_int_equal(rate.period_ns, period_s * 1000000000);
}

static void rate_over_any_period_is_kept_as_it_is(void **state)
{
	(void)state;
	assert_rate(weir_packet_rate_from_string, "30/m", 30, 60);
	assert_rate(weir_packet_rate_from_string, "1/h", 1, 3600);
	assert_rate(weir_packet_rate_from_string, "10kpps", 10000, 1);
	assert_rate(weir_byte_rate_from_string, "64KiB/m", 65536, 60);
	assert_rate(weir_byte_rate_from_string, "1500/s", 1500, 1);
	assert_rate(weir_byte_rate_from_string, "100Mbit/s", 100000000, 8);
}

static void rate_of_the_other_kind_is_refused(void **state)
{
	struct weir_rate rate;

	(void)state;
	assert_int_equal(weir_packet_rate_from_string("1MB/s", &rate), -EINVAL);
	assert_int_equal(weir_packet_rate_from_string("10", &rate), -EINVAL);
	assert_int_equal(weir_byte_rate_from_string("1MBpps", &rate), -EINVAL);
	assert_int_equal(weir_byte_rate_from_string("1MB", &rate), -EINVAL);
	assert_int_equal(weir_byte_rate_from_string("18446744073709551615kB/s", &rate), -ERANGE);
}

static void rate_past_64_bits_does_not_fit(void **state)
{
	static const char *const bad[] = { "18446744073709551616pps", "18446744074Gpps", NULL };
	assert_refused(weir_rate_from_string, -ERANGE, bad);
}

static void assert_written(void (*format)(uint64_t, struct weir_buf *), const struct row *rows,
			   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_buf_ struct weir_buf text = { 0 };
		format(rows[i].value, &text);
		assert_string_equal(weir_buf_str(&text), rows[i].text);
	}
}

static void duration_is_written_with_two_units_at_most(void **state)
{
	static const struct row rows[] = {
		{ "0s", 0 },
		{ "1ns", 1 },
		{ "1us500ns", 1500 },
		{ "250ms", SECOND / 4 },
		{ "1s250ms", SECOND * 5 / 4 },
		{ "9m58s", 598 * SECOND },
		{ "1h30m", 5400 * SECOND },
		{ "1h", 3601 * SECOND },
		{ "12d", 12 * 86400 * SECOND },
		{ "1d2h", 93784 * SECOND },
		{ "213503d23h", UINT64_MAX },
	};
	assert_written(weir_duration_format, rows, WEIR_ARRAY_SIZE(rows));
}

static void size_is_written_rounded_to_a_tenth(void **state)
{
	static const struct row rows[] = {
		{ "0B", 0 },
		{ "1023B", 1023 },
		{ "1KiB", 1024 },
		{ "1.5KiB", 1536 },
		{ "64MiB", 67108864 },
		{ "12.4MiB", 13002342 },
		{ "1.1KiB", 1076 },
		{ "1KiB", 1075 },
		{ "1MiB", 1048575 },
		{ "1023.9KiB", 1048474 },
		{ "16EiB", UINT64_MAX },
	};
	assert_written(weir_size_format, rows, WEIR_ARRAY_SIZE(rows));
}

static void count_is_written_with_thousands_apart(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "999", 999 },
		{ "1,000", 1000 },
		{ "1,234,567", 1234567 },
		{ "1,000,001", 1000001 },
		{ "18,446,744,073,709,551,615", UINT64_MAX },
	};
	assert_written(weir_count_format, rows, WEIR_ARRAY_SIZE(rows));
}

/* What Python's repr() says, whose digits are the fewest that read back. */
static void real_is_written_with_the_fewest_digits_that_read_back(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 0.1, "0.1" },
		{ -1.5, "-1.5" },
		{ 0.001912088, "0.001912088" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 1e300, "1e+300" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		struct weir_buf text = { 0 };

		weir_real_format(rows[i].value, &text);
		assert_string_equal(weir_buf_str(&text), rows[i].text);
		weir_buf_done(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duration_each_unit_and_their_sums_are_read),
		cmocka_unit_test(duration_that_is_none_is_refused),
		cmocka_unit_test(duration_past_64_bits_does_not_fit),
		cmocka_unit_test(size_each_unit_is_read),
		cmocka_unit_test(size_that_is_none_is_refused),
		cmocka_unit_test(size_past_64_bits_does_not_fit),
		cmocka_unit_test(rate_each_form_is_read),
		cmocka_unit_test(rate_that_is_none_or_not_whole_is_refused),
		cmocka_unit_test(rate_over_any_period_is_kept_as_it_is),
		cmocka_unit_test(rate_of_the_other_kind_is_refused),
		cmocka_unit_test(rate_past_64_bits_does_not_fit),
		cmocka_unit_test(duration_is_written_with_two_units_at_most),
		cmocka_unit_test(size_is_written_rounded_to_a_tenth),
		cmocka_unit_test(count_is_written_with_thousands_apart),
		cmocka_unit_test(real_is_written_with_the_fewest_digits_that_read_back),
	};
	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
