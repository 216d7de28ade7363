/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of reading and writing JSON. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"

static struct weir_json *parse(const char *text)
{
	struct weir_json *json = NULL;
	assert_int_equal(weir_json_parse(text, strlen(text), NULL, NULL, &json), 0);
	return json;
}

/* The text is refused with exactly this line. */
static void assert_refused(const char *text, const char *expected)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf said = { 0 };
	struct weir_json *json = NULL;
	assert_int_equal(weir_json_parse(text, strlen(text), "x.json", &diag, &json), -EINVAL);
	weir_diag_format(&diag, &said);
	assert_string_equal(weir_buf_str(&said), expected);
	assert_null(json);
}

static void json_each_type_is_told(void **state)
{
	_cleanup_json_ struct weir_json *json = parse("[null,true,7,7.5,\"s\",[],{}]");
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(weir_json_type(weir_json_at(json, i)), WEIR_JSON_NULL + i);
	assert_int_equal(weir_json_size(json), 7);
	assert_null(weir_json_at(json, 7));
}

static void json_members_are_found_by_key(void **state)
{
	_cleanup_json_ struct weir_json *json =
		parse("{\"a\":{\"b\":-9223372036854775808},\"c\":\"\\u00e9\",\"d\":true,\"e\":2}");
	assert_int_equal(weir_json_int(weir_json_get(weir_json_get(json, "a"), "b"), 0), INT64_MIN);
	assert_string_equal(weir_json_str(weir_json_get(json, "c"), ""), "\xc3\xa9");
	assert_true(weir_json_bool(weir_json_get(json, "d"), false));
	assert_true(weir_json_real(weir_json_get(json, "e"), 0) == 2.0);
	assert_null(weir_json_get(json, "z"));
	assert_int_equal(weir_json_size(json), 4);
}

static void json_absent_or_other_type_gives_the_fallback(void **state)
{
	_cleanup_json_ struct weir_json *json = parse("\"text\"");
	assert_int_equal(weir_json_int(NULL, -5), -5);
	assert_int_equal(weir_json_int(json, -5), -5);
	assert_true(weir_json_bool(json, true));
	assert_true(weir_json_real(json, 1.5) == 1.5);
	assert_string_equal(weir_json_str(NULL, "none"), "none");
	assert_null(weir_json_get(json, "a"));
	assert_null(weir_json_get(NULL, "a"));
	assert_null(weir_json_at(json, 0));
	assert_int_equal(weir_json_size(json), 0);
	assert_int_equal(weir_json_size(NULL), 0);
}

static int each_collect(const char *key, const struct weir_json *value, void *arg)
{
	weir_buf_addf(arg, "%s=%d ", key, (int)weir_json_int(value, -1));
	return strcmp(key, "stop") == 0 ? 9 : 0;
}

static void json_each_goes_in_the_order_of_the_text_until_stopped(void **state)
{
	_cleanup_json_ struct weir_json *json = parse("{\"z\":1,\"a\":2,\"stop\":3,\"b\":4}");
	_cleanup_buf_ struct weir_buf seen = { 0 };
	assert_int_equal(weir_json_each(json, each_collect, &seen), 9);
	assert_string_equal(weir_buf_str(&seen), "z=1 a=2 stop=3 ");
	assert_int_equal(weir_json_each(NULL, each_collect, &seen), 0);
}

static void json_duplicate_key_is_refused_with_its_place(void **state)
{
	assert_refused("{\"a\":1,\n  \"a\":2}",
		       "x.json:2:5: not valid JSON: duplicate object key near '\"a\"'; "
		       "keep one of the two members\n");
}

static void json_trailing_text_is_refused(void **state)
{
	assert_refused("[1] x", "x.json:1:5: not valid JSON: end of file expected near 'x'; "
				"remove what follows the first value\n");
}

static void json_bad_utf8_is_refused(void **state)
{
	assert_refused("[\"a\xff\"]", "x.json:1:3: not valid JSON: unable to decode byte 0xff near "
				      "'\"a'; write the text in UTF-8\n");
}

static void json_integer_past_64_bits_is_refused(void **state)
{
	assert_refused(
		"9223372036854775808",
		"x.json:1:19: not valid JSON: too big integer near '9223372036854775808'; "
		"write a number that fits: an integer of 64 bits with sign, or up to 1e308\n");
}

