/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of finding the place of a key or value in YAML text. Lines and columns are counted by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/yaml_mark.h"

static const char sample[] = "# lists\n"				/* 1 */
			     "block:\n"					/* 2 */
			     "  lists:\n"				/* 3 */
			     "    - name: first\n"			/* 4 */
			     "      entries: [192.0.2.1, 10.0.0.0/8]\n" /* 5 */
			     "    - name: \"second\"\n"			/* 6 */
			     "      entries:\n"				/* 7 */
			     "        - 2001:db8::/32\n"		/* 8 */
			     "        - {from: a, to: b}\n"		/* 9 */
			     "  empty:\n"				/* 10 */
			     "hook: auto\n";				/* 11 */

static void assert_place_in(const char *text, const char *path, unsigned line, unsigned column)
{
	unsigned got_line = 0, got_column = 0;
	assert_int_equal(weir_yaml_locate(text, strlen(text), path, &got_line, &got_column), 0);
	if (got_line != line || got_column != column)
		fail_msg("%s: found at %u:%u, stands at %u:%u", path, got_line, got_column, line,
			 column);
}

static void assert_place(const char *path, unsigned line, unsigned column)
{
	assert_place_in(sample, path, line, column);
}

static void yaml_value_is_found_by_its_path(void **state)
{
	assert_place("hook", 11, 7);
	assert_place("block", 3, 3);
	assert_place("block.lists", 4, 5);
	assert_place("block.lists[0].name", 4, 13);
	assert_place("block.lists[1]", 6, 7);
	assert_place("block.lists[1].name", 6, 13);
}

static void yaml_key_is_found_by_its_path(void **state)
{
	assert_place("hook#key", 11, 1);
	assert_place("block#key", 2, 1);
	assert_place("block.lists#key", 3, 3);
	assert_place("block.lists[1].entries#key", 7, 7);
}

static void yaml_entries_of_flow_and_block_lists_are_found(void **state)
{
	assert_place("block.lists[0].entries[0]", 5, 17);
	assert_place("block.lists[0].entries[1]", 5, 28);
	assert_place("block.lists[1].entries[0]", 8, 11);
	assert_place("block.lists[1].entries[1].to", 9, 25);
}

static void yaml_absent_path_gives_the_longest_part_that_exists(void **state)
{
	assert_place("block.lists[0].action", 4, 7);
	assert_place("block.lists[7].name", 4, 5);
	assert_place("block.lists[0].name.deeper", 4, 13);
	assert_place("hook[0]", 11, 7);
	assert_place("nothing.at.all", 2, 1);
}

static void yaml_empty_path_is_the_whole(void **state)
{
	assert_place("", 2, 1);
}

static void yaml_key_must_be_the_whole_word(void **state)
{
	assert_place_in("ab: 1\na: 2\n", "a", 2, 4);
	assert_place_in("a: 1\nab: 2\n", "ab", 2, 5);
}

static void yaml_columns_count_characters(void **state)
{
	assert_place_in("{\xc3\xa9\xe2\x82\xac: 1, b: 2}\n", "b", 1, 12);
}

static void yaml_list_at_the_top_is_found(void **state)
{
	assert_place_in("- a\n- b\n", "[1]", 2, 3);
}

static void yaml_value_of_an_empty_key_is_found_near_it(void **state)
{
	unsigned line = 0, column = 0;
	assert_int_equal(weir_yaml_locate(sample, strlen(sample), "block.empty", &line, &column),
			 0);
	assert_int_equal(line, 10);
}

static void yaml_empty_text_has_no_places(void **state)
{
	unsigned line = 7, column = 7;
	assert_int_equal(weir_yaml_locate("", 0, "a", &line, &column), -ENOENT);
	assert_int_equal(weir_yaml_locate("# only\n", 7, "a", &line, &column), -ENOENT);
	assert_int_equal(line, 7);
}

static void yaml_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"a: [1", "a: b: c",	      "\ta: 1",	   "a: 'x", "a: \xff",
		"a: *b", "a: 1\n---\nb: 2\n", "a: !!int 1"
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bad); i++) {
		unsigned line, column;
		if (weir_yaml_locate(bad[i], strlen(bad[i]), "a", &line, &column) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void yaml_deep_nesting_is_refused_not_a_crash(void **state)
{
	char text[100000];
	memset(text, '[', sizeof(text));
	unsigned line, column;
	assert_int_equal(weir_yaml_locate(text, sizeof(text), "a", &line, &column), -EINVAL);
}

static void yaml_odd_paths_are_no_crash(void **state)
{
	static const char *const odd[] = { ".",
					   "..",
					   "[",
					   "[]",
					   "[x]",
					   "block.lists[99999999999999999999]",
					   "#key",
					   "block#",
					   "block.lists[0",
					   "block.lists[-1]",
					   "a]b" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(odd); i++) {
		unsigned line = 0, column = 0;
		assert_int_equal(weir_yaml_locate(sample, strlen(sample), odd[i], &line, &column),
				 0);
		assert_in_range(line, 1, 11);
		assert_in_range(column, 1, 40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_value_is_found_by_its_path),
		cmocka_unit_test(yaml_key_is_found_by_its_path),
		cmocka_unit_test(yaml_entries_of_flow_and_block_lists_are_found),
		cmocka_unit_test(yaml_absent_path_gives_the_longest_part_that_exists),
		cmocka_unit_test(yaml_empty_path_is_the_whole),
		cmocka_unit_test(yaml_key_must_be_the_whole_word),
		cmocka_unit_test(yaml_columns_count_characters),
		cmocka_unit_test(yaml_list_at_the_top_is_found),
		cmocka_unit_test(yaml_value_of_an_empty_key_is_found_near_it),
		cmocka_unit_test(yaml_empty_text_has_no_places),
		cmocka_unit_test(yaml_that_is_none_is_refused),
		cmocka_unit_test(yaml_deep_nesting_is_refused_not_a_crash),
		cmocka_unit_test(yaml_odd_paths_are_no_crash),
	};
	return cmocka_run_group_tests_name("yaml_find", tests, NULL, NULL);
}
