/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a server of a few lines, which says what it got and answers what the test
 * wants. */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

/* Takes one connection: reads until `until` is in what came (NULL: nothing), answers, closes. */
struct server {
	char dir[64];
	char path[96];
	int listener;
	const char *until;
	const char *answer;
	struct weir_buf got;
	pthread_t thread;
};

static void *server_run(void *arg)
{
	struct server *server = arg;
	int fd = accept(server->listener, NULL, NULL);
	char piece[4096];

	while (server->until && !strstr(weir_buf_str(&server->got), server->until)) {
		ssize_t got = read(fd, piece, sizeof(piece));

		if (got <= 0)
			break;
		weir_buf_add(&server->got, piece, (size_t)got);
	}
	if (server->answer)
		(void)!write(fd, server->answer, strlen(server->answer));
	else /* says nothing until the client has gone */
		while (read(fd, piece, sizeof(piece)) > 0)
			;
	close(fd);
	return NULL;
}

static void server_listen(struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(server->dir, sizeof(server->dir), "/tmp/weir-client-test-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	snprintf(server->path, sizeof(server->path), "%s/s", server->dir);
	memcpy(address.sun_path, server->path, strlen(server->path) + 1);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 4), 0);
}

static void server_start(struct server *server, const char *until, const char *answer)
{
	*server = (struct server){ .until = until, .answer = answer };
	server_listen(server);
	assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static void server_join(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->listener);
	unlink(server->path);
	rmdir(server->dir);
}

static struct weir_request request_to(const struct server *server)
{
	return (struct weir_request){
		.socket = server->path,
		.method = "GET",
		.target = "/api/v1/status",
		.body_fd = -1,
		.timeout_ms = 5000,
	};
}

static int ask(const struct weir_request *request, struct weir_answer *answer,
	       struct weir_diag *diag)
{
	*diag = (struct weir_diag){ 0 };
	return weir_client_ask(request, diag, answer);
}

static void read_sends_no_body(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_start(&server, "\r\n\r\n", OK_HEAD);
	struct weir_request request = request_to(&server);
	assert_int_equal(ask(&request, &answer, &diag), 0);
	server_join(&server);
	assert_int_equal(answer.status, 200);
	assert_string_equal(weir_buf_str(&answer.body), "{}");
	assert_memory_equal(weir_buf_str(&server.got), "GET /api/v1/status HTTP/1.1\r\n", 29);
	assert_null(strstr(weir_buf_str(&server.got), "Content-Length"));
	weir_buf_done(&server.got);
}

