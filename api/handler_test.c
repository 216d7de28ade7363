/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over real sockets to an API on a fake engine: who may ask what, how refusals read. */
#include "tests/unit/api_client.c"

#define JSON "Content-Type: application/json\r\n"
#define SITE "Host: 127.0.0.1\r\n"

static int setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

/* --- roles --- */

static void roles_open_what_they_may_and_no_more(void **state)
{
	static const struct {
		const char *line, *body;
		int by_role[4]; /* none, viewer, operator, admin */
	} rows[] = {
		{ "GET /healthz", NULL, { 200, 200, 200, 200 } },
		{ "GET /metrics", NULL, { 200, 200, 200, 200 } },
		{ "GET /api/v1/openapi.json", NULL, { 401, 200, 200, 200 } },
		{ "GET /api/v1/operations", NULL, { 401, 200, 200, 200 } },
		{ "GET /api/v1/status", NULL, { 401, 200, 200, 200 } },
		{ "GET /api/v1/test/read", NULL, { 401, 200, 200, 200 } },
		{ "POST /api/v1/test/write", "{}", { 401, 403, 200, 200 } },
		{ "POST /api/v1/test/upload", "x", { 401, 403, 200, 200 } },
		{ "POST /api/v1/test/admin", "{}", { 401, 403, 403, 200 } },
		{ "GET /api/v1/nothing", NULL, { 401, 404, 404, 404 } },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++)
		for (int role = WEIR_ROLE_NONE; role <= WEIR_ROLE_ADMIN; role++) {
			int code =
				status(f, (enum weir_role)role, rows[i].line, JSON, rows[i].body);
			if (code != rows[i].by_role[role])
				fail_msg("%s as %s: %d", rows[i].line,
					 weir_role_name((enum weir_role)role), code);
		}
}

static void wrong_token_is_refused_and_told_how(void **state)
{
	struct fixture *f = *state;
	char *answer = ask(f, WEIR_ROLE_NONE, "GET /api/v1/status",
			   "Authorization: Bearer 0123\r\n", NULL);
	assert_int_equal(status_of(answer), 401);
	assert_has(answer, "\r\nWWW-Authenticate: Bearer\r\n");
	assert_has(answer, "this token is not known");
	assert_null(strstr(answer, "0123"));
	free(answer);
}

static void token_in_query_is_not_taken(void **state)
{
	struct fixture *f = *state;
	char line[128];
	snprintf(line, sizeof(line), "GET /api/v1/status?token=%s", f->tokens[WEIR_ROLE_ADMIN]);
	assert_int_equal(status(f, WEIR_ROLE_NONE, line, NULL, NULL), 401);
}

static void unix_socket_of_own_user_is_admin(void **state)
{
	static const char request[] = "GET /api/v1/status HTTP/1.1\r\nHost: weir\r\n\r\n";
	struct fixture *f = *state;
	char *answer = ask_on(f, connect_unix(f), request, sizeof(request) - 1);
	assert_int_equal(status_of(answer), 200);
	assert_has(answer, "\"role\":\"admin\"");
	free(answer);
}

/* --- other sites --- */

static void foreign_host_is_misdirected(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: evil.example:80\r\n\r\n";
	struct fixture *f = *state;
	char *answer = ask_on(f, connect_tcp(f), request, sizeof(request) - 1);
	assert_int_equal(status_of(answer), 421);
	free(answer);
}

static void origin_of_another_site_is_refused(void **state)
{
	struct fixture *f = *state;
	char own[64];
	snprintf(own, sizeof(own), "Origin: http://127.0.0.1:%d\r\n", f->port);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /healthz",
				"Origin: http://evil.example\r\n", NULL),
			 403);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /healthz", "Origin: null\r\n", NULL), 403);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /healthz", own, NULL), 200);
}

/* --- routes and methods --- */

static void unknown_path_names_the_nearest(void **state)
{
	struct fixture *f = *state;
	char *answer = ask(f, WEIR_ROLE_VIEWER, "GET /api/v1/test/raed", NULL, NULL);
	assert_int_equal(status_of(answer), 404);
	assert_has(answer, "did you mean /api/v1/test/read?");
	free(answer);
}

