/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the difference between two configurations. Every answer was written by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/config_diff.h"

#define UNCHANGED "{\"changed\":false,\"changes\":[]}"
#define CHANGED(rows) "{\"changed\":true,\"changes\":[" rows "]}"

static void assert_diff(const char *from, const char *to, const char *wanted)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf reply = { 0 };

	assert_int_equal(weir_config_diff(from, to, &diag, &reply), 0);
	assert_string_equal(weir_buf_str(&reply), wanted);
}

static void diff_of_equal_texts_is_empty(void **state)
{
	assert_diff("a: 1\n", "a: 1\n", UNCHANGED);
	assert_diff("", "", UNCHANGED);
}

static void diff_of_comments_order_and_layout_is_empty(void **state)
{
	assert_diff("a: 1\nb:\n  c: [x, y]\n", "# why\nb: {c: [\"x\", 'y']}   # more\n\na:    1\n",
		    UNCHANGED);
}

static void diff_of_a_changed_value_has_both(void **state)
{
	assert_diff("api:\n  listen: off\n", "api:\n  listen: 127.0.0.1:1\n",
		    CHANGED("{\"op\":\"change\",\"key\":\"api.listen\",\"from\":\"off\","
			    "\"to\":\"127.0.0.1:1\"}"));
}

static void diff_of_an_added_key_has_no_from(void **state)
{
	assert_diff("a: 1\n", "a: 1\nb: 2\n",
		    CHANGED("{\"op\":\"add\",\"key\":\"b\",\"to\":\"2\"}"));
}

static void diff_of_a_removed_key_has_no_to(void **state)
{
	assert_diff("a: 1\nb: 2\n", "a: 1\n",
		    CHANGED("{\"op\":\"remove\",\"key\":\"b\",\"from\":\"2\"}"));
}

static void diff_from_empty_adds_each_key(void **state)
{
	assert_diff("", "a: 1\nb: {c: [x]}\n",
		    CHANGED("{\"op\":\"add\",\"key\":\"a\",\"to\":\"1\"},"
			    "{\"op\":\"add\",\"key\":\"b\",\"to\":{\"c\":[\"x\"]}}"));
}

static void diff_to_comments_only_removes_each_key(void **state)
{
	assert_diff("a: 1\n", "# nothing\n",
		    CHANGED("{\"op\":\"remove\",\"key\":\"a\",\"from\":\"1\"}"));
}

static void diff_of_a_key_without_value_is_as_without_key(void **state)
{
	assert_diff("a: 1\nb:\n", "a: 1\n", UNCHANGED);
	assert_diff("b: ~\n", "b: 3\n", CHANGED("{\"op\":\"add\",\"key\":\"b\",\"to\":\"3\"}"));
}

static void diff_of_named_entries_pairs_by_name(void **state)
{
	assert_diff("lists:\n- {name: office, action: allow}\n- {name: bad, action: deny}\n",
		    "lists:\n- {name: bad, action: allow}\n- {name: office, action: allow}\n",
		    CHANGED("{\"op\":\"change\",\"key\":\"lists[bad].action\",\"from\":\"deny\","
			    "\"to\":\"allow\"}"));
}

static void diff_of_a_renamed_entry_is_remove_and_add(void **state)
{
	assert_diff("lists: [{name: a}, {name: c}]\n", "lists: [{name: b}, {name: c}]\n",
		    CHANGED("{\"op\":\"remove\",\"key\":\"lists[a]\",\"from\":{\"name\":\"a\"}},"
			    "{\"op\":\"add\",\"key\":\"lists[b]\",\"to\":{\"name\":\"b\"}}"));
}

static void diff_of_a_first_named_entry_names_it(void **state)
{
	assert_diff("lists: []\n", "lists: [{name: a}]\n",
		    CHANGED("{\"op\":\"add\",\"key\":\"lists[a]\",\"to\":{\"name\":\"a\"}}"));
}

static void diff_of_nameless_entries_goes_by_position(void **state)
{
	assert_diff("r:\n- {port: 1}\n- {port: 2}\n", "r:\n- {port: 1}\n- {port: 3}\n- {port: 4}\n",
		    CHANGED("{\"op\":\"change\",\"key\":\"r[1].port\",\"from\":\"2\",\"to\":\"3\"},"
			    "{\"op\":\"add\",\"key\":\"r[2]\",\"to\":{\"port\":\"4\"}}"));
}

