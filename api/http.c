/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd in a weir_loop: its epoll descriptor is watched, its time-outs set a timer, and
 * whoever waits is suspended. Takes no decision about a request.
 */
#include "api/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/connections.h"
#include "base/cleanup.h"
#include "base/clock.h"

/*
 * A refused body up to this size is read and thrown away, so that the client surely reads the
 * answer: closing a socket with unread bytes in it makes the kernel send a reset, which discards an
 * answer still on its way.
 */
#define DISCARD_BYTES_MAX (8u << 20)
#define STREAM_BLOCK_BYTES 4096
#define LIBRARY_MESSAGE_MAX 240
/* Room above our own bound, so that the library keeps accepting and we choose whom to cut. */
#define CONNECTIONS_SPARE 64

struct weir_http_server {
	struct MHD_Daemon *mhd;
	struct weir_loop *loop;
	struct weir_watch *watch, *timer;
	const struct weir_http_handler *handler;
	void *closure;
	struct weir_http_counts *counts;
	struct weir_connections connections;
	struct weir_http_request *requests;
	struct weir_http_stream *streams;
	int listen_fd; /* owned by the library; -1 when retired */
	bool is_retired;
	bool is_running,
		is_wanted; /* wanted: something was resumed that the library has yet to see */
	char message[LIBRARY_MESSAGE_MAX]; /* what the library said last */
};

static uint64_t now_ms(void)
{
	return weir_clock_monotonic_ns() / WEIR_NS_PER_MS;
}

/* --- driving the library --- */

static void server_run(void *arg)
{
	struct weir_http_server *server = arg;
	MHD_UNSIGNED_LONG_LONG timeout_ms = 0;

	server->is_running = true;
	server->is_wanted = false;
	MHD_run(server->mhd);
	server->is_running = false;
	if (server->is_wanted)
		server->loop->rearm(server->timer, 0, 0);
	else if (MHD_get_timeout(server->mhd, &timeout_ms) == MHD_YES)
		server->loop->rearm(server->timer, timeout_ms, 0);
}

/*
 * Never runs the library on the spot: we may be inside it already, or inside an operation of the
 * engine that finishes a call, and the next request would then run in the middle of that one.
 */
static void server_want(struct weir_http_server *server)
{
	if (server->is_wanted)
		return;
	server->is_wanted = true;
	if (!server->is_running)
		server->loop->rearm(server->timer, 0, 0);
}

static void server_log(void *arg, const char *format, va_list args)
{
	struct weir_http_server *server = arg;
	vsnprintf(server->message, sizeof(server->message), format, args);
	server->message[strcspn(server->message, "\n")] = '\0';
}

/* --- connections --- */

static int mhd_fd(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *fact =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	return fact ? fact->connect_fd : -1;
}

static void connection_notify(void *arg, struct MHD_Connection *mhd, void **context,
			      enum MHD_ConnectionNotificationCode what)
{
	struct weir_http_server *server = arg;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		weir_connections_del(&server->connections, *context);
		*context = NULL;
		return;
	}
	bool cut = false;
	*context = weir_connections_add(&server->connections, mhd_fd(mhd), now_ms(), &cut);
	if (!*context)
		shutdown(mhd_fd(mhd), SHUT_RDWR);
	if (cut) {
		server->counts->rejected[WEIR_HTTP_REJECT_CONNECTION]++;
		server_want(server);
	}
}

static void request_set_state(struct weir_http_request *request, enum weir_connection_state state)
{
	if (request->connection)
		weir_connection_set_state(request->connection, state, now_ms());
}

/* --- requests --- */

static ssize_t stream_read(void *arg, uint64_t position, char *bytes, size_t max)
{
	struct weir_http_stream *stream = arg;
	ssize_t n = stream->read(stream, bytes, max);
	if (n < 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		stream->is_asleep = true;
		MHD_suspend_connection(stream->mhd);
	}
	return n;
}

static void stream_closed(void *arg)
{
	struct weir_http_stream *stream = arg;
	for (struct weir_http_stream **at = &stream->server->streams; *at; at = &(*at)->next)
		if (*at == stream) {
			*at = stream->next;
			break;
		}
	stream->closed(stream);
}

