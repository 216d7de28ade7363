/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API on a fake engine and a client for it, in one thread: the client sends, the loop turns, the
 * client reads. Included by the tests of api/, which are one source file each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "api_fakes.c"
#include "base/file.h"
#include "base/json.h"

#define ANSWER_WITHIN_MS 5000

struct fixture {
	struct weir_loop *loop;
	struct weir_engine *engine;
	struct weir_api *api;
	struct weir_diag diag;
	int port;
	char tokens[4][65]; /* by enum weir_role */
};

/* Free at this moment on 127.0.0.1. */
static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static char *file_text(const struct fixture *f, const char *name)
{
	struct weir_buf text = { 0 };
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", fake_engine_dir(f->engine), name);
	assert_int_equal(weir_file_read(path, 1 << 20, &text), 0);
	return weir_buf_take(&text);
}

static __attribute__((unused)) void file_write(const struct fixture *f, const char *name,
					       const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", fake_engine_dir(f->engine), name);
	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static void tokens_learn(struct fixture *f)
{
	struct weir_json *json = NULL;
	char *text = file_text(f, "tokens.json");
	assert_int_equal(weir_json_parse(text, strlen(text), NULL, NULL, &json), 0);
	const struct weir_json *rows = weir_json_get(json, "tokens");
	for (size_t i = 0; i < weir_json_size(rows); i++) {
		const struct weir_json *row = weir_json_at(rows, i);
		const char *role = weir_json_str(weir_json_get(row, "role"), "");
		for (int r = WEIR_ROLE_VIEWER; r <= WEIR_ROLE_ADMIN; r++)
			if (strcmp(role, weir_role_name((enum weir_role)r)) == 0)
				snprintf(f->tokens[r], sizeof(f->tokens[r]), "%s",
					 weir_json_str(weir_json_get(row, "token"), ""));
	}
	weir_json_free(json);
	free(text);
}

static struct fixture *fixture_prepare(void)
{
	char listen[32];
	struct fixture *f = calloc(1, sizeof(*f));
	signal(SIGPIPE, SIG_IGN);
	f->port = free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", f->port);
	f->loop = fake_loop_new();
	f->engine = fake_engine_new(f->loop, listen);
	return f;
}

static void fixture_start(struct fixture *f)
{
	assert_int_equal(weir_api_new(f->engine, &f->diag, &f->api), 0);
	tokens_learn(f);
}

static __attribute__((unused)) struct fixture *fixture_new(void)
{
	struct fixture *f = fixture_prepare();
	fixture_start(f);
	return f;
}

static void fixture_free(struct fixture *f)
{
	char path[128];
	weir_api_free(f->api);
	fake_loop_free(f->loop);
	snprintf(path, sizeof(path), "%s", fake_engine_dir(f->engine));
	DIR *dir = opendir(path);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
	fake_engine_free(f->engine);
	weir_diag_done(&f->diag);
	free(f);
}

static int connect_to(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, address, len), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static __attribute__((unused)) int connect_tcp(const struct fixture *f)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons((uint16_t)f->port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return connect_to((const struct sockaddr *)&address, sizeof(address));
}

static __attribute__((unused)) int connect_unix(const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/weir.sock",
		 fake_engine_dir(f->engine));
	return connect_to((const struct sockaddr *)&address, sizeof(address));
}

/* Turns the loop until everything is sent; what the server closed early is not an error here. */
static void send_all(struct fixture *f, int fd, const char *bytes, size_t len)
{
	uint64_t end = weir_clock_monotonic_ns() + ANSWER_WITHIN_MS * WEIR_NS_PER_MS;
	while (len > 0 && weir_clock_monotonic_ns() < end) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
		fake_loop_turn(f->loop, 1);
	}
}

/* Whether the text holds a whole answer: its head and as much body as the head says. */
static bool is_whole(const char *text, size_t len)
{
	const char *body = strstr(text, "\r\n\r\n");
	const char *length = strstr(text, "\r\nContent-Length: ");
	if (!body)
		return false;
	size_t wanted = length && length < body ? strtoul(length + 18, NULL, 10) : 0;
	return len - (size_t)(body + 4 - text) >= wanted;
}

/* Reads until `until` stands in the text (NULL: until an answer is whole) or the server closes. */
static void receive(struct fixture *f, int fd, const char *until, struct weir_buf *text)
{
	uint64_t end = weir_clock_monotonic_ns() + ANSWER_WITHIN_MS * WEIR_NS_PER_MS;
	char bytes[4096];
	while (weir_clock_monotonic_ns() < end) {
		fake_loop_turn(f->loop, 2);
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return;
		if (n > 0)
			weir_buf_add(text, bytes, (size_t)n);
		const char *sofar = weir_buf_str(text);
		if (until ? strstr(sofar, until) != NULL : is_whole(sofar, text->len))
			return;
	}
	fail_msg("no answer in time; so far: %s", weir_buf_str(text));
}

/* Asks on a connection of its own and gives the whole answer, to be freed. */
static char *ask_on(struct fixture *f, int fd, const char *request, size_t len)
{
	struct weir_buf text = { 0 };
	send_all(f, fd, request, len);
	receive(f, fd, NULL, &text);
	close(fd);
	return weir_buf_take(&text);
}

static int status_of(const char *answer)
{
	assert_non_null(answer);
	assert_int_equal(strncmp(answer, "HTTP/1.1 ", 9), 0);
	return (int)strtol(answer + 9, NULL, 10);
}

/* METHOD PATH by TCP with the token of a role (WEIR_ROLE_NONE: none), more headers and a body. */
static __attribute__((unused)) char *ask(struct fixture *f, enum weir_role role, const char *line,
					 const char *headers, const char *body)
{
	struct weir_buf text = { 0 };
	weir_buf_addf(&text, "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s", line, f->port,
		      headers ? headers : "");
	if (role != WEIR_ROLE_NONE)
		weir_buf_addf(&text, "Authorization: Bearer %s\r\n", f->tokens[role]);
	if (body)
		weir_buf_addf(&text, "Content-Length: %zu\r\n", strlen(body));
	weir_buf_addf(&text, "\r\n%s", body ? body : "");
	char *answer = ask_on(f, connect_tcp(f), text.data, text.len);
	weir_buf_done(&text);
	return answer;
}

/* The status of the same. */
static __attribute__((unused)) int status(struct fixture *f, enum weir_role role, const char *line,
					  const char *headers, const char *body)
{
	char *answer = ask(f, role, line, headers, body);
	int code = status_of(answer);
	free(answer);
	return code;
}
