/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of status that features have of their own. */
#include "cli/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_shown(const char *json, const char *text)
{
	_cleanup_json_ struct weir_json *answer = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_view view = { .out = &out };

	assert_int_equal(weir_json_parse(json, strlen(json), NULL, NULL, &answer), 0);
	view.answer = answer;
	weir_render(&view, "status");
	assert_string_equal(weir_buf_str(&out), text);
}

static void status_has_a_line_of_sockets_and_one_of_quality(void **state)
{
	assert_shown(
		"{\"version\":\"0.1.0\",\"revision\":1,\"interfaces\":[],"
		"\"sockets\":{\"on\":true,\"live\":12,\"seen\":4012,\"ended\":4000,\"crowded\":2,"
		"\"unsummed\":0,\"synack_retransmits\":0,\"resets_without_socket\":1234,"
		"\"other_namespaces\":0,\"end_missed\":1,\"missed\":0},"
		"\"quality\":{\"on\":true,\"sample\":4,\"cpu_percent\":3.75,"
		"\"cpu_ceiling_percent\":5,\"governor\":\"holding\",\"interfaces\":2,\"flows\":9,"
		"\"capacity\":32768,\"no_place\":7,\"total\":{\"is_estimate\":true,"
		"\"segments\":18310,\"retransmits\":44}}}",
		"weir 0.1.0  revision 1  no daemon; the data path filters on\n"
		"\n"
		"Interfaces\n"
		"none; add one with 'weir interface attach NAME'\n"
		"\n"
		"sockets  on  12 live  4,000 ended  2 without room  1 whose end was missed  "
		"1,234 resets of no socket\n"
		"\n"
		"quality  on  9 of 32,768 connections  at 2 interfaces  about 44 retransmits in "
		"18,310 segments  one of 4 is measured  3.8% of a processor, at most 5%  "
		"7 segments without room\n");
}

static void status_has_a_line_for_what_has_nothing_to_say(void **state)
{
	assert_shown("{\"version\":\"0.1.0\",\"revision\":1,\"interfaces\":[],"
		     "\"limit\":{\"on\":false,\"limits\":0,\"over\":0},"
		     "\"block_live\":{\"entries\":0,\"capacity\":65536},"
		     "\"conntrack\":{\"on\":true,\"flows\":0,\"half_open_capacity\":1000,"
		     "\"half_open_places\":1256,"
		     "\"account\":{\"on\":false,\"ended\":0}},"
		     "\"synproxy\":{\"on\":false,\"services\":0,\"proven\":2},"
		     "\"balance\":{\"on\":true,\"services\":0,\"chosen\":0},"
		     "\"events\":{\"drop\":{\"sent\":0,\"capped\":0,\"lost\":0}}}",
		     "weir 0.1.0  revision 1  no daemon; the data path filters on\n"
		     "\n"
		     "Interfaces\n"
		     "none; add one with 'weir interface attach NAME'\n"
		     "\n"
		     "synproxy\n"
		     "on        no\n"
		     "services  0\n"
		     "proven    2\n"
		     "\n"
		     "limit      off\n"
		     "conntrack  on, nothing yet\n"
		     "balance    on, no services\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_has_a_line_of_sockets_and_one_of_quality),
		cmocka_unit_test(status_has_a_line_for_what_has_nothing_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
