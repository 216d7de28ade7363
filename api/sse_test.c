/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams as a client sees them. */
#include "tests/unit/api_client.c"

#include "api/sse.h"

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

/* A stream on the unix socket, read up to its first comment. */
static int stream_open(struct fixture *f, const char *query)
{
	char request[256];
	struct weir_buf text = { 0 };
	int fd = connect_unix(f);
	int len = snprintf(request, sizeof(request),
			   "GET /api/v1/stream%s HTTP/1.1\r\nHost: weir\r\n\r\n", query);
	send_all(f, fd, request, (size_t)len);
	receive(f, fd, ": weir\n\n", &text);
	assert_non_null(strstr(weir_buf_str(&text), "\r\nContent-Type: text/event-stream\r\n"));
	assert_non_null(strstr(weir_buf_str(&text), "retry: 3000\n"));
	weir_buf_done(&text);
	return fd;
}

static char *read_until(struct fixture *f, int fd, const char *until)
{
	struct weir_buf text = { 0 };
	receive(f, fd, until, &text);
	return weir_buf_take(&text);
}

static void publish(struct fixture *f, const char *kind, const char *json)
{
	weir_engine_publish(f->engine, kind, json, strlen(json));
}

static void event_reaches_every_stream_with_growing_id(void **state)
{
	struct fixture *f = *state;
	int a = stream_open(f, ""), b = stream_open(f, "");
	publish(f, "drop", "{\"n\":1}");
	publish(f, "change", "{\"n\":\n2}");
	static const char wanted[] = "id: 1\nevent: drop\ndata: {\"n\":1}\n\n"
				     "id: 2\nevent: change\ndata: {\"n\": 2}\n\n";
	char *of_a = read_until(f, a, "2}\n\n"), *of_b = read_until(f, b, "2}\n\n");
	assert_non_null(strstr(of_a, wanted));
	assert_non_null(strstr(of_b, wanted));
	free(of_a);
	free(of_b);
	close(a);
	close(b);
}

static void stream_of_some_kinds_gets_no_others(void **state)
{
	struct fixture *f = *state;
	int fd = stream_open(f, "?kind=change,warning");
	publish(f, "drop", "{\"n\":1}");
	publish(f, "chan", "{\"n\":2}");
	publish(f, "warning", "{\"n\":3}");
	char *text = read_until(f, fd, "3}\n\n");
	assert_null(strstr(text, "\"n\":1"));
	assert_null(strstr(text, "\"n\":2"));
	assert_non_null(strstr(text, "event: warning\n"));
	free(text);
	close(fd);
}

static void snapshot_event_holds_the_difference(void **state)
{
	struct fixture *f = *state;
	int fd = stream_open(f, "");
	fake_engine_tick(f->engine);
	free(read_until(f, fd, "\"sequence\":1,"));
	fake_engine_tick(f->engine);
	char *text = read_until(f, fd, "\"bytes\":180}]}\n\n");
	assert_non_null(strstr(text, "\"sequence\":2,"));
	assert_non_null(
		strstr(text, "{\"name\":\"eth7\",\"ifindex\":0,\"pass_packets\":2,\"pass_bytes\":0,"
			     "\"drop_packets\":3,\"drop_bytes\":180}"));
	assert_non_null(strstr(text, "{\"reason\":\"drop_blocked\",\"packets\":3,\"bytes\":180}"));
	free(text);
	close(fd);
}

static void slow_client_loses_what_its_queue_cannot_hold_and_is_told(void **state)
{
	struct fixture *f = *state;
	int fd = stream_open(f, "?kind=drop");
	char json[32], lost[64];
	for (int i = 0; i < WEIR_SSE_QUEUE_MAX + 44; i++) {
		snprintf(json, sizeof(json), "{\"n\":%d}", i);
		publish(f, "drop", json);
	}
	snprintf(lost, sizeof(lost), "event: lost\ndata: {\"lost\":%d}\n\n", 44);
	char *text = read_until(f, fd, lost);
	assert_non_null(strstr(text, "{\"n\":255}"));
	assert_null(strstr(text, "{\"n\":256}"));
	free(text);
	publish(f, "drop", "{\"n\":999}");
	free(read_until(f, fd, "{\"n\":999}"));
	close(fd);
}

static void stream_past_the_most_is_refused(void **state)
{
	struct fixture *f = *state;
	int fds[WEIR_SSE_STREAMS_MAX];
	static const char request[] = "GET /api/v1/stream HTTP/1.1\r\nHost: weir\r\n\r\n";
	for (int i = 0; i < WEIR_SSE_STREAMS_MAX; i++)
		fds[i] = stream_open(f, "");
	char *answer = ask_on(f, connect_unix(f), request, sizeof(request) - 1);
	assert_int_equal(status_of(answer), 503);
	free(answer);
	for (int i = 0; i < WEIR_SSE_STREAMS_MAX; i++)
		close(fds[i]);
}

/* Whether the engine has a subscriber: nothing is made for nobody. */
static void last_client_gone_ends_the_subscription(void **state)
{
	struct fixture *f = *state;
	assert_null(f->engine->subscribers);
	int fd = stream_open(f, "");
	assert_non_null(f->engine->subscribers);
	close(fd);
	uint64_t end = weir_clock_monotonic_ns() + ANSWER_WITHIN_MS * WEIR_NS_PER_MS;
	while (f->engine->subscribers && weir_clock_monotonic_ns() < end) {
		publish(f, "drop", "{}");
		fake_loop_turn(f->loop, 20);
	}
	assert_null(f->engine->subscribers);
}

static void viewer_token_is_needed(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(status(f, WEIR_ROLE_NONE, "GET /api/v1/stream", NULL, NULL), 401);
	assert_int_equal(status(f, WEIR_ROLE_VIEWER, "POST /api/v1/stream", NULL, NULL), 405);
}

static void api_ends_with_a_stream_open(void **state)
{
	struct fixture *f = *state;
	int fd = stream_open(f, "");
	weir_api_free(weir_take(f->api));
	assert_null(f->engine->subscribers);
	close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(event_reaches_every_stream_with_growing_id),
		CASE(stream_of_some_kinds_gets_no_others),
		CASE(snapshot_event_holds_the_difference),
		CASE(slow_client_loses_what_its_queue_cannot_hold_and_is_told),
		CASE(stream_past_the_most_is_refused),
		CASE(last_client_gone_ends_the_subscription),
		CASE(viewer_token_is_needed),
		CASE(api_ends_with_a_stream_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
