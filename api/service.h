/* SPDX-License-Identifier: Apache-2.0 */
/* struct weir_api as the files of this folder see it. Not for others: they have api.h. */
#ifndef WEIR_API_SERVICE_H
#define WEIR_API_SERVICE_H

#include "api.h"
#include "auth.h"
#include "http.h"
#include "listen.h"
#include "series.h"
#include "sse.h"

/* Those that listen at an address. */
enum weir_api_door {
	WEIR_DOOR_API,
	WEIR_DOOR_METRICS, /* those alone, without tokens */
	WEIR_DOORS,
};

/* What such a door was made from, to tell whether a new configuration changes it. */
struct weir_api_tcp {
	struct weir_http_server *server; /* NULL: off */
	struct weir_listen listen;
	struct weir_buf certificate, key; /* PEM; empty: plain HTTP */
	unsigned connections, connections_per_address;
	uint64_t idle_ms;
};

/* A server that is served out: its address or certificate changed. */
struct weir_api_retired {
	struct weir_http_server *server;
	struct weir_api_retired *next;
	uint64_t until_ms;
};

struct weir_api {
	struct weir_engine *engine;
	struct weir_loop *loop;
	struct weir_watch *second; /* a timer */
	struct weir_tokens *tokens;
	struct weir_http_server *socket;
	struct weir_api_tcp doors[WEIR_DOORS];
	struct weir_api_retired *retired;
	struct weir_http_counts counts;
	struct weir_sse *sse;
	char *socket_path;
	uint64_t socket_inode; /* of what we made there: only that is removed at the end */
	uint64_t request_bytes_max, upload_bytes_max;
	uint64_t upload_bytes_held; /* by uploads under way, as announced */
	char *metrics_prefix;
	uint32_t metrics_series; /* at the most */
	struct weir_series *series;
	bool is_series_loss_told; /* that they cannot be kept */
	bool is_stopping;	  /* whoever asks is told so */
};

/* handler.c: what the socket and the API's address do with a request; closure is the struct
 * weir_api. */
extern const struct weir_http_handler weir_api_handler;
/* scrape.c: what the door of the metrics does; and answers that both give. */
extern const struct weir_http_handler weir_scrape_handler;
void weir_answer_health(struct weir_api *api, struct weir_http_request *request);
void weir_answer_metrics(struct weir_api *api, struct weir_http_request *request);

#endif
