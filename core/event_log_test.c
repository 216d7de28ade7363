/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the kept events are told. How they come to be is tested end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "event_log.h"

static void tell(void *arg, const char *kind, const char *json)
{
	weir_buf_add_str(arg, json);
	(void)kind;
}

static void assert_tells(const char *kinds, size_t limit, const char *expected)
{
	static const char *const events[][2] = {
		{ "drop", "a" }, { "change", "b" }, { "drop", "c" }, { "warning", "d" }
	};
	struct weir_event_log *log = weir_event_log_new(10);
	_cleanup_buf_ struct weir_buf told = { 0 };

	assert_non_null(log);
	for (size_t i = 0; i < 4; i++)
		weir_event_log_add(log, events[i][0], events[i][1], 1);
	weir_event_log_each(log, kinds, limit, tell, &told);
	assert_string_equal(weir_buf_str(&told), expected);
	weir_event_log_free(log);
}

static void events_of_several_kinds_are_told(void **state)
{
	assert_tells("drop,change", 10, "abc");
	assert_tells("warning", 10, "d");
	assert_tells(NULL, 10, "abcd");
	assert_tells("drop,change", 2, "bc");
	assert_tells("dro,changes", 10, "");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_of_several_kinds_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
