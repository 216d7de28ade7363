/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine without packets and a loop of poll(2), so that the API is tested alone. The operations
 * are made for the tests: one of each kind and role, one that answers late, one for each way to be
 * refused.
 */
#ifndef WEIR_TESTS_UNIT_API_FAKES_H
#define WEIR_TESTS_UNIT_API_FAKES_H

#include "core/config.h"
#include "core/engine.h"

struct fake_loop;

/* A loop, and an engine on it whose directories are made below a fresh one in /tmp. */
struct weir_loop *fake_loop_new(void);
void fake_loop_free(struct weir_loop *loop);
/* One turn; waits at most so long. */
void fake_loop_turn(struct weir_loop *loop, int wait_ms);

struct weir_engine *fake_engine_new(struct weir_loop *loop, const char *listen);
void fake_engine_free(struct weir_engine *engine);
const char *fake_engine_dir(const struct weir_engine *engine);
struct weir_config *fake_engine_config(struct weir_engine *engine);
/* Counts one more second of traffic and tells the subscribers. */
void fake_engine_tick(struct weir_engine *engine);
void fake_engine_set_revision(struct weir_engine *engine, uint64_t revision);

#endif
