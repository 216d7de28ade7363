/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/stream: what happens, and once a second what was counted, as server-sent events (WHATWG
 * HTML, 9.2). */
#ifndef WEIR_API_SSE_H
#define WEIR_API_SSE_H

#include <stdint.h>

#include "http.h"

struct weir_api;
struct weir_sse;

#define WEIR_SSE_STREAMS_MAX 64
#define WEIR_SSE_QUEUE_MAX \
	256 /* events kept for a client that reads slowly; more are lost, and it is told how many */

int weir_sse_new(const struct weir_api *api, struct weir_sse **ret_sse);
/* After the servers, which close the streams. */
void weir_sse_free(struct weir_sse *sse);
/*
 * Answers with a stream of the events whose kind stands in `kinds`, separated by commas (NULL or
 * empty: all). -EUSERS when there are WEIR_SSE_STREAMS_MAX already, -ENOMEM; then the request is
 * still to be answered.
 */
int weir_sse_open(struct weir_sse *sse, struct weir_http_request *request, const char *kinds);
/* Once a second: heartbeats, and no subscription when nobody listens. */
void weir_sse_tick(struct weir_sse *sse, uint64_t now_ms);
/* Ends every stream: the tokens changed, and whoever still has one may come again. */
void weir_sse_end_all(struct weir_sse *sse);

#endif
