/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backends that were taken out of a service, by a command or in the file, and have connections yet:
 * they get nothing new, are checked by nobody, and are forgotten once nothing lives. Meanwhile each
 * is a row of run time, the last of its service, and gives way to whoever else wants its place.
 */
#ifndef WEIR_BALANCE_LEAVE_H
#define WEIR_BALANCE_LEAVE_H

#include <stdbool.h>
#include <stdint.h>

struct balance;
struct balance_runtime;
struct balance_section;
struct weir_config;

struct balance_leave {
	struct balance_runtime *next; /* with those of what is compiled; NULL: there are none */
	bool is_asking, is_idle;      /* is_idle: somebody has left */
	uint64_t began_ns, next_ns;
};

void balance_leave_done(struct balance_leave *leave);
/* What is live, or was when the last daemon ended. NULL: nobody knows. */
const struct weir_config *balance_leave_from(const struct balance *state);
/* Worker: run time as it will be with another configuration than the one there was, where some of
 * the backends are no more. Kept till balance_leave_live(). -ENOMEM. */
int balance_leave_next(struct balance *state, const struct balance_section *was,
		       const struct balance_section *section);
/* Loop: what was compiled with it is live. True: run time is another. */
bool balance_leave_live(struct balance *state);
/* Loop, once a second or so. */
void balance_leave_tick(struct balance *state, uint64_t now_ns);

#endif
