/* SPDX-License-Identifier: Apache-2.0 */
/* Answers written by hand, whole and byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/health_http.h"

#define OK "HTTP/1.1 200 OK\r\n"

static const struct health_http_wanted any = { .status = "200-399" };
static const struct health_http_wanted fine = { .status = "200", .body = "fine" };

static char reason[HEALTH_REASON_TEXT];

/* A copy of exactly that size: what is read behind it, a sanitizer sees. */
static enum health_result judge(const struct health_http_wanted *wanted, const char *text,
				size_t len, bool is_end)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	enum health_result result = health_http_judge(wanted, copy, len, is_end, reason);

	free(copy);
	return result;
}

/* What comes of it in the end; nothing but waiting before `known` bytes are there. */
static enum health_result judge_slowly(const struct health_http_wanted *wanted, const char *text,
				       size_t known)
{
	for (size_t len = 0; len < known; len++)
		assert_int_equal(judge(wanted, text, len, false), HEALTH_PENDING);
	return judge(wanted, text, strlen(text), true);
}

static void status_within_is_good_as_soon_as_it_is_there(void **state)
{
	(void)state;
	assert_int_equal(judge_slowly(&any, "HTTP/1.1 204 No Content\r\n\r\n", 12), HEALTH_OK);
	assert_string_equal(reason, "status 204");
	assert_int_equal(judge_slowly(&any, "HTTP/1.0 399\r\n\r\n", 12), HEALTH_OK);
}

static void status_without_is_told_beside_what_was_wanted(void **state)
{
	(void)state;
	assert_int_equal(judge_slowly(&any, "HTTP/1.1 503 Busy\r\n\r\n", 12), HEALTH_FAILED);
	assert_string_equal(reason, "status 503, wanted 200-399");
}

static void what_is_not_http_is_refused_by_its_first_bytes(void **state)
{
	(void)state;
	assert_int_equal(judge(&any, "SSH-2.0-x", 9, false), HEALTH_FAILED);
	assert_string_equal(reason, "the answer is not HTTP");
	assert_int_equal(judge(&any, "HTTP/1.1 20x OK\r\n", 17, false), HEALTH_FAILED);
	assert_int_equal(judge(&any, "HTTP/1.1_200 OK\r\n", 17, false), HEALTH_FAILED);
	assert_int_equal(judge(&any, "HTTP/1.1 099 OK\r\n", 17, false), HEALTH_FAILED);
	assert_int_equal(judge(&any, "HTTP/2", 6, false), HEALTH_FAILED);
}

static void answer_that_ends_too_early_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(judge(&any, "", 0, true), HEALTH_FAILED);
	assert_string_equal(reason, "ended before its answer did");
	assert_int_equal(judge(&any, "HTTP/1.1 2", 10, true), HEALTH_FAILED);
	assert_int_equal(judge(&fine, OK, strlen(OK), true), HEALTH_FAILED);
}

static void body_with_the_text_is_good_wherever_it_is_cut(void **state)
{
	const char *text = OK "Server: x\r\n\r\nall is fine here";

	(void)state;
	assert_int_equal(judge_slowly(&fine, text, strlen(text) - strlen(" here")), HEALTH_OK);
	assert_int_equal(judge_slowly(&fine, "HTTP/1.0 200 OK\n\nfine", 20), HEALTH_OK);
}

static void body_without_the_text_fails_when_all_of_it_is_there(void **state)
{
	const char *text = OK "Content-Length: 3\r\n\r\nfin";

	(void)state;
	assert_int_equal(judge(&fine, text, strlen(text) - 1, false), HEALTH_PENDING);
	assert_int_equal(judge(&fine, text, strlen(text), false), HEALTH_FAILED);
	assert_string_equal(reason, "body without 'fine'");
	text = OK "X-Is: fine\r\n\r\nno";
	assert_int_equal(judge(&fine, text, strlen(text), true), HEALTH_FAILED);
}

static void body_in_pieces_is_read_as_one(void **state)
{
	const char *text = OK "transfer-encoding: chunked\r\n\r\n"
			      "3;x=y\r\nzfi\r\n2\r\nne\r\n0\r\n\r\n";
	const char *not = OK "Transfer-Encoding: Chunked\r\n\r\n2\r\nfi\r\n0\r\n\r\nne";

	(void)state;
	assert_int_equal(judge_slowly(&fine, text, strlen(text) - strlen("\r\n0\r\n\r\n")),
			 HEALTH_OK);
	assert_int_equal(judge(&fine, not, strlen(not ), false), HEALTH_FAILED);
	not = OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nfi";
	assert_int_equal(judge(&fine, not, strlen(not ), false), HEALTH_PENDING);
	assert_int_equal(judge(&fine, not, strlen(not ), true), HEALTH_FAILED);
}

static void answer_behind_one_by_the_way_is_what_counts(void **state)
{
	(void)state;
	assert_int_equal(judge_slowly(&any,
				      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
				      "HTTP/1.1 500 No\r\n\r\n",
				      37 + 12),
			 HEALTH_FAILED);
	assert_string_equal(reason, "status 500, wanted 200-399");
}

static void answer_without_end_is_given_up(void **state)
{
	static char bytes[HEALTH_HTTP_BYTES];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, OK, strlen(OK));
	assert_int_equal(judge(&fine, bytes, sizeof(bytes) - 1, false), HEALTH_PENDING);
	assert_int_equal(judge(&fine, bytes, sizeof(bytes), false), HEALTH_FAILED);
	assert_string_equal(reason, "a head without end");
	memcpy(bytes + strlen(OK), "\r\n", 2);
	assert_int_equal(judge(&fine, bytes, sizeof(bytes), false), HEALTH_FAILED);
	assert_string_equal(reason, "body without 'fine'");
}

static void status_list_has_numbers_and_ranges(void **state)
{
	(void)state;
	assert_int_equal(health_status_has("200", 200), 1);
	assert_int_equal(health_status_has("200", 201), 0);
	assert_int_equal(health_status_has("200-299, 404", 404), 1);
	assert_int_equal(health_status_has("200 - 299 ,404", 299), 1);
	assert_int_equal(health_status_has("200-299,404", 300), 0);
	static const char *const wrong[] = { "",	"2xx",	"99",	"600",	"200,",
					     "300-200", "200-", ",200", "200;", "200 201" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(health_status_has(wrong[i], 200), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_within_is_good_as_soon_as_it_is_there),
		cmocka_unit_test(status_without_is_told_beside_what_was_wanted),
		cmocka_unit_test(what_is_not_http_is_refused_by_its_first_bytes),
		cmocka_unit_test(answer_that_ends_too_early_is_a_failure),
		cmocka_unit_test(body_with_the_text_is_good_wherever_it_is_cut),
		cmocka_unit_test(body_without_the_text_fails_when_all_of_it_is_there),
		cmocka_unit_test(body_in_pieces_is_read_as_one),
		cmocka_unit_test(answer_behind_one_by_the_way_is_what_counts),
		cmocka_unit_test(answer_without_end_is_given_up),
		cmocka_unit_test(status_list_has_numbers_and_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