static void write_sends_its_body_and_revision(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;
	uint64_t expect = 12;

	server_start(&server, "{\"a\":1}", OK_HEAD);
	struct weir_request request = request_to(&server);
	request.method = "POST";
	request.content_type = "application/json";
	request.body = "{\"a\":1}";
	request.body_len = 7;
	request.expect = &expect;
	assert_int_equal(ask(&request, &answer, &diag), 0);
	server_join(&server);
	assert_non_null(strstr(weir_buf_str(&server.got), "\r\nIf-Match: \"12\"\r\n"));
	assert_non_null(
		strstr(weir_buf_str(&server.got), "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(weir_buf_str(&server.got), "\r\nContent-Length: 7\r\n"));
	weir_buf_done(&server.got);
}

static int file_of(size_t bytes)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	for (size_t i = 0; i + 4 < bytes; i++)
		fputc('x', file);
	fputs("END\n", file);
	fflush(file);
	int fd = dup(fileno(file));
	fclose(file);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void upload_streams_a_file_of_known_size(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_start(&server, "END\n", OK_HEAD);
	struct weir_request request = request_to(&server);
	request.method = "POST";
	request.content_type = "application/octet-stream";
	request.body_fd = file_of(3000000);
	request.body_fd_size = 3000000;
	assert_int_equal(ask(&request, &answer, &diag), 0);
	server_join(&server);
	close(request.body_fd);
	assert_int_equal(answer.sent_bytes, 3000000);
	assert_non_null(strstr(weir_buf_str(&server.got), "\r\nContent-Length: 3000000\r\n"));
	const char *body = strstr(weir_buf_str(&server.got), "\r\n\r\n") + 4;
	assert_int_equal(strlen(body), 3000000);
	weir_buf_done(&server.got);
}

static void upload_of_a_pipe_is_chunked(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "192.0.2.1\n", 10), 10);
	close(ends[1]);
	server_start(&server, "\r\n0\r\n\r\n", OK_HEAD);
	struct weir_request request = request_to(&server);
	request.method = "POST";
	request.content_type = "application/octet-stream";
	request.body_fd = ends[0];
	request.body_fd_size = -1;
	assert_int_equal(ask(&request, &answer, &diag), 0);
	server_join(&server);
	close(ends[0]);
	assert_non_null(strstr(weir_buf_str(&server.got), "\r\nTransfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(weir_buf_str(&server.got), "\r\n\r\na\r\n192.0.2.1\n\r\n0\r\n\r\n"));
	weir_buf_done(&server.got);
}

static void refusal_in_the_middle_of_an_upload_is_heard(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_start(&server, "\r\n\r\n", "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}");
	struct weir_request request = request_to(&server);
	request.method = "POST";
	request.content_type = "application/octet-stream";
	request.body_fd = file_of(20000000);
	request.body_fd_size = 20000000;
	assert_int_equal(ask(&request, &answer, &diag), 0);
	server_join(&server);
	close(request.body_fd);
	assert_int_equal(answer.status, 413);
	assert_true(answer.sent_bytes < 20000000);
	weir_buf_done(&server.got);
}

static void file_that_became_shorter_is_told(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_start(&server, "never", NULL);
	struct weir_request request = request_to(&server);
	request.method = "POST";
	request.content_type = "application/octet-stream";
	request.body_fd = file_of(1000);
	request.body_fd_size = 2000;
	assert_int_equal(ask(&request, &answer, &diag), -EIO);
	server_join(&server);
	close(request.body_fd);
	assert_string_equal(diag.entries[0].what,
			    "cannot read the file: it became shorter while it was read");
	weir_buf_done(&server.got);
}

static void silence_ends_with_the_timeout(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_start(&server, NULL, NULL);
	struct weir_request request = request_to(&server);
	request.timeout_ms = 200;
	assert_int_equal(ask(&request, &answer, &diag), -ETIMEDOUT);
	server_join(&server);
	assert_int_equal(diag.errors, 1);
	weir_buf_done(&server.got);
}

static void answer_that_breaks_off_is_refused(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_start(&server, "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}");
	struct weir_request request = request_to(&server);
	assert_int_equal(ask(&request, &answer, &diag), -EPROTO);
	server_join(&server);
	assert_int_equal(diag.errors, 1);
	weir_buf_done(&server.got);
}

static int piece_note(void *arg, const char *bytes, size_t len)
{
	return weir_buf_add(arg, bytes, len);
}

static void pieces_are_given_as_they_come(void **state)
{
	struct server server;
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;
	_cleanup_buf_ struct weir_buf pieces = { 0 };

	server_start(&server, "\r\n\r\n", OK_HEAD);
	struct weir_request request = request_to(&server);
	request.piece = piece_note;
	request.arg = &pieces;
	assert_int_equal(ask(&request, &answer, &diag), 0);
	server_join(&server);
	assert_string_equal(weir_buf_str(&pieces), "{}");
	assert_int_equal(answer.body.len, 0);
	weir_buf_done(&server.got);
}

static void missing_socket_says_how_to_start(void **state)
{
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;
	struct weir_request request = { .socket = "/tmp/weir-no-such-socket",
					.method = "GET",
					.target = "/",
					.body_fd = -1,
					.timeout_ms = 1000 };

	assert_int_equal(ask(&request, &answer, &diag), -ENOENT);
	assert_string_equal(diag.entries[0].what, "no daemon listens at /tmp/weir-no-such-socket");
	assert_non_null(strstr(diag.entries[0].mend, "weir daemon"));
}

static void socket_without_a_listener_is_no_daemon(void **state)
{
	struct server server = { 0 };
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_diag_ struct weir_diag diag;

	server_listen(&server);
	close(server.listener);
	struct weir_request request = request_to(&server);
	assert_int_equal(ask(&request, &answer, &diag), -ECONNREFUSED);
	unlink(server.path);
	rmdir(server.dir);
}

static void query_escapes_what_means_something(void **state)
{
	_cleanup_buf_ struct weir_buf query = { 0 };

	weir_query_add_escaped(&query, "a b&c=\xc3\xbc/2001:db8::1~-._9");
	assert_string_equal(weir_buf_str(&query), "a%20b%26c%3D%C3%BC%2F2001%3Adb8%3A%3A1~-._9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_sends_no_body),
		cmocka_unit_test(write_sends_its_body_and_revision),
		cmocka_unit_test(upload_streams_a_file_of_known_size),
		cmocka_unit_test(upload_of_a_pipe_is_chunked),
		cmocka_unit_test(refusal_in_the_middle_of_an_upload_is_heard),
		cmocka_unit_test(file_that_became_shorter_is_told),
		cmocka_unit_test(silence_ends_with_the_timeout),
		cmocka_unit_test(answer_that_breaks_off_is_refused),
		cmocka_unit_test(pieces_are_given_as_they_come),
		cmocka_unit_test(missing_socket_says_how_to_start),
		cmocka_unit_test(socket_without_a_listener_is_no_daemon),
		cmocka_unit_test(query_escapes_what_means_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
