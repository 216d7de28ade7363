/* SPDX-License-Identifier: Apache-2.0 */
/* The API: every operation of the table over HTTP, on a unix socket and on TCP. All else in this
 * folder is its own business. */
#ifndef WEIR_API_API_H
#define WEIR_API_API_H

#include "../base/diag.h"
#include "../core/config.h"
#include "../core/engine.h"

struct weir_api;

/*
 * Listens on RUN_DIR/weir.sock and on api.listen of the engine's configuration, on its loop. Tokens
 * are read from, or made in, STATE_DIR/tokens.json. A unix socket that cannot be had is an error; a
 * TCP address that cannot be had is too, since whoever configured it expects it. The process must
 * ignore SIGPIPE.
 */
int weir_api_new(struct weir_engine *engine, struct weir_diag *diag, struct weir_api **ret_api);
/*
 * A configuration went live, or SIGHUP came: reads tokens and certificate again, and listens where
 * it says now. Requests under way are served to their end. On failure everything stays as it was,
 * and diag says why; also safe from within a request.
 */
int weir_api_reconfigure(struct weir_api *api, const struct weir_config *config,
			 struct weir_diag *diag);
/* From now on whoever asks is told that the daemon stops; calls under way are answered. NULL is
 * allowed. */
void weir_api_stop(struct weir_api *api);
/* Before the engine is freed. NULL is allowed. */
void weir_api_free(struct weir_api *api);

#endif