static void dotted_path_is_no_second_name(void **state)
{
	assert_int_equal(status(*state, WEIR_ROLE_VIEWER, "GET /api/v1/test.read", NULL, NULL),
			 404);
}

static void wrong_method_names_the_right_ones(void **state)
{
	static const char *const lines[] = { "GET /api/v1/test/write", "PUT /api/v1/test/write",
					     "DELETE /api/v1/test/write",
					     "PATCH /api/v1/test/write" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(lines); i++) {
		char *answer = ask(*state, WEIR_ROLE_ADMIN, lines[i], NULL, NULL);
		assert_int_equal(status_of(answer), 405);
		assert_has(answer, "\r\nAllow: POST, OPTIONS\r\n");
		free(answer);
	}
	assert_int_equal(status(*state, WEIR_ROLE_ADMIN, "POST /api/v1/test/read", JSON, "{}"),
			 405);
}

static void options_lists_methods(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_VIEWER, "OPTIONS /api/v1/test/read", NULL, NULL);
	assert_int_equal(status_of(answer), 204);
	assert_has(answer, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
	free(answer);
}

static void every_answer_has_the_guarding_headers(void **state)
{
	static const char *const lines[] = { "GET /healthz", "GET /metrics",
					     "GET /api/v1/test/read", "GET /api/v1/nothing",
					     "PUT /healthz" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(lines); i++) {
		char *answer = ask(*state, WEIR_ROLE_VIEWER, lines[i], NULL, NULL);
		assert_has(answer, "\r\nETag: \"7\"\r\n");
		assert_has(answer, "\r\nCache-Control: no-store\r\n");
		assert_has(answer, "\r\nX-Content-Type-Options: nosniff\r\n");
		free(answer);
	}
}

/* --- arguments --- */

static void query_becomes_typed_arguments(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_VIEWER,
			   "GET /api/v1/test/read?number=5&flag&entry=192.0.2.0%2F24&colour=red",
			   NULL, NULL);
	assert_has(answer, "\"args\":{\"number\":5,\"flag\":true,\"entry\":\"192.0.2.0/"
			   "24\",\"colour\":\"red\"}");
	free(answer);
}

static void faulty_queries_are_refused(void **state)
{
	static const char *const lines[] = {
		"GET /api/v1/test/read?unknown=1",   "GET /api/v1/test/read?number=1&number=2",
		"GET /api/v1/test/read?entry=a%00b", "GET /api/v1/test/read?=1",
		"POST /api/v1/test/write?number=1",
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(lines); i++)
		if (status(*state, WEIR_ROLE_ADMIN, lines[i], NULL, NULL) != 400)
			fail_msg("%s was taken", lines[i]);
}

static void body_becomes_arguments(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write", JSON,
			   "{\"number\": 5, \"flag\": false}");
	assert_int_equal(status_of(answer), 200);
	assert_has(answer, "\"args\":{\"number\":5,\"flag\":false}");
	assert_has(answer, "\"who\":\"token operator\"");
	free(answer);
}

static void no_body_is_no_arguments(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write", NULL, NULL);
	assert_int_equal(status_of(answer), 200);
	assert_has(answer, "\"args\":{}");
	free(answer);
}

static void bad_json_is_refused_with_its_place(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write", JSON,
			   "{\"number\":\n  oops}");
	assert_int_equal(status_of(answer), 400);
	assert_has(answer, "\"line\":2,");
	free(answer);
}

static void strict_json_only(void **state)
{
	static const char *const bodies[] = { "[]",
					      "7",
					      "\"x\"",
					      "{} {}",
					      "{\"number\":1,\"number\":2}",
					      "{\"a\":}",
					      "{\"number\":1",
					      "{'number':1}",
					      "\xff\xfe",
					      "nul" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bodies); i++)
		if (status(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write", JSON,
			   bodies[i]) != 400)
			fail_msg("%s was taken", bodies[i]);
}

