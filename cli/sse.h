/* SPDX-License-Identifier: Apache-2.0 */
/* Reads server-sent events (WHATWG HTML, 9.2) from bytes as they come. */
#ifndef WEIR_CLI_SSE_H
#define WEIR_CLI_SSE_H

#include <stddef.h>

#include "base/buf.h"

#define WEIR_SSE_EVENT_MAX (1u << 20)

/* Zero-initialise and set `event`, which gets the kind ("message" when none was given) and the
 * data; non-zero of it is passed on. */
struct weir_sse {
	struct weir_buf line;
	struct weir_buf kind;
	struct weir_buf data;
	int (*event)(void *arg, const char *kind, const char *data, size_t len);
	void *arg;
};

void weir_sse_done(struct weir_sse *sse);
/* -E2BIG for an event past WEIR_SSE_EVENT_MAX. */
int weir_sse_feed(struct weir_sse *sse, const char *bytes, size_t len);

#endif
