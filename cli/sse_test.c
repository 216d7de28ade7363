/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams, whole and in single bytes. */
#include "cli/sse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int event_note(void *arg, const char *kind, const char *data, size_t len)
{
	assert_int_equal(strlen(data), len);
	return weir_buf_addf(arg, "<%s|%s>", kind, data);
}

static void assert_events(const char *stream, const char *events)
{
	size_t len = strlen(stream);

	for (size_t at_once = 1; at_once <= len; at_once++) {
		_cleanup_buf_ struct weir_buf got = { 0 };
		struct weir_sse sse = { .event = event_note, .arg = &got };

		for (size_t at = 0; at < len; at += at_once)
			assert_int_equal(weir_sse_feed(&sse, stream + at,
						       len - at < at_once ? len - at : at_once),
					 0);
		assert_string_equal(weir_buf_str(&got), events);
		weir_sse_done(&sse);
	}
}

static void event_ends_with_an_empty_line(void **state)
{
	assert_events("event: drop\ndata: {\"a\":1}\n\n", "<drop|{\"a\":1}>");
	assert_events("event: drop\ndata: unfinished\n", "");
}

static void kind_holds_for_one_event_only(void **state)
{
	assert_events("event: drop\ndata: 1\n\ndata: 2\n\n", "<drop|1><message|2>");
}

static void data_lines_are_joined(void **state)
{
	assert_events("data: a\ndata: b\n\n", "<message|a\nb>");
}

static void comments_ids_and_unknown_fields_are_skipped(void **state)
{
	assert_events(": beat\n\nid: 7\nretry: 1000\nfoo: bar\ndata:x\n\n", "<message|x>");
}

static void carriage_returns_are_taken_off(void **state)
{
	assert_events("event: a\r\ndata: b\r\n\r\n", "<a|b>");
}

static void event_without_data_is_none(void **state)
{
	assert_events("event: a\n\n", "");
}

static int event_end(void *arg, const char *kind, const char *data, size_t len)
{
	return -ECANCELED;
}

static void receiver_can_end_it(void **state)
{
	struct weir_sse sse = { .event = event_end };

	assert_int_equal(weir_sse_feed(&sse, "data: x\n\n", 9), -ECANCELED);
	weir_sse_done(&sse);
}

static void endless_line_is_refused(void **state)
{
	struct weir_sse sse = { .event = event_end };
	char piece[4096];
	int result = 0;

	memset(piece, 'a', sizeof(piece));
	for (int i = 0; i < 1000 && result == 0; i++)
		result = weir_sse_feed(&sse, piece, sizeof(piece));
	assert_int_equal(result, -E2BIG);
	weir_sse_done(&sse);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_ends_with_an_empty_line),
		cmocka_unit_test(kind_holds_for_one_event_only),
		cmocka_unit_test(data_lines_are_joined),
		cmocka_unit_test(comments_ids_and_unknown_fields_are_skipped),
		cmocka_unit_test(carriage_returns_are_taken_off),
		cmocka_unit_test(event_without_data_is_none),
		cmocka_unit_test(receiver_can_end_it),
		cmocka_unit_test(endless_line_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
