/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP answers, whole, in single bytes, and broken. */
#include "cli/answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct got {
	struct weir_answer_reader reader;
	struct weir_buf body;
	int result;
};

static int body_collect(void *arg, unsigned status, const char *bytes, size_t len)
{
	return weir_buf_add(arg, bytes, len);
}

static void got_done(struct got *got)
{
	weir_answer_reader_done(&got->reader);
	weir_buf_done(&got->body);
}

#define _cleanup_got_ __attribute__((cleanup(got_done)))

static void feed(struct got *got, const char *text, size_t at_once)
{
	size_t len = strlen(text);

	memset(got, 0, sizeof(*got));
	got->reader.body = body_collect;
	got->reader.arg = &got->body;
	for (size_t at = 0; at < len && got->result == 0; at += at_once)
		got->result = weir_answer_reader_feed(&got->reader, text + at,
						      len - at < at_once ? len - at : at_once);
}

static void assert_body(const char *text, unsigned status, const char *body)
{
	for (size_t at_once = 1; at_once <= strlen(text); at_once++) {
		_cleanup_got_ struct got got;

		feed(&got, text, at_once);
		assert_int_equal(got.result, 0);
		assert_int_equal(got.reader.status, status);
		assert_string_equal(weir_buf_str(&got.body), body);
		assert_int_equal(weir_answer_reader_end(&got.reader), 0);
	}
}

static void assert_broken(const char *text)
{
	for (size_t at_once = 1; at_once <= strlen(text); at_once++) {
		_cleanup_got_ struct got got;

		feed(&got, text, at_once);
		assert_int_equal(got.result, -EPROTO);
	}
}

static void assert_cut_short(const char *text)
{
	_cleanup_got_ struct got got;

	feed(&got, text, strlen(text));
	assert_int_equal(got.result, 0);
	assert_int_equal(weir_answer_reader_end(&got.reader), -EPROTO);
}

static void length_says_where_the_body_ends(void **state)
{
	assert_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloGARBAGE", 200, "hello");
}

static void header_names_have_no_case(void **state)
{
	assert_body("HTTP/1.1 409 Conflict\r\ncontent-LENGTH:2\r\nX: y\r\n\r\n{}", 409, "{}");
}

static void empty_body_is_done_at_once(void **state)
{
	assert_body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "");
	assert_body("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
}

static void chunks_are_put_together(void **state)
{
	assert_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
		    200, "abc0123456789");
}

static void continue_comes_before_the_answer(void **state)
{
	assert_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		    200, "x");
}

static void body_without_length_ends_with_the_connection(void **state)
{
	assert_body("HTTP/1.0 200 OK\r\n\r\nall of it", 200, "all of it");
}

static void bare_newlines_are_taken(void **state)
{
	assert_body("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok");
}

static void cut_off_body_is_noticed(void **state)
{
	assert_cut_short("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
	assert_cut_short("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
}

static void cut_off_head_is_noticed(void **state)
{
	assert_cut_short("HTTP/1.1 200 OK\r\nContent-Le");
}

static void what_is_not_http_is_refused(void **state)
{
	assert_broken("SSH-2.0-OpenSSH_9\r\n\r\n");
	assert_broken("HTTP/1.1 abc\r\n\r\n");
	assert_broken("HTTP/1.1 99 Low\r\n\r\n");
	assert_broken("\r\n\r\n");
}

static void bad_lengths_are_refused(void **state)
{
	assert_broken("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n");
	assert_broken("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n");
	assert_broken("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n");
	assert_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
	assert_broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n");
}

static void endless_head_is_refused(void **state)
{
	_cleanup_got_ struct got got;
	char line[1024];

	feed(&got, "HTTP/1.1 200 OK\r\n", 4);
	memset(line, 'a', sizeof(line));
	for (int i = 0; i < 80 && got.result == 0; i++)
		got.result = weir_answer_reader_feed(&got.reader, line, sizeof(line));
	assert_int_equal(got.result, -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(length_says_where_the_body_ends),
		cmocka_unit_test(header_names_have_no_case),
		cmocka_unit_test(empty_body_is_done_at_once),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(continue_comes_before_the_answer),
		cmocka_unit_test(body_without_length_ends_with_the_connection),
		cmocka_unit_test(bare_newlines_are_taken),
		cmocka_unit_test(cut_off_body_is_noticed),
		cmocka_unit_test(cut_off_head_is_noticed),
		cmocka_unit_test(what_is_not_http_is_refused),
		cmocka_unit_test(bad_lengths_are_refused),
		cmocka_unit_test(endless_head_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