static void json_nul_character_is_refused(void **state)
{
	assert_refused("\"\\u0000\"", "x.json:1:8: not valid JSON: the character U+0000 is not "
				      "taken; remove it\n");
}

static void json_text_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"[1,]",
		"{'a':1}",
		"01",
		"+1",
		"NaN",
		"1e999",
		"tru",
		"\"a\nb\"",
		"{\"a\"}",
		"[1 2]",
		".5",
		"// x\n1",
		"\"\\x\"",
		"[\"\xed\xa0\x80\"]",
		"{\"a\":1,}",
		"nul",
		"\"abc",
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bad); i++) {
		struct weir_json *json = NULL;
		int r = weir_json_parse(bad[i], strlen(bad[i]), NULL, NULL, &json);
		weir_json_free(json);
		if (r != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void json_empty_buffer_is_refused_not_a_crash(void **state)
{
	struct weir_json *json = NULL;
	assert_int_equal(weir_json_parse(NULL, 0, NULL, NULL, &json), -EINVAL);
}

static void json_text_of_brackets_only_is_refused(void **state)
{
	size_t len = 1 << 20;
	_cleanup_free_ char *text = malloc(len);
	memset(text, '[', len);
	struct weir_json *json = NULL;
	assert_int_equal(weir_json_parse(text, len, NULL, NULL, &json), -EINVAL);
}

static void out_commas_and_colons_come_by_themselves(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "s", "x");
	weir_json_open_array(&json, "a");
	weir_json_put_uint(&json, NULL, 1);
	weir_json_open_object(&json, NULL);
	weir_json_close_object(&json);
	weir_json_put_bool(&json, NULL, true);
	weir_json_put_bool(&json, NULL, false);
	weir_json_close_array(&json);
	weir_json_put_null(&json, "n");
	weir_json_put_raw(&json, "r", "[2]");
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&text),
			    "{\"s\":\"x\",\"a\":[1,{},true,false],\"n\":null,\"r\":[2]}");
}

static void out_numbers_are_whole_at_their_ends(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_array(&json, NULL);
	weir_json_put_uint(&json, NULL, 0);
	weir_json_put_uint(&json, NULL, UINT64_MAX);
	weir_json_put_int(&json, NULL, -5);
	weir_json_put_int(&json, NULL, INT64_MIN);
	weir_json_put_int(&json, NULL, INT64_MAX);
	weir_json_close_array(&json);
	assert_string_equal(weir_buf_str(&text), "[0,18446744073709551615,-5,-9223372036854775808,"
						 "9223372036854775807]");
}

static void out_reals_are_short_and_exact(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_array(&json, NULL);
	weir_json_put_real(&json, NULL, 0.1);
	weir_json_put_real(&json, NULL, 1.0 / 3);
	weir_json_put_real(&json, NULL, 1e300);
	weir_json_put_real(&json, NULL, (double)NAN);
	weir_json_put_real(&json, NULL, -(double)INFINITY);
	weir_json_close_array(&json);
	assert_string_equal(weir_buf_str(&text), "[0.1,0.3333333333333333,1e+300,null,null]");
}

static void assert_written(const char *value, const char *expected)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_put_str(&json, NULL, value);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void out_strings_are_escaped(void **state)
{
	assert_written("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f",
		       "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_written("", "\"\"");
	assert_written(NULL, "null");
}

static void out_utf8_is_kept(void **state)
{
	assert_written("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf",
		       "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf\"");
}

static void out_what_is_not_utf8_is_replaced(void **state)
{
#define REPLACED "\xef\xbf\xbd"
	assert_written("a\xff"
		       "b",
		       "\"a" REPLACED "b\"");
	assert_written("\xc3", "\"" REPLACED "\"");
	assert_written("\xe2\x82", "\"" REPLACED REPLACED "\"");
	assert_written("\xc0\xaf", "\"" REPLACED REPLACED "\"");
	assert_written("\xe0\x80\xaf", "\"" REPLACED REPLACED REPLACED "\"");
	assert_written("\xed\xa0\x80", "\"" REPLACED REPLACED REPLACED "\"");
	assert_written("\xf4\x90\x80\x80", "\"" REPLACED REPLACED REPLACED REPLACED "\"");
	assert_written("\xf5\x80\x80\x80", "\"" REPLACED REPLACED REPLACED REPLACED "\"");
	assert_written("\xc3\"", "\"" REPLACED "\\\"\"");
#undef REPLACED
}

