/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines as a process has them, and what is shown of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/sockets/sockets_state.h"

#define SHOWN(bytes, is_cut, text) assert_shown(bytes, sizeof(bytes) - 1, is_cut, text)

static void assert_shown(const char *bytes, size_t len, bool is_cut, const char *text)
{
	char got[SOCKETS_COMMAND_TEXT];

	memset(got, 'z', sizeof(got));
	sockets_command_text(bytes, len, is_cut, got);
	assert_string_equal(got, text);
}

static void arguments_stand_between_blanks(void **state)
{
	(void)state;
	SHOWN("curl\0-s\0http://[::1]/\0", false, "curl -s http://[::1]/");
	SHOWN("sh\0-c\0a  b\0\0c\0", false, "sh -c a  b  c");
}

static void zeros_at_the_end_are_no_arguments(void **state)
{
	(void)state;
	SHOWN("nginx: worker process\0\0\0\0", false, "nginx: worker process");
	SHOWN("\0\0", false, "");
	SHOWN("", false, "");
}

static void what_is_cut_ends_with_a_mark(void **state)
{
	(void)state;
	SHOWN("tar\0cz", true, "tar cz…");
}

static void what_is_cut_through_a_character_loses_it(void **state)
{
	(void)state;
	SHOWN("a\xc3\xa4\xe2\x82", true, "a\xc3\xa4…");
	SHOWN("a\xf0\x9f\x98", true, "a…");
	SHOWN("a\xc3\xa4", true, "a\xc3\xa4…");
	SHOWN("a\xe2\x82\xac", true, "a\xe2\x82\xac…");
}

static void no_text_is_longer_than_its_room(void **state)
{
	char bytes[2 * SOCKETS_COMMAND_BYTES], text[SOCKETS_COMMAND_TEXT];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	sockets_command_text(bytes, sizeof(bytes), true, text);
	assert_int_equal(strlen(text), SOCKETS_COMMAND_BYTES + strlen("…"));
	assert_string_equal(text + SOCKETS_COMMAND_BYTES, "…");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_stand_between_blanks),
		cmocka_unit_test(zeros_at_the_end_are_no_arguments),
		cmocka_unit_test(what_is_cut_ends_with_a_mark),
		cmocka_unit_test(what_is_cut_through_a_character_loses_it),
		cmocka_unit_test(no_text_is_longer_than_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
