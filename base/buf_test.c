/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the growable buffer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void buf_zero_initialised_reads_as_empty_text(void **state)
{
	struct weir_buf buf = { 0 };
	assert_string_equal(weir_buf_str(&buf), "");
}

static void buf_appends_stand_one_after_the_other(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(weir_buf_add(&buf, "abXX", 2), 0);
	assert_int_equal(weir_buf_add_str(&buf, "cd"), 0);
	assert_int_equal(weir_buf_add_char(&buf, 'e'), 0);
	assert_int_equal(weir_buf_addf(&buf, "%d-%s", 42, "f"), 0);
	assert_string_equal(weir_buf_str(&buf), "abcde42-f");
	assert_int_equal(buf.len, 9);
}

static void buf_bytes_with_nul_are_kept_and_counted(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	weir_buf_add(&buf, "a\0b", 3);
	assert_int_equal(buf.len, 3);
	assert_memory_equal(buf.data, "a\0b\0", 4);
}

static void buf_many_single_bytes_grow_it(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	for (int i = 0; i < 100000; i++)
		weir_buf_add_char(&buf, (char)('a' + i % 26));
	assert_int_equal(buf.len, 100000);
	assert_int_equal(buf.data[99999], 'a' + 99999 % 26);
	assert_int_equal(buf.data[100000], '\0');
}

static void buf_formatted_text_longer_than_the_room_is_whole(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	char long_text[1001];
	memset(long_text, 'x', 1000);
	long_text[1000] = '\0';
	assert_int_equal(weir_buf_addf(&buf, "<%s>", long_text), 0);
	assert_int_equal(buf.len, 1002);
	assert_int_equal(buf.data[1001], '>');
}

static void buf_clear_keeps_the_memory(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	weir_buf_add_str(&buf, "abc");
	size_t capacity = buf.capacity;
	weir_buf_clear(&buf);
	assert_string_equal(weir_buf_str(&buf), "");
	assert_int_equal(buf.capacity, capacity);
}

static void buf_reserve_past_all_memory_fails(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	weir_buf_add_str(&buf, "kept");
	assert_int_equal(weir_buf_reserve(&buf, SIZE_MAX), -ENOMEM);
	assert_string_equal(weir_buf_str(&buf), "kept");
}

static void buf_after_a_failure_appends_do_nothing(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	weir_buf_reserve(&buf, SIZE_MAX);
	assert_int_equal(weir_buf_add_str(&buf, "x"), -ENOMEM);
	assert_int_equal(weir_buf_addf(&buf, "%d", 1), -ENOMEM);
	assert_true(buf.failed);
	assert_int_equal(buf.len, 0);
}

static void buf_take_after_a_failure_is_null(void **state)
{
	struct weir_buf buf = { 0 };
	weir_buf_add_str(&buf, "half");
	weir_buf_reserve(&buf, SIZE_MAX);
	assert_null(weir_buf_take(&buf));
	assert_null(buf.data);
}

static void buf_take_hands_over_and_empties(void **state)
{
	struct weir_buf buf = { 0 };
	weir_buf_add_str(&buf, "mine");
	_cleanup_free_ char *text = weir_buf_take(&buf);
	assert_string_equal(text, "mine");
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
}

static void buf_take_of_an_empty_one_is_empty_text(void **state)
{
	struct weir_buf buf = { 0 };
	_cleanup_free_ char *text = weir_buf_take(&buf);
	assert_string_equal(text, "");
}

static void buf_visible_shows_control_characters(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(weir_buf_add_visible(&buf, "a\n\x1b[2Jb\x7f\xc3\xa9"), 0);
	assert_string_equal(weir_buf_str(&buf), "a\\x0a\\x1b[2Jb\\x7f\xc3\xa9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_zero_initialised_reads_as_empty_text),
		cmocka_unit_test(buf_appends_stand_one_after_the_other),
		cmocka_unit_test(buf_bytes_with_nul_are_kept_and_counted),
		cmocka_unit_test(buf_many_single_bytes_grow_it),
		cmocka_unit_test(buf_formatted_text_longer_than_the_room_is_whole),
		cmocka_unit_test(buf_clear_keeps_the_memory),
		cmocka_unit_test(buf_reserve_past_all_memory_fails),
		cmocka_unit_test(buf_after_a_failure_appends_do_nothing),
		cmocka_unit_test(buf_take_after_a_failure_is_null),
		cmocka_unit_test(buf_take_hands_over_and_empties),
		cmocka_unit_test(buf_take_of_an_empty_one_is_empty_text),
		cmocka_unit_test(buf_visible_shows_control_characters),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
