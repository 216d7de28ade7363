/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of distances between words; the numbers are counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/nearest.h"

static void distance_counts_letters_changed_added_and_left_out(void **state)
{
	assert_int_equal(weir_edit_distance("deny", "deny"), 0);
	assert_int_equal(weir_edit_distance("deny", "dony"), 1);
	assert_int_equal(weir_edit_distance("deny", "den"), 1);
	assert_int_equal(weir_edit_distance("deny", "denyy"), 1);
	assert_int_equal(weir_edit_distance("kitten", "sitting"), 3);
	assert_int_equal(weir_edit_distance("", "abc"), 3);
	assert_int_equal(weir_edit_distance("abc", ""), 3);
}

static void distance_counts_swapped_neighbours_once(void **state)
{
	assert_int_equal(weir_edit_distance("lsits", "lists"), 1);
	assert_int_equal(weir_edit_distance("ab", "ba"), 1);
}

static void distance_of_a_long_word_is_far(void **state)
{
	char word[WEIR_NEAREST_BYTES_MAX + 2];
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = 0;
	assert_int_equal(weir_edit_distance(word, word), 99);
	assert_int_equal(weir_edit_distance("a", word), 99);
	word[WEIR_NEAREST_BYTES_MAX] = 0;
	assert_int_equal(weir_edit_distance(word, word), 0);
	assert_int_equal(weir_edit_distance("", word), WEIR_NEAREST_BYTES_MAX);
}

static void allowance_is_a_third_and_at_least_one(void **state)
{
	assert_int_equal(weir_edit_allowance("a"), 1);
	assert_int_equal(weir_edit_allowance("abcde"), 1);
	assert_int_equal(weir_edit_allowance("abcdef"), 2);
}

static void nearest_is_the_first_of_the_nearest(void **state)
{
	static const char *const words[] = { "allow", "deny", "dent", NULL };
	assert_string_equal(weir_nearest("denx", words), "deny");
	assert_string_equal(weir_nearest("dent", words), "dent");
	assert_string_equal(weir_nearest("alow", words), "allow");
}

static void nearest_of_a_foreign_word_is_null(void **state)
{
	static const char *const words[] = { "allow", "deny", NULL };
	assert_null(weir_nearest("reject", words));
	assert_null(weir_nearest("", (const char *const[]){ NULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_letters_changed_added_and_left_out),
		cmocka_unit_test(distance_counts_swapped_neighbours_once),
		cmocka_unit_test(distance_of_a_long_word_is_far),
		cmocka_unit_test(allowance_is_a_third_and_at_least_one),
		cmocka_unit_test(nearest_is_the_first_of_the_nearest),
		cmocka_unit_test(nearest_of_a_foreign_word_is_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
