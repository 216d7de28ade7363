/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 to the daemon over its unix socket, one request a connection: as much of the protocol as
 * that needs and no more. Blocking; every wait has an end.
 */
#ifndef WEIR_CLI_CLIENT_H
#define WEIR_CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/diag.h"

#define WEIR_ANSWER_BYTES_MAX (1ull << 30)

struct weir_request {
	const char *socket;	  /* path */
	const char *method;	  /* "GET" */
	const char *target;	  /* "/api/v1/block/list?limit=5", escaped already */
	const char *content_type; /* NULL: no body */
	const void *body;	  /* in memory … */
	size_t body_len;
	int body_fd;		/* … or, when body is NULL, read from here up to its end */
	int64_t body_fd_size;	/* bytes there, or -1: unknown, sent in chunks */
	const uint64_t *expect; /* revision for If-Match, or NULL */
	uint64_t timeout_ms;	/* of silence, in either direction */
	/* Called now and then while the body goes out and while the answer is waited for. May be
	 * NULL. */
	void (*progress)(void *arg, uint64_t sent_bytes, bool all_sent);
	/* Called with each piece of a 2xx body as it comes, which is then not collected; non-zero
	 * ends it. May be NULL. */
	int (*piece)(void *arg, const char *bytes, size_t len);
	void *arg;
};

struct weir_answer {
	unsigned status;
	uint64_t sent_bytes; /* of the request's body */
	struct weir_buf body;
};

void weir_answer_done(struct weir_answer *answer);
#define _cleanup_answer_ __attribute__((cleanup(weir_answer_done)))

/*
 * Sends the request and reads the whole answer, whatever its status. Errors, each with a sentence
 * in diag: -ENOENT and -ECONNREFUSED nobody listens there, -EACCES not allowed to, -ETIMEDOUT,
 * -EPROTO no HTTP or cut short, -EIO the body could not be read, what `piece` returned, or another
 * -errno.
 */
int weir_client_ask(const struct weir_request *request, struct weir_diag *diag,
		    struct weir_answer *ret_answer);
/* Appends `text` as it stands in a query: all but letters, digits and -._~ as %XX. */
void weir_query_add_escaped(struct weir_buf *query, const char *text);

#endif
