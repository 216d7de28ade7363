/* SPDX-License-Identifier: Apache-2.0 */
/* struct weir_loop on libuv. */
#ifndef WEIR_DAEMON_LOOP_H
#define WEIR_DAEMON_LOOP_H

#include "../core/loop.h"

struct weir_loop *weir_uv_loop_new(void);
/* After everything that was watched is forgotten. */
void weir_uv_loop_free(struct weir_loop *loop);
/* Until weir_uv_loop_stop(). */
void weir_uv_loop_run(struct weir_loop *loop);
/* Waits for one round of events and handles it. */
void weir_uv_loop_turn(struct weir_loop *loop);
void weir_uv_loop_stop(struct weir_loop *loop);
/* Calls caught(arg, number) on the loop's thread at that signal. */
struct weir_watch *weir_uv_loop_signal(struct weir_loop *loop, int number,
				       void (*caught)(void *arg, int number), void *arg);

#endif
