/* SPDX-License-Identifier: Apache-2.0 */
/* Every key does one thing, and every thing that can be done has a key. */
#include "cli/top/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void keys_of_htop_and_k9s_do_what_they_do_there(void **state)
{
	static const struct {
		int key;
		enum top_action action;
	} wanted[] = {
		{ 'j', TOP_DOWN },
		{ 'k', TOP_UP },
		{ TOP_KEY_DOWN, TOP_DOWN },
		{ TOP_KEY_UP, TOP_UP },
		{ TOP_KEY_END, TOP_LAST },
		{ TOP_KEY_HOME, TOP_FIRST },
		{ '\t', TOP_TAB_NEXT },
		{ TOP_KEY_BACKTAB, TOP_TAB_BEFORE },
		{ '1', TOP_TAB_NUMBER },
		{ '7', TOP_TAB_NUMBER },
		{ '/', TOP_FILTER },
		{ 's', TOP_SORT_NEXT },
		{ '>', TOP_SORT_NEXT },
		{ '<', TOP_SORT_BEFORE },
		{ 'r', TOP_REVERSE },
		{ 'g', TOP_GROUP },
		{ 'p', TOP_PAUSE },
		{ ' ', TOP_PAUSE },
		{ '\n', TOP_DETAIL },
		{ 27, TOP_BACK },
		{ 'b', TOP_BLOCK },
		{ '?', TOP_HELP },
		{ 'q', TOP_QUIT },
		{ '+', TOP_FASTER },
		{ '-', TOP_SLOWER },
		{ 'x', TOP_NOTHING },
		{ '0', TOP_NOTHING },
		{ TOP_KEY_RESIZE, TOP_NOTHING },
		{ TOP_KEY_NONE, TOP_NOTHING },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_int_equal(top_key_action(wanted[i].key), wanted[i].action);
}

static void no_key_stands_twice(void **state)
{
	for (const struct top_binding *one = top_bindings; one->label; one++)
		for (size_t i = 0; i < TOP_KEYS_EACH && one->keys[i]; i++)
			assert_int_equal(top_key_action(one->keys[i]), one->action);
}

static void every_action_stands_in_the_help(void **state)
{
	for (int action = TOP_NOTHING + 1; action < TOP_ACTIONS; action++) {
		int found = 0;

		for (const struct top_binding *one = top_bindings; one->label; one++)
			if ((int)one->action == action) {
				found++;
				assert_true(one->help && one->help[0]);
			}
		assert_int_equal(found, 1);
	}
}

/* The help has two columns at 80, and a blank between them; the lowest line has all hints there. */
static void help_and_hints_fit_into_80_columns(void **state)
{
	size_t hints = 0;

	for (const struct top_binding *one = top_bindings; one->label; one++) {
		assert_true(strlen(one->label) <= 15);
		assert_true(strlen(one->help) <= 22);
		hints += one->hint ? strlen(one->hint) : 0;
	}
	assert_true(hints <= 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_htop_and_k9s_do_what_they_do_there),
		cmocka_unit_test(no_key_stands_twice),
		cmocka_unit_test(every_action_stands_in_the_help),
		cmocka_unit_test(help_and_hints_fit_into_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
