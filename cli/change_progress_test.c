/* SPDX-License-Identifier: Apache-2.0 */
/* What a status says of a change, and the line it becomes. */
#include "cli/change_progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"

static void assert_line(const char *status, const char *line)
{
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_progress progress = { .working = "working" };

	assert_int_equal(weir_json_parse(status, strlen(status), NULL, NULL, &json), 0);
	weir_change_progress_read(json, &progress);
	weir_progress_format(&progress, 0, 0, true, 1500 * WEIR_NS_PER_MS, &text);
	assert_string_equal(weir_buf_str(&text), line);
}

static void step_without_numbers_is_words(void **state)
{
	assert_line("{\"change\":{\"what\":\"reload\",\"step\":\"load\",\"done\":0,\"total\":0}}",
		    "loading the program… 1.5 s");
}

static void step_with_numbers_is_a_bar(void **state)
{
	assert_line("{\"change\":{\"what\":\"reload\",\"step\":\"settle\",\"done\":500000,"
		    "\"total\":1000000}}",
		    "[############------------] 500,000 of 1,000,000  bringing state over… 1.5 s");
}

/* Packets that come meanwhile may make it more than were counted at first. */
static void more_done_than_there_are_is_a_full_bar(void **state)
{
	assert_line(
		"{\"change\":{\"what\":\"reload\",\"step\":\"settle\",\"done\":12,\"total\":10}}",
		"[########################] 10 of 10  bringing state over… 1.5 s");
}

static void status_without_change_leaves_the_words(void **state)
{
	assert_line("{\"revision\":3}", "working… 1.5 s");
}

static void step_of_a_later_version_leaves_the_words(void **state)
{
	assert_line("{\"change\":{\"what\":\"reload\",\"step\":\"dance\"}}", "working… 1.5 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step_without_numbers_is_words),
		cmocka_unit_test(step_with_numbers_is_a_bar),
		cmocka_unit_test(more_done_than_there_are_is_a_full_bar),
		cmocka_unit_test(status_without_change_leaves_the_words),
		cmocka_unit_test(step_of_a_later_version_leaves_the_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
