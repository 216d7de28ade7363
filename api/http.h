/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server on one listening socket, driven by a weir_loop. Knows requests and answers;
 * not routes, tokens or JSON. Everything happens on the loop's thread. Only http.c includes
 * <microhttpd.h>.
 */
#ifndef WEIR_API_HTTP_H
#define WEIR_API_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/buf.h"
#include "../base/diag.h"
#include "../core/loop.h"

#define WEIR_HTTP_STATUS_MAX 600
#define WEIR_HTTP_HEADERS_MAX 12 /* that an answer can be given */

struct weir_http_server;
struct weir_connection;
struct MHD_Connection;

/* Why a request or a connection was turned away before it reached an operation. */
enum weir_http_rejection {
	WEIR_HTTP_REJECT_TOKEN,	     /* none, or a wrong one */
	WEIR_HTTP_REJECT_ROLE,	     /* a right one that may not do this */
	WEIR_HTTP_REJECT_HOST,	     /* Host names another machine: DNS rebinding */
	WEIR_HTTP_REJECT_ORIGIN,     /* sent by a page of another site */
	WEIR_HTTP_REJECT_SIZE,	     /* body too large */
	WEIR_HTTP_REJECT_CONNECTION, /* past the bound, cut in favour of another */
	WEIR_HTTP_REJECT_SLOW,	     /* cut for taking too long */
	WEIR_HTTP_REJECT_STREAM,     /* too many event streams */
	WEIR_HTTP_REJECTIONS,
};

/* Shared by all servers of the API; only grows. */
struct weir_http_counts {
	uint64_t answers[WEIR_HTTP_STATUS_MAX];
	uint64_t rejected[WEIR_HTTP_REJECTIONS];
};

struct weir_http_header {
	const char *name; /* a literal */
	char *value;
};

/* An answer without end, written as things happen. Zero-initialise, fill in the first three, embed
 * in what you need besides. */
struct weir_http_stream {
	/* Copies at most `max` bytes. 0: nothing for now, read again after weir_http_stream_wake();
	 * -1: the stream ends. */
	ssize_t (*read)(struct weir_http_stream *stream, char *bytes, size_t max);
	/* The client has gone, or the stream has ended: free it. Called exactly once. */
	void (*closed)(struct weir_http_stream *stream);
	struct MHD_Connection *mhd;
	struct weir_http_server *server;
	struct weir_http_stream *next;
	bool is_asleep;
};

struct weir_http_request {
	struct weir_http_server *server;
	const char *method; /* "GET" */
	const char *path;   /* without the query, %XX decoded */
	void *closure;	    /* the handler's, of the server */
	uint64_t body_max;  /* bytes; set it in begin(); 0 = no body is taken */
	uint64_t announced; /* bytes of body its head speaks of; UINT64_MAX when chunked */
	struct weir_buf body;
	void *job;			    /* the handler's, of this request */
	struct weir_connection *connection; /* the other end; NULL when memory was short */

	/* http.c's own. */
	struct MHD_Connection *mhd;
	struct weir_http_request *next;
	struct weir_http_header headers[WEIR_HTTP_HEADERS_MAX];
	size_t header_count;
	struct weir_buf answer;
	struct weir_http_stream *stream;
	const char *type;
	unsigned status; /* 0 = not answered yet */
	uint64_t discarded_bytes;
	bool is_handled, is_asleep;
};

/* What a server does with requests. begin and complete may answer; one that completes unanswered
 * waits for weir_http_answer(). */
struct weir_http_handler {
	/* The head is in. Answering here refuses the request without taking its body. */
	void (*begin)(struct weir_http_request *request);
	/* The body is larger than body_max; must answer. */
	void (*too_large)(struct weir_http_request *request);
	/* The body is in; not called when begin or too_large answered. */
	void (*complete)(struct weir_http_request *request);
	/* The request is about to be freed. */
	void (*gone)(struct weir_http_request *request);
};

struct weir_http_options {
	struct weir_loop *loop;
	const struct weir_http_handler *handler; /* borrowed */
	void *closure;				 /* for request->closure */
	struct weir_http_counts *counts;	 /* borrowed */
	unsigned connections;
	unsigned connections_per_address; /* 0 = no bound */
	uint64_t idle_ms;		  /* least 1000 */
	size_t memory_bytes;		  /* of a connection: bounds the head of a request */
	const char *certificate, *key;	  /* PEM text for TLS; NULL = plain. Copied */
};

/* Serves listen_fd, which it takes over on success. On failure diag says why. */
int weir_http_server_new(const struct weir_http_options *options, int listen_fd,
			 struct weir_diag *diag, struct weir_http_server **ret_server);
/* Closes all connections, answered or not. Not from within a handler. */
void weir_http_server_free(struct weir_http_server *server);
/* Stops listening and closes idle connections; those under way are served to their end. */
void weir_http_server_retire(struct weir_http_server *server);
/* The listening socket, to be duplicated; -1 when retired. */
int weir_http_server_fd(const struct weir_http_server *server);
/* Connections there are. */
unsigned weir_http_server_load(const struct weir_http_server *server);
/* Once a second: cuts those who are too slow. */
void weir_http_server_sweep(struct weir_http_server *server, uint64_t now_ms);

/* A header of the request, or NULL. The value of a repeated one is the first. */
const char *weir_http_request_header(const struct weir_http_request *request, const char *name);
/*
 * Calls `each` for every argument of the query, decoded, until it returns non-zero, which is
 * returned. `value` is NULL for a name without "="; value_len tells a value with a NUL in it from
 * the shorter text it would pass for.
 */
int weir_http_request_query(const struct weir_http_request *request,
			    int (*each)(void *arg, const char *name, size_t name_len,
					const char *value, size_t value_len),
			    void *arg);
/* Adds a header to the coming answer; `name` is a literal, the value is copied. */
void weir_http_answer_header(struct weir_http_request *request, const char *name,
			     const char *value);
/* Answers; takes the content of body (NULL: none), whose media type is the literal `type`. Once a
 * request. */
void weir_http_answer(struct weir_http_request *request, unsigned status, const char *type,
		      struct weir_buf *body);
/* Answers 200 with a stream, which now belongs to the server. */
void weir_http_answer_stream(struct weir_http_request *request, const char *type,
			     struct weir_http_stream *stream);
/* There is something to read, or the stream is to end. Cheap to call again. */
void weir_http_stream_wake(struct weir_http_stream *stream);

#endif
