/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/csv.h"

static void assert_csv(const char *answer, const char *expected)
{
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };

	assert_int_equal(weir_json_parse(answer, strlen(answer), NULL, NULL, &json), 0);
	weir_csv_write(json, &out);
	assert_false(out.failed);
	assert_string_equal(weir_buf_str(&out), expected);
}

static void rows_have_the_columns_of_all(void **state)
{
	assert_csv("{\"total\":2,\"flows\":[{\"src\":\"10.0.0.1\",\"bytes\":7},"
		   "{\"mark\":1,\"src\":\"10.0.0.2\",\"gone\":null,\"is\":true}]}",
		   "src,bytes,mark,gone,is\r\n10.0.0.1,7,,,\r\n10.0.0.2,,1,,true\r\n");
}

static void the_longest_array_of_objects_is_meant(void **state)
{
	assert_csv("{\"a\":[{\"x\":1}],\"names\":[\"p\",\"q\",\"r\"],\"b\":[{\"x\":2},{\"x\":3}]}",
		   "x\r\n2\r\n3\r\n");
}

static void without_rows_the_answer_is_one(void **state)
{
	assert_csv("{\"total\":5,\"states\":{\"open\":1,\"closed\":4},\"tags\":[\"a\",\"b c\"]}",
		   "total,states.open,states.closed,tags\r\n5,1,4,a b c\r\n");
}

static void no_rows_are_nothing_and_not_the_answer(void **state)
{
	(void)state;
	assert_csv("{\"tracked\":true,\"flows\":[],\"shown\":0,\"total\":5}", "");
	assert_csv("{\"total\":5,\"warnings\":[]}", "total,warnings\r\n5,\r\n");
}

static void what_parts_cells_is_quoted(void **state)
{
	assert_csv("{\"rows\":[{\"a,b\":\"x,y\",\"c\":\"say \\\"no\\\"\",\"d\":\"two\\nlines\","
		   "\"e\":-0.1,\"f\":\"\"}]}",
		   "\"a,b\",c,d,e,f\r\n\"x,y\",\"say \"\"no\"\"\",\"two\nlines\",-0.1,\r\n");
}

static void inner_objects_have_their_names_before(void **state)
{
	assert_csv(
		"{\"rows\":[{\"in\":{\"packets\":1,\"of\":{\"tcp\":2}},\"out\":{\"packets\":3}}]}",
		"in.packets,in.of.tcp,out.packets\r\n1,2,3\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_the_columns_of_all),
		cmocka_unit_test(no_rows_are_nothing_and_not_the_answer),
		cmocka_unit_test(the_longest_array_of_objects_is_meant),
		cmocka_unit_test(without_rows_the_answer_is_one),
		cmocka_unit_test(what_parts_cells_is_quoted),
		cmocka_unit_test(inner_objects_have_their_names_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