static void request_free(struct weir_http_request *request)
{
	if (request->stream)
		stream_closed(request->stream);
	for (size_t i = 0; i < request->header_count; i++)
		free(request->headers[i].value);
	weir_buf_done(&request->body);
	weir_buf_done(&request->answer);
	free(request);
}

static void request_completed(void *arg, struct MHD_Connection *mhd, void **state,
			      enum MHD_RequestTerminationCode code)
{
	struct weir_http_server *server = arg;
	struct weir_http_request *request = *state;
	if (!request)
		return;
	*state = NULL;
	for (struct weir_http_request **at = &server->requests; *at; at = &(*at)->next)
		if (*at == request) {
			*at = request->next;
			break;
		}
	server->handler->gone(request);
	request_set_state(request, WEIR_CONNECTION_IDLE);
	request_free(request);
}

static struct MHD_Response *request_response(struct weir_http_request *request)
{
	if (request->stream) {
		struct MHD_Response *response =
			MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
							  stream_read, request->stream,
							  stream_closed);
		if (response)
			request->stream = NULL; /* freed with the response from now on */
		return response;
	}
	size_t len = request->answer.len;
	char *text = weir_buf_take(&request->answer);
	if (!text)
		return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	return response;
}

static enum MHD_Result request_queue(struct weir_http_request *request)
{
	request_set_state(request, WEIR_CONNECTION_BUSY);
	struct MHD_Response *response = request_response(request);
	if (!response)
		return MHD_NO;
	if (request->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, request->type);
	for (size_t i = 0; i < request->header_count; i++)
		MHD_add_response_header(response, request->headers[i].name,
					request->headers[i].value);
	request->server->counts->answers[request->status]++;
	enum MHD_Result result = MHD_queue_response(request->mhd, request->status, response);
	MHD_destroy_response(response);
	return result;
}

/* Bytes the head announces; UINT64_MAX for a chunked body, whose length nobody knows. The library
 * has checked the syntax. */