static void body_of_another_type_is_refused(void **state)
{
	static const char *const types[] = {
		"", "Content-Type: text/plain\r\n", "Content-Type: application/jsonp\r\n",
		"Content-Type: application/x-www-form-urlencoded\r\n"
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(types); i++)
		assert_int_equal(status(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write",
					types[i], "{}"),
				 415);
	assert_int_equal(status(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write",
				"Content-Type: Application/JSON; charset=utf-8\r\n", "{}"),
			 200);
}

static void get_with_body_is_refused(void **state)
{
	assert_int_equal(status(*state, WEIR_ROLE_VIEWER, "GET /api/v1/test/read", JSON, "{}"),
			 400);
}

static void upload_is_passed_whole(void **state)
{
	size_t len = 300000;
	char *body = malloc(len + 1);
	memset(body, 'x', len);
	body[len] = '\0';
	char *answer =
		ask(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/upload?number=3", NULL, body);
	assert_int_equal(status_of(answer), 200);
	assert_has(answer, "\"body\":300000,\"args\":{\"number\":3}");
	free(answer);
	free(body);
}

/* --- sizes --- */

static char *spaces(size_t len)
{
	char *text = malloc(len + 1);
	memset(text, ' ', len);
	text[len] = '\0';
	return text;
}

static void body_at_the_bound_is_taken_and_past_it_not(void **state)
{
	char *body = spaces(4097);
	memcpy(body, "{}", 2);
	char *answer = ask(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write", JSON, body);
	assert_int_equal(status_of(answer), 413);
	assert_has(answer, "larger than the 4096 bytes");
	assert_has(answer, "api.request-size");
	free(answer);
	body[4096] = '\0';
	assert_int_equal(status(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write", JSON, body),
			 200);
	free(body);
}

static void client_that_asks_first_is_told_before_it_sends(void **state)
{
	struct fixture *f = *state;
	char request[512];
	int len = snprintf(request, sizeof(request),
			   "POST /api/v1/test/write HTTP/1.1\r\n" SITE JSON
			   "Authorization: Bearer %s\r\n"
			   "Content-Length: 900000000\r\nExpect: 100-continue\r\n\r\n",
			   f->tokens[WEIR_ROLE_ADMIN]);
	char *answer = ask_on(f, connect_tcp(f), request, (size_t)len);
	assert_int_equal(status_of(answer), 413);
	free(answer);
}

static char *ask_chunked(struct fixture *f, const char *path, size_t chunks)
{
	struct weir_buf text = { 0 };
	char *chunk = spaces(1024);
	weir_buf_addf(&text,
		      "POST %s HTTP/1.1\r\n" SITE JSON "Authorization: Bearer %s\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		      path, f->tokens[WEIR_ROLE_ADMIN]);
	for (size_t i = 0; i < chunks; i++)
		weir_buf_addf(&text, "400\r\n%s\r\n", chunk);
	weir_buf_add_str(&text, "0\r\n\r\n");
	char *answer = ask_on(f, connect_tcp(f), text.data, text.len);
	weir_buf_done(&text);
	free(chunk);
	return answer;
}

static void chunked_body_counts_as_it_comes(void **state)
{
	char *answer = ask_chunked(*state, "/api/v1/test/write", 3);
	assert_int_equal(status_of(answer), 200);
	free(answer);
	answer = ask_chunked(*state, "/api/v1/test/write", 4);
	assert_int_equal(status_of(answer), 413);
	free(answer);
}

/* The fake's uploads go up to 1 MiB; 64 MiB are spare. */
static void uploads_past_the_memory_for_them_wait_outside(void **state)
{
	struct fixture *f = *state;
	char request[256];
	int fds[65];
	int len = snprintf(request, sizeof(request),
			   "POST /api/v1/test/upload HTTP/1.1\r\n" SITE
			   "Authorization: Bearer %s\r\nContent-Length: 1048576\r\n\r\n",
			   f->tokens[WEIR_ROLE_OPERATOR]);
	for (int i = 0; i < 65; i++) {
		fds[i] = connect_unix(f);
		send_all(f, fds[i], request, (size_t)len);
	}
	for (int i = 0; i < 50; i++)
		fake_loop_turn(f->loop, 1);
	assert_int_equal(status(f, WEIR_ROLE_OPERATOR, "POST /api/v1/test/upload", NULL, "x"), 503);
	close(fds[0]);
	for (int i = 0; i < 50; i++)
		fake_loop_turn(f->loop, 1);
	assert_int_equal(status(f, WEIR_ROLE_OPERATOR, "POST /api/v1/test/upload", NULL, "x"), 200);
	for (int i = 1; i < 65; i++)
		close(fds[i]);
}

static void huge_head_is_refused(void **state)
{
	struct weir_buf header = { 0 };
	char *filler = spaces(60000);
	memset(filler, 'a', 60000);
	weir_buf_addf(&header, "X-Filler: %s\r\n", filler);
	int code = status(*state, WEIR_ROLE_VIEWER, "GET /healthz", weir_buf_str(&header), NULL);
	assert_true(code == 413 || code == 431);
	weir_buf_done(&header);
	free(filler);
}

/* --- revisions --- */

static void if_match_of_live_revision_passes_and_stale_does_not(void **state)
{
	static const char *const right[] = { "If-Match: \"7\"\r\n" JSON, "If-Match: 8\r\n" JSON };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(right); i++)
		assert_int_equal(status(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write",
					right[i], "{}"),
				 200);
	char *answer = ask(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write",
			   "If-Match: \"7\"\r\n" JSON, "{}");
	assert_int_equal(status_of(answer), 409);
	assert_has(answer, "\"revision\":9");
	free(answer);
}

static void if_match_that_is_no_revision_is_refused(void **state)
{
	static const char *const wrong[] = { "If-Match: *\r\n" JSON,
					     "If-Match: W/\"7\"\r\n" JSON,
					     "If-Match: \"7\", \"8\"\r\n" JSON,
					     "If-Match: -7\r\n" JSON,
					     "If-Match: \"\"\r\n" JSON,
					     "If-Match: 99999999999999999999\r\n" JSON };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(wrong); i++)
		assert_int_equal(status(*state, WEIR_ROLE_OPERATOR, "POST /api/v1/test/write",
					wrong[i], "{}"),
				 400);
}

/* --- answers --- */

static void failures_become_their_status(void **state)
{
	static const struct {
		int error, code;
	} rows[] = {
		{ EINVAL, 400 }, { EACCES, 403 }, { ENOENT, 404 }, { EBUSY, 503 }, { EIO, 500 }
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		char line[64];
		snprintf(line, sizeof(line), "GET /api/v1/test/fail?error=%d", rows[i].error);
		char *answer = ask(*state, WEIR_ROLE_VIEWER, line, NULL, NULL);
		assert_int_equal(status_of(answer), rows[i].code);
		assert_has(answer, "{\"error\":\"test.fail: ");
		free(answer);
	}
}

static void late_answer_comes(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_VIEWER, "GET /api/v1/test/late", NULL, NULL);
	assert_int_equal(status_of(answer), 200);
	assert_has(answer, "\"who\":\"token viewer\"");
	free(answer);
}

static void client_gone_before_the_late_answer_harms_nothing(void **state)
{
	struct fixture *f = *state;
	char request[256];
	int len = snprintf(request, sizeof(request),
			   "GET /api/v1/test/late HTTP/1.1\r\n" SITE
			   "Authorization: Bearer %s\r\n\r\n",
			   f->tokens[WEIR_ROLE_VIEWER]);
	int fd = connect_tcp(f);
	send_all(f, fd, request, (size_t)len);
	for (int i = 0; i < 1000 && !f->engine->late; i++)
		fake_loop_turn(f->loop, 1);
	assert_non_null(f->engine->late);
	close(fd);
	while (f->engine->late)
		fake_loop_turn(f->loop, 10);
	assert_int_equal(status(f, WEIR_ROLE_VIEWER, "GET /api/v1/status", NULL, NULL), 200);
}

static void head_has_the_length_and_no_body(void **state)
{
	static const char request[] = "HEAD /healthz HTTP/1.1\r\n" SITE "Connection: close\r\n\r\n";
	struct fixture *f = *state;
	struct weir_buf text = { 0 };
	int fd = connect_tcp(f);
	send_all(f, fd, request, sizeof(request) - 1);
	receive(f, fd, "nothing like this comes", &text); /* until it closes */
	close(fd);
	assert_has(weir_buf_str(&text), "\r\nContent-Length: 29\r\n");
	assert_string_equal(strstr(weir_buf_str(&text), "\r\n\r\n"), "\r\n\r\n");
	weir_buf_done(&text);
}

static void metrics_are_in_exposition_format(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_NONE, "GET /metrics", NULL, NULL);
	assert_has(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	assert_has(answer,
		   "\r\n\r\n# HELP weir_packets_total Packets\\\\seen,\\nby end.\n"
		   "# TYPE weir_packets_total counter\nweir_packets_total 7\n"
		   "# HELP weir_list_entries Entries of a list.\n# TYPE weir_list_entries gauge\n"
		   "weir_list_entries{list=\"a\"} 0.001912088\nweir_list_entries{list=\"b\\\"\"} "
		   "2\n# HELP ");
	assert_has(answer, "\nweir_revision 7\n");
	free(answer);
}

static void openapi_is_json_with_every_route(void **state)
{
	char *answer = ask(*state, WEIR_ROLE_VIEWER, "GET /api/v1/openapi.json", NULL, NULL);
	struct weir_json *json = NULL;
	const char *body = strstr(answer, "\r\n\r\n") + 4;
	assert_int_equal(weir_json_parse(body, strlen(body), NULL, NULL, &json), 0);
	assert_string_equal(weir_json_str(weir_json_get(json, "openapi"), ""), "3.1.0");
	const struct weir_json *paths = weir_json_get(json, "paths");
	assert_int_equal(weir_json_size(paths), 8 + 3);
	const struct weir_json *write =
		weir_json_get(weir_json_get(paths, "/api/v1/test/write"), "post");
	assert_string_equal(weir_json_str(weir_json_get(write, "operationId"), ""), "test.write");
	assert_non_null(weir_json_get(weir_json_get(write, "responses"), "409"));
	weir_json_free(json);
	free(answer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(roles_open_what_they_may_and_no_more),
		CASE(wrong_token_is_refused_and_told_how),
		CASE(token_in_query_is_not_taken),
		CASE(unix_socket_of_own_user_is_admin),
		CASE(foreign_host_is_misdirected),
		CASE(origin_of_another_site_is_refused),
		CASE(unknown_path_names_the_nearest),
		CASE(dotted_path_is_no_second_name),
		CASE(wrong_method_names_the_right_ones),
		CASE(options_lists_methods),
		CASE(every_answer_has_the_guarding_headers),
		CASE(query_becomes_typed_arguments),
		CASE(faulty_queries_are_refused),
		CASE(body_becomes_arguments),
		CASE(no_body_is_no_arguments),
		CASE(bad_json_is_refused_with_its_place),
		CASE(strict_json_only),
		CASE(body_of_another_type_is_refused),
		CASE(get_with_body_is_refused),
		CASE(upload_is_passed_whole),
		CASE(body_at_the_bound_is_taken_and_past_it_not),
		CASE(client_that_asks_first_is_told_before_it_sends),
		CASE(chunked_body_counts_as_it_comes),
		CASE(uploads_past_the_memory_for_them_wait_outside),
		CASE(huge_head_is_refused),
		CASE(if_match_of_live_revision_passes_and_stale_does_not),
		CASE(if_match_that_is_no_revision_is_refused),
		CASE(failures_become_their_status),
		CASE(late_answer_comes),
		CASE(client_gone_before_the_late_answer_harms_nothing),
		CASE(head_has_the_length_and_no_body),
		CASE(metrics_are_in_exposition_format),
		CASE(openapi_is_json_with_every_route),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
