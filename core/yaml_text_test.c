/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what is text: each refused byte sequence is one that RFC 3629 or YAML 1.1 names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/yaml_text.h"

static void assert_refused_at(const char *text, size_t len, unsigned line, unsigned column)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(weir_yaml_text_check(text, len, &diag), -EINVAL);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.entries[0].line, line);
	assert_int_equal(diag.entries[0].column, column);
}

static void assert_text(const char *text)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(weir_yaml_text_check(text, strlen(text), &diag), 0);
	assert_int_equal(diag.count, 0);
}

static void text_of_every_length_of_character_is_fine(void **state)
{
	assert_text("");
	assert_text("a\tb\r\nc");
	assert_text("\xc2\xa0 \xc3\xbc \xdf\xbf");
	assert_text("\xe0\xa0\x80 \xe2\x82\xac \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbd");
	assert_text("\xf0\x90\x80\x80 \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf");
}

static void text_with_byte_order_mark_in_front_is_fine(void **state)
{
	assert_text("\xef\xbb\xbfmemory: 1GiB\n");
}

static void text_with_byte_order_mark_inside_is_refused(void **state)
{
	assert_refused_at("a\xef\xbb\xbf", 4, 1, 2);
}

static void text_with_control_character_is_refused_at_its_place(void **state)
{
	assert_refused_at("a\nbc\0d", 6, 2, 3);
	assert_refused_at("\x1b[0m", 4, 1, 1);
	assert_refused_at("ab\x7f", 3, 1, 3);
	assert_refused_at("\xc2\x80", 2, 1, 1);
}

static void text_column_counts_characters_not_bytes(void **state)
{
	assert_refused_at("\xc3\xbc\xe2\x82\xac\x01", 6, 1, 3);
}

static void text_with_overlong_character_is_refused(void **state)
{
	assert_refused_at("\xc0\xaf", 2, 1, 1);
	assert_refused_at("\xe0\x9f\xbf", 3, 1, 1);
	assert_refused_at("\xf0\x8f\xbf\xbf", 4, 1, 1);
}

static void text_with_surrogate_or_past_the_last_is_refused(void **state)
{
	assert_refused_at("\xed\xa0\x80", 3, 1, 1);
	assert_refused_at("\xf4\x90\x80\x80", 4, 1, 1);
	assert_refused_at("\xf5\x80\x80\x80", 4, 1, 1);
}

static void text_cut_off_inside_a_character_is_refused(void **state)
{
	assert_refused_at("x\xe2\x82", 3, 1, 2);
	assert_refused_at("x\xe2\x82z", 4, 1, 2);
	assert_refused_at("\x80", 1, 1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_every_length_of_character_is_fine),
		cmocka_unit_test(text_with_byte_order_mark_in_front_is_fine),
		cmocka_unit_test(text_with_byte_order_mark_inside_is_refused),
		cmocka_unit_test(text_with_control_character_is_refused_at_its_place),
		cmocka_unit_test(text_column_counts_characters_not_bytes),
		cmocka_unit_test(text_with_overlong_character_is_refused),
		cmocka_unit_test(text_with_surrogate_or_past_the_last_is_refused),
		cmocka_unit_test(text_cut_off_inside_a_character_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