static uint64_t request_announced(const struct weir_http_request *request)
{
	if (weir_http_request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return UINT64_MAX;
	const char *length = weir_http_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return length ? strtoull(length, NULL, 10) : 0;
}

/* A client that asks before it sends is told at once; so is one whose body is too much even to
 * throw away. */
static bool request_is_answered_early(const struct weir_http_request *request, uint64_t announced)
{
	if (!request->status || announced == 0)
		return false;
	if (announced != UINT64_MAX && announced > DISCARD_BYTES_MAX)
		return true;
	return weir_http_request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL;
}

static enum MHD_Result request_begin(struct weir_http_server *server, struct MHD_Connection *mhd,
				     const char *path, const char *method, void **state)
{
	struct weir_http_request *request = calloc(1, sizeof(*request));
	if (!request)
		return MHD_NO;
	*request = (struct weir_http_request){
		.server = server,
		.method = method,
		.path = path,
		.closure = server->closure,
		.mhd = mhd,
		.next = server->requests,
	};
	const union MHD_ConnectionInfo *fact =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	request->connection = fact ? fact->socket_context : NULL;
	server->requests = request;
	*state = request;
	request_set_state(request, WEIR_CONNECTION_BODY);

	uint64_t announced = request->announced = request_announced(request);
	server->handler->begin(request);
	if (!request->status && announced != UINT64_MAX && announced > request->body_max)
		server->handler->too_large(request);
	if (request_is_answered_early(request, announced))
		return request_queue(request);
	/* The announced size is only reserved, not touched: lying about it costs us address space
	 * and nothing else. */
	if (!request->status && announced != UINT64_MAX && announced > 0 &&
	    weir_buf_reserve(&request->body, announced) < 0)
		return MHD_NO;
	return MHD_YES;
}

static enum MHD_Result request_take(struct weir_http_request *request, const char *bytes,
				    size_t *len)
{
	size_t n = *len;
	*len = 0;
	if (request->connection)
		request->connection->body_bytes += n;
	if (!request->status && n > request->body_max - request->body.len) {
		request->server->handler->too_large(request);
		weir_buf_done(&request->body);
	}
	if (request->status) {
		request->discarded_bytes += n;
		return request->discarded_bytes > DISCARD_BYTES_MAX ? MHD_NO : MHD_YES;
	}
	return weir_buf_add(&request->body, bytes, n) < 0 ? MHD_NO : MHD_YES;
}

static enum MHD_Result request_finish(struct weir_http_request *request)
{
	if (!request->status && !request->is_handled) {
		request->is_handled = true;
		request_set_state(request, WEIR_CONNECTION_BUSY);
		request->server->handler->complete(request);
	}
	if (request->status)
		return request_queue(request);
	request->is_asleep = true;
	MHD_suspend_connection(request->mhd);
	return MHD_YES;
}

static enum MHD_Result request_step(void *arg, struct MHD_Connection *mhd, const char *path,
				    const char *method, const char *version, const char *bytes,
				    size_t *len, void **state)
{
	struct weir_http_request *request = *state;
	if (!request)
		return request_begin(arg, mhd, path, method, state);
	if (*len > 0)
		return request_take(request, bytes, len);
	return request_finish(request);
}

/* --- what a handler may ask of a request --- */

const char *weir_http_request_header(const struct weir_http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

struct query_walk {
	int (*each)(void *arg, const char *name, size_t name_len, const char *value,
		    size_t value_len);
	void *arg;
	int result;
};

static enum MHD_Result query_step(void *arg, enum MHD_ValueKind kind, const char *name,
				  size_t name_len, const char *value, size_t value_len)
{
	struct query_walk *walk = arg;
	walk->result = walk->each(walk->arg, name, name_len, value, value_len);
	return walk->result ? MHD_NO : MHD_YES;
}

int weir_http_request_query(const struct weir_http_request *request,
			    int (*each)(void *arg, const char *name, size_t name_len,
					const char *value, size_t value_len),
			    void *arg)
{
	struct query_walk walk = { .each = each, .arg = arg };
	MHD_get_connection_values_n(request->mhd, MHD_GET_ARGUMENT_KIND, query_step, &walk);
	return walk.result;
}

/* --- answers --- */

void weir_http_answer_header(struct weir_http_request *request, const char *name, const char *value)
{
	if (request->header_count == WEIR_HTTP_HEADERS_MAX)
		return;
	char *copy = strdup(value);
	if (copy)
		request->headers[request->header_count++] = (struct weir_http_header){ name, copy };
}

static void request_wake(struct weir_http_request *request)
{
	if (!request->is_asleep)
		return;
	request->is_asleep = false;
	MHD_resume_connection(request->mhd);
	server_want(request->server);
}

void weir_http_answer(struct weir_http_request *request, unsigned status, const char *type,
		      struct weir_buf *body)
{
	if (request->status || status >= WEIR_HTTP_STATUS_MAX)
		return;
	request->status = body && body->failed ? 500 : status;
	request->type = type;
	if (body) {
		request->answer = *body;
		*body = (struct weir_buf){ 0 };
	}
	request_wake(request);
}

void weir_http_answer_stream(struct weir_http_request *request, const char *type,
			     struct weir_http_stream *stream)
{
	stream->mhd = request->mhd;
	stream->server = request->server;
	stream->next = stream->server->streams;
	stream->server->streams = stream;
	request->stream = stream;
	request->type = type;
	request->status = 200;
	request_wake(request);
}

void weir_http_stream_wake(struct weir_http_stream *stream)
{
	if (!stream->is_asleep)
		return;
	stream->is_asleep = false;
	MHD_resume_connection(stream->mhd);
	server_want(stream->server);
}

/* --- the server --- */

#define OPTIONS_MAX 16

/* TLS 1.2 and 1.3 only; the rest is the library's choice of sound ciphers. */
static size_t options_add_tls(struct MHD_OptionItem *items, size_t n,
			      const struct weir_http_options *options)
{
	items[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0,
					      (void *)options->certificate };
	items[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key };
	items[n++] =
		(struct MHD_OptionItem){ MHD_OPTION_HTTPS_PRIORITIES, 0,
					 (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" };
	return n;
}

static struct MHD_Daemon *library_start(struct weir_http_server *server,
					const struct weir_http_options *options, int listen_fd)
{
	struct MHD_OptionItem items[OPTIONS_MAX] = {
		{ MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, options->connections + CONNECTIONS_SPARE, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)(options->idle_ms / 1000), NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)options->memory_bytes, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed, server },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_notify, server },
	};
	size_t n = 7;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (options->certificate) {
		flags |= MHD_USE_TLS;
		n = options_add_tls(items, n, options);
	}
	items[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	/* The logger first, so that it hears what the other options lead to. */
	return MHD_start_daemon(flags, 0, NULL, NULL, request_step, server,
				MHD_OPTION_EXTERNAL_LOGGER, server_log, server, MHD_OPTION_ARRAY,
				items, MHD_OPTION_END);
}

static int server_watch(struct weir_http_server *server)
{
	const union MHD_DaemonInfo *fact =
		MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!fact)
		return -EIO;
	server->timer = server->loop->timer(server->loop, 0, 0, server_run, server);
	server->watch = server->loop->watch(server->loop, fact->epoll_fd, server_run, server);
	return server->timer && server->watch ? 0 : -ENOMEM;
}

WEIR_DEFINE_CLEANUP(struct weir_http_server *, weir_http_server_free);

int weir_http_server_new(const struct weir_http_options *options, int listen_fd,
			 struct weir_diag *diag, struct weir_http_server **ret_server)
{
	_cleanup_(weir_http_server_freep) struct weir_http_server *server =
		calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	*server = (struct weir_http_server){
		.loop = options->loop,
		.handler = options->handler,
		.closure = options->closure,
		.counts = options->counts,
		.listen_fd = -1,
		.connections = { .most = options->connections,
				 .most_per_address = options->connections_per_address,
				 .patience_ms = options->idle_ms },
	};
	server->mhd = library_start(server, options, listen_fd);
	if (!server->mhd) {
		weir_diag_error(diag, NULL, "the HTTP server does not start: %s",
				server->message[0] ? server->message : strerror(errno));
		return -EIO;
	}
	int r = server_watch(server);
	if (r < 0) {
		/* The socket stays the caller's on failure: take it back before the library closes
		 * it. */
		MHD_quiesce_daemon(server->mhd);
		return r;
	}
	server->listen_fd = listen_fd;
	*ret_server = weir_take(server);
	return 0;
}

/* The library must not stop while connections sleep: whoever waits is woken, unanswered, to be
 * closed. */
static void server_wake_all(struct weir_http_server *server)
{
	for (struct weir_http_request *request = server->requests; request; request = request->next)
		if (request->is_asleep) {
			request->is_asleep = false;
			MHD_resume_connection(request->mhd);
		}
	for (struct weir_http_stream *stream = server->streams; stream; stream = stream->next)
		weir_http_stream_wake(stream);
}

void weir_http_server_free(struct weir_http_server *server)
{
	if (!server)
		return;
	server->is_wanted = true; /* no more turns: the timer is gone after the next lines */
	server->loop->forget(server->watch);
	server->loop->forget(server->timer);
	if (server->mhd) {
		server_wake_all(server);
		MHD_stop_daemon(server->mhd);
	}
	weir_connections_done(&server->connections);
	free(server);
}

void weir_http_server_retire(struct weir_http_server *server)
{
	if (server->is_retired)
		return;
	server->is_retired = true;
	server->listen_fd = -1;
	int fd = MHD_quiesce_daemon(server->mhd);
	if (fd >= 0)
		close(fd);
	weir_connections_cut_idle(&server->connections);
	server_want(server);
}

int weir_http_server_fd(const struct weir_http_server *server)
{
	return server->listen_fd;
}

unsigned weir_http_server_load(const struct weir_http_server *server)
{
	unsigned count = 0;
	for (const struct weir_connection *c = server->connections.first; c; c = c->next)
		count++;
	return count;
}

void weir_http_server_sweep(struct weir_http_server *server, uint64_t sweep_now_ms)
{
	unsigned cut = weir_connections_sweep(&server->connections, sweep_now_ms);
	if (server->is_retired)
		weir_connections_cut_idle(&server->connections);
	server->counts->rejected[WEIR_HTTP_REJECT_SLOW] += cut;
	if (cut || server->is_retired)
		server_want(server);
}
