/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the API: tokens made, kept, damaged and changed; doors that move while requests are
 * under way. */
#include "tests/unit/api_client.c"

#include <sys/stat.h>

static int setup(void **state)
{
	*state = fixture_prepare();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static int reconfigure(struct fixture *f)
{
	return weir_api_reconfigure(f->api, fake_engine_config(f->engine), &f->diag);
}

static void listen_set(struct fixture *f, const char *text)
{
	free(fake_engine_config(f->engine)->api.listen);
	fake_engine_config(f->engine)->api.listen = strdup(text);
}

static const char *path_of(const struct fixture *f, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fake_engine_dir(f->engine), name);
	return path;
}

/* --- tokens --- */

static void first_start_makes_a_token_for_each_role(void **state)
{
	struct fixture *f = *state;
	struct stat facts;
	char path[128];
	fixture_start(f);
	assert_int_equal(stat(path_of(f, "tokens.json", path), &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	for (int role = WEIR_ROLE_VIEWER; role <= WEIR_ROLE_ADMIN; role++) {
		assert_int_equal(strlen(f->tokens[role]), 64);
		assert_int_equal(strspn(f->tokens[role], "0123456789abcdef"), 64);
	}
	assert_string_not_equal(f->tokens[WEIR_ROLE_VIEWER], f->tokens[WEIR_ROLE_ADMIN]);
	assert_int_equal(f->diag.count, 0);
}

static void second_start_keeps_the_tokens(void **state)
{
	struct fixture *f = *state;
	fixture_start(f);
	char *before = file_text(f, "tokens.json");
	weir_api_free(weir_take(f->api));
	fixture_start(f);
	char *after = file_text(f, "tokens.json");
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void damaged_tokens_are_kept_aside_and_made_anew(void **state)
{
	static const char *const damaged[] = {
		"{\"tokens\":[",
		"[]",
		"{\"tokens\":{}}",
		"",
		"{\"tokens\":[{\"name\":\"a\",\"role\":\"king\",\"token\":"
		"\"0123456789012345678901234567890123\"}]}",
		"{\"tokens\":[{\"name\":\"a\",\"role\":\"admin\",\"token\":\"short\"}]}",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(damaged); i++) {
		char name[64];
		file_write(f, "tokens.json", damaged[i]);
		fixture_start(f);
		assert_int_equal(f->diag.errors, 0);
		assert_int_equal(f->diag.count, 1);
		assert_null(strstr(f->diag.entries[0].what, "short\""));
		snprintf(name, sizeof(name), "tokens.json.damaged-%zu", i + 1);
		char *kept = file_text(f, name);
		assert_string_equal(kept ? kept : "", damaged[i]);
		free(kept);
		assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /api/v1/status", NULL, NULL), 200);
		weir_api_free(weir_take(f->api));
		weir_diag_done(&f->diag);
		f->diag = (struct weir_diag){ 0 };
	}
}

static void tokens_others_can_read_are_warned_of(void **state)
{
	struct fixture *f = *state;
	char path[128];
	fixture_start(f);
	weir_api_free(weir_take(f->api));
	assert_int_equal(chmod(path_of(f, "tokens.json", path), 0644), 0);
	fixture_start(f);
	assert_int_equal(f->diag.errors, 0);
	assert_int_equal(f->diag.count, 1);
}

#define OTHER_TOKEN "00112233445566778899aabbccddeeff"

static void changed_tokens_count_after_a_reload(void **state)
{
	struct fixture *f = *state;
	fixture_start(f);
	file_write(f, "tokens.json",
		   "{\"tokens\":[{\"name\":\"ops\",\"role\":\"operator\",\"token\":\"" OTHER_TOKEN
		   "\"}]}");
	assert_int_equal(reconfigure(f), 0);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /api/v1/status", NULL, NULL), 401);
	char *answer = ask(f, WEIR_ROLE_NONE, "GET /api/v1/status",
			   "Authorization: bearer " OTHER_TOKEN "\r\n", NULL);
	assert_int_equal(status_of(answer), 200);
	assert_non_null(strstr(answer, "\"who\":\"token ops\",\"role\":\"operator\""));
	free(answer);
}

static void tokens_damaged_at_a_reload_stay_in_force(void **state)
{
	struct fixture *f = *state;
	fixture_start(f);
	file_write(f, "tokens.json", "oops");
	assert_int_equal(reconfigure(f), 0);
	assert_int_equal(f->diag.errors, 0);
	assert_int_equal(f->diag.count, 1);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /api/v1/status", NULL, NULL), 200);
}

/* --- doors --- */

static void second_api_in_the_same_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct weir_api *second = NULL;
	fixture_start(f);
	assert_int_equal(weir_api_new(f->engine, &f->diag, &second), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(f->diag.errors, 1);
	close(connect_unix(f)); /* the first one's socket is still there */
}

static void address_in_use_is_an_error(void **state)
{
	struct fixture *f = *state;
	char taken[32];
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", ntohs(address.sin_port));
	listen_set(f, taken);
	assert_int_equal(weir_api_new(f->engine, &f->diag, &f->api), -EADDRINUSE);
	assert_string_equal(f->diag.entries[0].key, "api.listen");
	close(fd);
}

static void end_removes_the_socket(void **state)
{
	struct fixture *f = *state;
	struct stat facts;
	char path[128];
	fixture_start(f);
	weir_api_free(weir_take(f->api));
	assert_int_equal(stat(path_of(f, "weir.sock", path), &facts), -1);
}

static void end_with_a_call_under_way_leaves_it_to_the_engine(void **state)
{
	static const char request[] = "GET /api/v1/test/late HTTP/1.1\r\nHost: weir\r\n\r\n";
	struct fixture *f = *state;
	fixture_start(f);
	int fd = connect_unix(f);
	send_all(f, fd, request, sizeof(request) - 1);
	for (int i = 0; i < 1000 && !f->engine->late; i++)
		fake_loop_turn(f->loop, 1);
	assert_non_null(f->engine->late);
	weir_api_free(weir_take(f->api));
	while (f->engine->late)
		fake_loop_turn(f->loop, 10);
	close(fd);
}

static void stop_answers_calls_under_way_and_takes_no_more(void **state)
{
	static const char late[] = "GET /api/v1/test/late HTTP/1.1\r\nHost: weir\r\n\r\n";
	static const char next[] = "GET /api/v1/status HTTP/1.1\r\nHost: weir\r\n\r\n";
	struct fixture *f = *state;
	struct weir_buf text = { 0 };
	fixture_start(f);
	int fd = connect_unix(f);
	send_all(f, fd, late, sizeof(late) - 1);
	for (int i = 0; i < 1000 && !f->engine->late; i++)
		fake_loop_turn(f->loop, 1);
	weir_api_stop(f->api);
	char *answer = ask_on(f, connect_unix(f), next, sizeof(next) - 1);
	assert_int_equal(status_of(answer), 503);
	assert_non_null(strstr(answer, "the daemon is stopping"));
	free(answer);
	receive(f, fd, NULL, &text);
	assert_int_equal(status_of(weir_buf_str(&text)), 200);
	weir_buf_done(&text);
	close(fd);
}

static void moved_address_is_served_and_the_old_one_given_up(void **state)
{
	struct fixture *f = *state;
	char moved[32];
	fixture_start(f);
	int old_port = f->port;
	int waiting = connect_tcp(f);
	f->port = free_port();
	snprintf(moved, sizeof(moved), "127.0.0.1:%d", f->port);
	listen_set(f, moved);
	assert_int_equal(reconfigure(f), 0);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /api/v1/status", NULL, NULL), 200);
	const struct sockaddr_in old = { .sin_family = AF_INET,
					 .sin_port = htons((uint16_t)old_port),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	for (int i = 0; i < 100; i++)
		fake_loop_turn(f->loop, 5);
	assert_int_equal(connect(fd, (const struct sockaddr *)&old, sizeof(old)), -1);
	close(fd);
	close(waiting);
}

static void late_answer_comes_although_the_door_moved(void **state)
{
	struct fixture *f = *state;
	char request[256], moved[32];
	struct weir_buf text = { 0 };
	fixture_start(f);
	int len = snprintf(request, sizeof(request),
			   "GET /api/v1/test/late HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: "
			   "Bearer %s\r\n\r\n",
			   f->tokens[WEIR_ROLE_VIEWER]);
	int fd = connect_tcp(f);
	send_all(f, fd, request, (size_t)len);
	for (int i = 0; i < 1000 && !f->engine->late; i++)
		fake_loop_turn(f->loop, 1);
	f->port = free_port();
	snprintf(moved, sizeof(moved), "127.0.0.1:%d", f->port);
	listen_set(f, moved);
	assert_int_equal(reconfigure(f), 0);
	receive(f, fd, NULL, &text);
	assert_int_equal(status_of(weir_buf_str(&text)), 200);
	weir_buf_done(&text);
	close(fd);
}

static void off_closes_tcp_and_the_unix_socket_stays(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n";
	struct fixture *f = *state;
	fixture_start(f);
	listen_set(f, "off");
	assert_int_equal(reconfigure(f), 0);
	char *answer = ask_on(f, connect_unix(f), request, sizeof(request) - 1);
	assert_int_equal(status_of(answer), 200);
	free(answer);
}

static void changed_limits_take_over_the_same_address(void **state)
{
	struct fixture *f = *state;
	fixture_start(f);
	fake_engine_config(f->engine)->api.connections = 5;
	fake_engine_config(f->engine)->api.request_size.value = 10;
	assert_int_equal(reconfigure(f), 0);
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "POST /api/v1/test/write",
				"Content-Type: application/json\r\n", "{\"number\":5}"),
			 413);
}

static void refused_change_leaves_the_door_as_it_was(void **state)
{
	struct fixture *f = *state;
	fixture_start(f);
	fake_engine_config(f->engine)->api.certificate = (char *)"/nonexistent/certificate.pem";
	fake_engine_config(f->engine)->api.key = (char *)"/nonexistent/key.pem";
	assert_int_equal(reconfigure(f), -ENOENT);
	assert_string_equal(f->diag.entries[0].key, "api.certificate");
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /api/v1/status", NULL, NULL), 200);
}

static void connection_that_asks_nothing_is_cut(void **state)
{
	struct fixture *f = *state;
	struct weir_buf text = { 0 };
	fixture_start(f);
	int fd = connect_tcp(f);
	uint64_t start = weir_clock_monotonic_ns();
	/* A byte now and then keeps an idle time-out from ever coming; the head's own deadline
	 * does. */
	bool is_open = true;
	while (is_open && weir_clock_monotonic_ns() - start < 10 * WEIR_NS_PER_S) {
		char byte;
		if (send(fd, "G", 1, MSG_NOSIGNAL) < 0)
			is_open = false;
		for (int i = 0; i < 5; i++)
			fake_loop_turn(f->loop, 20);
		if (recv(fd, &byte, 1, 0) == 0)
			is_open = false;
	}
	assert_false(is_open);
	assert_in_range((weir_clock_monotonic_ns() - start) / WEIR_NS_PER_MS, 2000, 4500);
	weir_buf_done(&text);
	close(fd);
}

static void many_idle_connections_keep_nobody_out(void **state)
{
	struct fixture *f = *state;
	int fds[200];
	fixture_start(f);
	for (int i = 0; i < 200; i++) {
		fds[i] = connect_tcp(f);
		fake_loop_turn(f->loop, 0);
	}
	assert_int_equal(status(f, WEIR_ROLE_ADMIN, "GET /api/v1/status", NULL, NULL), 200);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(first_start_makes_a_token_for_each_role),
		CASE(second_start_keeps_the_tokens),
		CASE(damaged_tokens_are_kept_aside_and_made_anew),
		CASE(tokens_others_can_read_are_warned_of),
		CASE(changed_tokens_count_after_a_reload),
		CASE(tokens_damaged_at_a_reload_stay_in_force),
		CASE(second_api_in_the_same_directory_is_refused),
		CASE(address_in_use_is_an_error),
		CASE(end_removes_the_socket),
		CASE(end_with_a_call_under_way_leaves_it_to_the_engine),
		CASE(stop_answers_calls_under_way_and_takes_no_more),
		CASE(moved_address_is_served_and_the_old_one_given_up),
		CASE(late_answer_comes_although_the_door_moved),
		CASE(off_closes_tcp_and_the_unix_socket_stays),
		CASE(changed_limits_take_over_the_same_address),
		CASE(refused_change_leaves_the_door_as_it_was),
		CASE(connection_that_asks_nothing_is_cut),
		CASE(many_idle_connections_keep_nobody_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
