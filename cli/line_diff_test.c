/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of texts and their differences, worked out by hand. */
#include "cli/line_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_diff(const char *from, const char *to, const char *changes)
{
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_json_out json = { .out = &out };

	weir_json_open_array(&json, NULL);
	assert_int_equal(weir_line_diff(from, to, &json), 0);
	weir_json_close_array(&json);
	assert_string_equal(weir_buf_str(&out), changes);
}

static void equal_texts_differ_in_nothing(void **state)
{
	assert_diff("a\nb\n", "a\nb\n", "[]");
	assert_diff("", "", "[]");
}

static void line_is_added(void **state)
{
	assert_diff("a\nc\n", "a\nb\nc\n", "[\"+ b\"]");
	assert_diff("", "a\n", "[\"+ a\"]");
}

static void line_is_removed(void **state)
{
	assert_diff("a\nb\nc\n", "a\nc\n", "[\"- b\"]");
	assert_diff("a\n", "", "[\"- a\"]");
}

static void changed_line_goes_before_it_comes(void **state)
{
	assert_diff("a\nb\nc\n", "a\nx\nc\n", "[\"- b\",\"+ x\"]");
}

static void common_lines_in_the_middle_are_kept(void **state)
{
	assert_diff("1\nsame\n2\nsame2\n3\n", "4\nsame\n5\nsame2\n6\n",
		    "[\"- 1\",\"+ 4\",\"- 2\",\"+ 5\",\"- 3\",\"+ 6\"]");
}

static void newline_at_the_end_is_no_difference(void **state)
{
	assert_diff("a", "a\n", "[]");
}

static void repeated_lines_are_counted(void **state)
{
	assert_diff("a\na\na\n", "a\na\n", "[\"- a\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts_differ_in_nothing),
		cmocka_unit_test(line_is_added),
		cmocka_unit_test(line_is_removed),
		cmocka_unit_test(changed_line_goes_before_it_comes),
		cmocka_unit_test(common_lines_in_the_middle_are_kept),
		cmocka_unit_test(newline_at_the_end_is_no_difference),
		cmocka_unit_test(repeated_lines_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