/* Whatever bytes come, the reader takes what the writer wrote. */
static void out_any_bytes_read_back_as_json(void **state)
{
	uint32_t seed = 1;
	for (int i = 0; i < 20000; i++) {
		char value[17];
		for (size_t j = 0; j < sizeof(value) - 1; j++) {
			seed = seed * 1664525 + 1013904223;
			value[j] = (char)(seed >> 24);
		}
		value[16] = '\0';
		_cleanup_buf_ struct weir_buf text = { 0 };
		struct weir_json_out out = { .out = &text };
		weir_json_open_object(&out, NULL);
		weir_json_put_str(&out, value, value);
		weir_json_close_object(&out);
		_cleanup_json_ struct weir_json *json = parse(weir_buf_str(&text));
		assert_int_equal(weir_json_size(json), 1);
	}
}

static void out_a_time_is_text_in_utc(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_time(&json, "at", 1935405000999999999);
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&text), "{\"at\":\"2031-05-01T12:30:00Z\"}");
}

static void out_diag_has_every_part(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_warning(&diag, NULL, "odd");
	weir_diag_key(&diag, "a.b", "write c", "bad");
	weir_diag_last(&diag)->file = strdup("f");
	weir_diag_last(&diag)->line = 3;
	weir_diag_last(&diag)->column = 4;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_diag(&json, NULL, &diag);
	weir_json_close_object(&json);
	assert_string_equal(
		weir_buf_str(&text),
		"{\"error\":\"bad\",\"problems\":[{\"level\":\"warning\",\"file\":null,"
		"\"line\":null,\"column\":null,\"key\":null,\"what\":\"odd\",\"mend\":null},"
		"{\"level\":\"error\",\"file\":\"f\",\"line\":3,\"column\":4,\"key\":\"a.b\","
		"\"what\":\"bad\",\"mend\":\"write c\"}],\"problems_left_out\":0}");
}

static void out_diag_under_a_key_is_an_object(void **state)
{
	struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_diag(&json, "d", &diag);
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&text),
			    "{\"d\":{\"error\":null,\"problems\":[],\"problems_left_out\":0}}");
}

static void value_is_added_as_it_was_read(void **state)
{
	static const char text[] = "{\"b\":[1,-2.5,\"x\\\"\"],\"a\":{\"c\":null,\"d\":true}}";
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };

	assert_int_equal(weir_json_parse(text, strlen(text), NULL, NULL, &json), 0);
	assert_int_equal(weir_json_add(json, &out), 0);
	assert_string_equal(weir_buf_str(&out), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_is_added_as_it_was_read),
		cmocka_unit_test(json_each_type_is_told),
		cmocka_unit_test(json_members_are_found_by_key),
		cmocka_unit_test(json_absent_or_other_type_gives_the_fallback),
		cmocka_unit_test(json_each_goes_in_the_order_of_the_text_until_stopped),
		cmocka_unit_test(json_duplicate_key_is_refused_with_its_place),
		cmocka_unit_test(json_trailing_text_is_refused),
		cmocka_unit_test(json_bad_utf8_is_refused),
		cmocka_unit_test(json_integer_past_64_bits_is_refused),
		cmocka_unit_test(json_nul_character_is_refused),
		cmocka_unit_test(json_text_that_is_none_is_refused),
		cmocka_unit_test(json_empty_buffer_is_refused_not_a_crash),
		cmocka_unit_test(json_text_of_brackets_only_is_refused),
		cmocka_unit_test(out_commas_and_colons_come_by_themselves),
		cmocka_unit_test(out_numbers_are_whole_at_their_ends),
		cmocka_unit_test(out_reals_are_short_and_exact),
		cmocka_unit_test(out_strings_are_escaped),
		cmocka_unit_test(out_utf8_is_kept),
		cmocka_unit_test(out_what_is_not_utf8_is_replaced),
		cmocka_unit_test(out_any_bytes_read_back_as_json),
		cmocka_unit_test(out_a_time_is_text_in_utc),
		cmocka_unit_test(out_diag_has_every_part),
		cmocka_unit_test(out_diag_under_a_key_is_an_object),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