static void diff_of_plain_entries_ignores_their_order(void **state)
{
	assert_diff("e: [a, b, c]\n", "e:\n- c\n- a\n- b\n", UNCHANGED);
}

static void diff_of_plain_entries_names_the_one_added(void **state)
{
	assert_diff("block: {lists: [{name: office, entries: [10.0.0.1, 10.0.0.3]}]}\n",
		    "block: {lists: [{name: office, entries: [10.0.0.3, 10.0.0.2, 10.0.0.1]}]}\n",
		    CHANGED("{\"op\":\"add\",\"key\":\"block.lists[office].entries\","
			    "\"to\":\"10.0.0.2\"}"));
}

static void diff_of_plain_entries_counts_repetitions(void **state)
{
	assert_diff("e: [a, a, b]\n", "e: [a, b, b]\n",
		    CHANGED("{\"op\":\"remove\",\"key\":\"e\",\"from\":\"a\"},"
			    "{\"op\":\"add\",\"key\":\"e\",\"to\":\"b\"}"));
}

static void diff_of_another_kind_has_both_values(void **state)
{
	assert_diff("a: 1\n", "a: [1]\n",
		    CHANGED("{\"op\":\"change\",\"key\":\"a\",\"from\":\"1\",\"to\":[\"1\"]}"));
}

static char *entries_text(size_t count, size_t left_out)
{
	struct weir_buf text = { 0 };

	weir_buf_add_str(&text, "e:\n");
	for (size_t i = 0; i < count; i++)
		if (i != left_out)
			weir_buf_addf(&text, "- 10.%zu.%zu.%zu\n", i >> 16, i >> 8 & 255, i & 255);
	return weir_buf_take(&text);
}

static void diff_of_a_hundred_thousand_entries_is_one_line_and_quick(void **state)
{
	char *all = entries_text(100000, 100000), *but_one = entries_text(100000, 70000);
	uint64_t start_ns = weir_clock_monotonic_ns();

	assert_non_null(all);
	assert_non_null(but_one);
	assert_diff(but_one, all, /* 70000 = 1 * 65536 + 17 * 256 + 112 */
		    CHANGED("{\"op\":\"add\",\"key\":\"e\",\"to\":\"10.1.17.112\"}"));
	/* Comparing each with each takes some 20 s. */
	assert_true(weir_clock_monotonic_ns() - start_ns < 5 * WEIR_NS_PER_S);
	free(all);
	free(but_one);
}

static void diff_of_bad_yaml_is_refused_with_its_place(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf reply = { 0 };

	assert_int_equal(weir_config_diff("a: 1\n", "a: [1\nb: 2\n", &diag, &reply), -EINVAL);
	assert_int_equal(diag.errors, 1);
	assert_int_not_equal(diag.entries[0].line, 0);
	assert_int_equal(reply.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diff_of_equal_texts_is_empty),
		cmocka_unit_test(diff_of_comments_order_and_layout_is_empty),
		cmocka_unit_test(diff_of_a_changed_value_has_both),
		cmocka_unit_test(diff_of_an_added_key_has_no_from),
		cmocka_unit_test(diff_of_a_removed_key_has_no_to),
		cmocka_unit_test(diff_from_empty_adds_each_key),
		cmocka_unit_test(diff_to_comments_only_removes_each_key),
		cmocka_unit_test(diff_of_a_key_without_value_is_as_without_key),
		cmocka_unit_test(diff_of_named_entries_pairs_by_name),
		cmocka_unit_test(diff_of_a_renamed_entry_is_remove_and_add),
		cmocka_unit_test(diff_of_a_first_named_entry_names_it),
		cmocka_unit_test(diff_of_nameless_entries_goes_by_position),
		cmocka_unit_test(diff_of_plain_entries_ignores_their_order),
		cmocka_unit_test(diff_of_plain_entries_names_the_one_added),
		cmocka_unit_test(diff_of_plain_entries_counts_repetitions),
		cmocka_unit_test(diff_of_another_kind_has_both_values),
		cmocka_unit_test(diff_of_a_hundred_thousand_entries_is_one_line_and_quick),
		cmocka_unit_test(diff_of_bad_yaml_is_refused_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
