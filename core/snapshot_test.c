/* SPDX-License-Identifier: Apache-2.0 */
/* Values of labels: whatever a device is called, the page can be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/snapshot.h"

#define RU "\xef\xbf\xbd" /* U+FFFD */

static void labels_are_escaped_and_are_utf8(void **state)
{
	static const char *const cases[][2] = {
		{ "eth0", "eth0" },
		{ "", "" },
		{ "a\\b\"c\nd", "a\\\\b\\\"c\\nd" },
		{ "w\xff", "w" RU },
		{ "\xff\xfe\"", RU RU "\\\"" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xf0\x9f\x92\xa7.1", "\xf0\x9f\x92\xa7.1" },
		{ "\xf0\x9f\x92", RU RU RU }, /* ends within */
		{ "\xc3(", RU "(" },
		{ "\xed\xa0\x80", RU RU RU }, /* half of a pair */
		{ "\xc0\xaf", RU RU },	      /* longer than it need be */
	};
	char text[WEIR_LABEL_BYTES(16)];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(weir_label_escape(cases[i][0], text, sizeof(text)),
				    cases[i][1]);
}

static void the_longest_name_has_room(void **state)
{
	char text[WEIR_LABEL_BYTES(16)], name[16] = { 0 };

	(void)state;
	memset(name, 0xff, 15);
	assert_int_equal(strlen(weir_label_escape(name, text, sizeof(text))), 45);
	memset(name, '"', 15);
	assert_int_equal(strlen(weir_label_escape(name, text, sizeof(text))), 30);
}

static void what_has_no_room_is_cut_between_characters(void **state)
{
	char text[8];

	(void)state;
	assert_string_equal(weir_label_escape("abcdef\"", text, sizeof(text)), "abcdef");
	assert_string_equal(weir_label_escape("abcde\xff", text, sizeof(text)), "abcde");
	assert_string_equal(weir_label_escape("abcdefghi", text, sizeof(text)), "abcdefg");
	assert_string_equal(weir_label_escape("abcd\xc3\xa9\xc3\xa9", text, sizeof(text)),
			    "abcd\xc3\xa9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_escaped_and_are_utf8),
		cmocka_unit_test(the_longest_name_has_room),
		cmocka_unit_test(what_has_no_room_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
