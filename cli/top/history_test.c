/* SPDX-License-Identifier: Apache-2.0 */
/* Lines made of numbers. */
#include "cli/top/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void line_is(const struct top_history *history, unsigned columns, bool is_utf8,
		    const char *wanted)
{
	_cleanup_buf_ struct weir_buf line = { 0 };

	top_spark(history, columns, is_utf8, &line);
	assert_string_equal(weir_buf_str(&line), wanted);
}

static void newest_is_at_the_right_and_the_most_is_full(void **state)
{
	struct top_history history = { .count = 0 };

	for (int i = 0; i <= 8; i++)
		top_history_add(&history, i * 100);
	line_is(&history, 9, true, " ▁▂▃▄▅▆▇█");
	line_is(&history, 9, false, " .,:-=+*#");
	line_is(&history, 3, true, "▆▇█");
	line_is(&history, 11, false, "   .,:-=+*#");
}

static void least_that_is_not_nothing_is_seen(void **state)
{
	struct top_history history = { .count = 0 };

	top_history_add(&history, 1);
	top_history_add(&history, 0);
	top_history_add(&history, 1e9);
	line_is(&history, 3, false, ". #");
}

static void unknown_is_blank_and_nothing_makes_no_line(void **state)
{
	struct top_history history = { .count = 0 };

	line_is(&history, 3, true, "   ");
	top_history_add(&history, NAN);
	top_history_add(&history, 0);
	line_is(&history, 2, true, "  ");
	top_history_add(&history, 5);
	line_is(&history, 3, true, "  █");
}

static void scale_is_of_what_is_shown(void **state)
{
	struct top_history history = { .count = 0 };

	top_history_add(&history, 1000);
	top_history_add(&history, 1);
	top_history_add(&history, 2);
	line_is(&history, 2, false, "-#");
}

static void old_values_are_forgotten(void **state)
{
	struct top_history history = { .count = 0 };
	_cleanup_buf_ struct weir_buf line = { 0 };

	for (int i = 0; i < TOP_HISTORY_MOST + 1; i++)
		top_history_add(&history, 1);
	top_spark(&history, TOP_HISTORY_MOST + 2, false, &line);
	assert_int_equal(line.len, TOP_HISTORY_MOST + 2);
	assert_memory_equal(weir_buf_str(&line), "  #", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_is_at_the_right_and_the_most_is_full),
		cmocka_unit_test(least_that_is_not_nothing_is_seen),
		cmocka_unit_test(unknown_is_blank_and_nothing_makes_no_line),
		cmocka_unit_test(scale_is_of_what_is_shown),
		cmocka_unit_test(old_values_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
