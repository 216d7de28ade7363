/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an HTTP/1.1 answer from bytes as they come, in pieces of any size. Knows nothing of
 * sockets. */
#ifndef WEIR_CLI_ANSWER_H
#define WEIR_CLI_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define WEIR_ANSWER_HEAD_MAX (64u << 10)

enum weir_answer_state {
	WEIR_ANSWER_HEAD,
	WEIR_ANSWER_LENGTH, /* `left` bytes of body to come */
	WEIR_ANSWER_TO_END, /* body ends with the connection */
	WEIR_ANSWER_CHUNK_SIZE,
	WEIR_ANSWER_CHUNK,     /* `left` bytes of chunk to come */
	WEIR_ANSWER_CHUNK_END, /* the line end behind it */
	WEIR_ANSWER_TRAILER,
	WEIR_ANSWER_DONE,
};

/* Zero-initialise; `body` is called with each piece of body and a non-zero result of it is passed
 * on. */
struct weir_answer_reader {
	enum weir_answer_state state;
	unsigned status;
	uint64_t left;
	struct weir_buf line; /* head or chunk line under way */
	int (*body)(void *arg, unsigned status, const char *bytes, size_t len);
	void *arg;
};

void weir_answer_reader_done(struct weir_answer_reader *reader);
/* -EPROTO: not HTTP/1; else what `body` returned. Bytes after the end are ignored. */
int weir_answer_reader_feed(struct weir_answer_reader *reader, const char *bytes, size_t len);
/* The connection was closed: 0 when the answer was whole, else -EPROTO. */
int weir_answer_reader_end(const struct weir_answer_reader *reader);

#endif
