/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/spans.h"

static void ports_and_ranges_are_read_and_the_rest_is_none(void **state)
{
	struct weir_span spans[4];

	(void)state;
	assert_int_equal(weir_spans_read(" 80, 443 ,8000 - 8100", spans, 4), 0);
	assert_int_equal(spans[0].from, 80);
	assert_int_equal(spans[0].to, 80);
	assert_int_equal(spans[1].from, 443);
	assert_int_equal(spans[1].to, 443);
	assert_int_equal(spans[2].from, 8000);
	assert_int_equal(spans[2].to, 8100);
	assert_true(spans[3].from > spans[3].to);
}

static void no_text_is_no_ports(void **state)
{
	struct weir_span span;

	(void)state;
	assert_int_equal(weir_spans_read(NULL, &span, 1), 0);
	assert_true(span.from > span.to);
}

static void what_is_no_list_of_ports_is_refused(void **state)
{
	static const char *const texts[] = { "",    ",",     "80,",   "80,,81", "http", "-80",
					     "80-", "81-80", "65536", "1 2",	"0x50" };
	struct weir_span spans[4];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(weir_spans_read(texts[i], spans, 4), -EINVAL);
}

static void more_than_there_is_room_for_is_told_apart(void **state)
{
	struct weir_span spans[2];

	(void)state;
	assert_int_equal(weir_spans_read("1,2", spans, 2), 0);
	assert_int_equal(weir_spans_read("1,2,3", spans, 2), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_ranges_are_read_and_the_rest_is_none),
		cmocka_unit_test(no_text_is_no_ports),
		cmocka_unit_test(what_is_no_list_of_ports_is_refused),
		cmocka_unit_test(more_than_there_is_room_for_is_told_apart),
	};

	return cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
