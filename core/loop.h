/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine and the API need of an event loop. daemon/loop.c gives it on libuv; tests give
 * their own. */
#ifndef WEIR_CORE_LOOP_H
#define WEIR_CORE_LOOP_H

#include <stdint.h>

struct weir_watch; /* a watched descriptor or a timer, owned by the loop until weir_loop.forget */

struct weir_loop {
	/* Calls ready(arg) on the loop's thread whenever fd is readable. NULL when out of memory.
	 * The fd stays the caller's. */
	struct weir_watch *(*watch)(struct weir_loop *loop, int fd, void (*ready)(void *arg),
				    void *arg);
	/* Calls due(arg) after first_ms, then every repeat_ms (0 = once, but it can be set again
	 * with rearm). */
	struct weir_watch *(*timer)(struct weir_loop *loop, uint64_t first_ms, uint64_t repeat_ms,
				    void (*due)(void *arg), void *arg);
	void (*rearm)(struct weir_watch *timer, uint64_t first_ms, uint64_t repeat_ms);
	/* Stops and frees it. NULL is allowed. */
	void (*forget)(struct weir_watch *watch);
	/* Runs work(arg) on another thread, then done(arg) on the loop's thread. */
	int (*work)(struct weir_loop *loop, void (*work)(void *arg), void (*done)(void *arg),
		    void *arg);
};

#endif
