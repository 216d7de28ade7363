/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of collected problems and their text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/diag.h"

static void assert_diag_text(const struct weir_diag *diag, const char *expected)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_diag_format(diag, &text);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void diag_error_returns_einval_and_counts(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(weir_diag_error(&diag, NULL, "no %s", "way"), -EINVAL);
	assert_int_equal(diag.errors, 1);
	assert_diag_text(&diag, "no way\n");
}

static void diag_warning_returns_zero_and_is_no_error(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(weir_diag_warning(&diag, NULL, "odd"), 0);
	assert_int_equal(diag.errors, 0);
	assert_int_equal(diag.count, 1);
	assert_diag_text(&diag, "warning: odd\n");
}

static void diag_why_is_the_first_sentence_or_the_errno(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_string_equal(weir_diag_why(&diag, -ENOENT), "No such file or directory");
	weir_diag_error(&diag, NULL, "no way");
	weir_diag_error(&diag, NULL, "nor that");
	assert_string_equal(weir_diag_why(&diag, -ENOENT), "no way");
}

static void diag_warning_about_a_key_is_no_error_and_names_it(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(weir_diag_warning_key(&diag, "a.b[2]", "mend it", "is %s", "odd"), 0);
	assert_int_equal(diag.errors, 0);
	assert_string_equal(diag.entries[0].key, "a.b[2]");
	assert_diag_text(&diag, "warning: a.b[2]: is odd; mend it\n");
}

static void diag_null_is_allowed(void **state)
{
	assert_int_equal(weir_diag_error(NULL, NULL, "x"), -EINVAL);
	assert_int_equal(weir_diag_warning(NULL, NULL, "x"), 0);
	assert_int_equal(weir_diag_warning_key(NULL, "k", NULL, "x"), 0);
	assert_int_equal(weir_diag_key(NULL, "k", NULL, "x"), -EINVAL);
	assert_null(weir_diag_last(NULL));
}

static void diag_key_with_place_is_one_line(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_key(&diag, "block.lists[0].action", "write allow or deny",
		      "'%s' is not an action", "dorp");
	struct weir_diag_entry *entry = weir_diag_last(&diag);
	entry->file = strdup("weir.yaml");
	entry->line = 8;
	entry->column = 13;
	assert_diag_text(&diag, "weir.yaml:8:13: block.lists[0].action: 'dorp' is not an action; "
				"write allow or deny\n");
}

static void diag_warning_with_a_file_says_so_after_the_place(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_warning(&diag, NULL, "is empty");
	weir_diag_last(&diag)->file = strdup("a.txt");
	assert_diag_text(&diag, "a.txt: warning: is empty\n");
}

static void diag_line_without_file_is_named(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_error(&diag, NULL, "bad");
	weir_diag_last(&diag)->line = 3;
	assert_diag_text(&diag, "line 3: bad\n");
}

static void diag_text_from_outside_cannot_forge_a_line(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_error(&diag, NULL, "'%s'", "a\nweir: all is well");
	assert_diag_text(&diag, "'a\\x0aweir: all is well'\n");
}

static void diag_past_the_most_is_counted_not_kept(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	for (int i = 0; i < 70; i++)
		assert_int_equal(weir_diag_error(&diag, "mend", "number %d", i), -EINVAL);
	assert_int_equal(diag.count, 64);
	assert_int_equal(diag.dropped, 6);
	assert_int_equal(diag.errors, 70);
}

static void diag_last_is_null_when_the_last_was_not_kept(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	for (int i = 0; i < 64; i++)
		weir_diag_error(&diag, NULL, "x");
	assert_non_null(weir_diag_last(&diag));
	weir_diag_error(&diag, NULL, "x");
	assert_null(weir_diag_last(&diag));
}

static void diag_text_ends_with_how_many_more(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	for (int i = 0; i < 66; i++)
		weir_diag_error(&diag, NULL, "x");
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_diag_format(&diag, &text);
	assert_string_equal(text.data + 128, "and 2 more\n");
}

static void diag_done_leaves_it_empty_and_usable(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_error(&diag, "m", "x");
	weir_diag_done(&diag);
	assert_diag_text(&diag, "");
	weir_diag_error(&diag, NULL, "y");
	assert_diag_text(&diag, "y\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diag_error_returns_einval_and_counts),
		cmocka_unit_test(diag_warning_returns_zero_and_is_no_error),
		cmocka_unit_test(diag_null_is_allowed),
		cmocka_unit_test(diag_why_is_the_first_sentence_or_the_errno),
		cmocka_unit_test(diag_key_with_place_is_one_line),
		cmocka_unit_test(diag_warning_about_a_key_is_no_error_and_names_it),
		cmocka_unit_test(diag_warning_with_a_file_says_so_after_the_place),
		cmocka_unit_test(diag_line_without_file_is_named),
		cmocka_unit_test(diag_text_from_outside_cannot_forge_a_line),
		cmocka_unit_test(diag_past_the_most_is_counted_not_kept),
		cmocka_unit_test(diag_last_is_null_when_the_last_was_not_kept),
		cmocka_unit_test(diag_text_ends_with_how_many_more),
		cmocka_unit_test(diag_done_leaves_it_empty_and_usable),
	};
	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
