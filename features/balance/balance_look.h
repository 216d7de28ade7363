/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at all flows that belong to backends. Each is work for the worker, in its turn among the
 * changes, and the engine knows no other work than calls of operations: so each is an operation
 * that is in no table, and that nobody else can ask for.
 */
#ifndef WEIR_BALANCE_LOOK_H
#define WEIR_BALANCE_LOOK_H

#include "core/ops.h"

struct balance;
struct balance_place;
struct weir_served_flow;

/* The `is_heavy` of such operations. */
bool balance_look_is_heavy(struct weir_engine *engine, const struct weir_call *call);
/* Loop: asks for it on behalf of `door`; whatever becomes of it, `then` frees the call. -ENOMEM:
 * nothing was asked. */
int balance_look_ask(struct weir_engine *engine, const struct weir_op *op, void *door,
		     void (*then)(struct weir_call *call));
/* When the next is due behind one that began then and is over: it costs as much as there are flows,
 * so no more than a twentieth of a processor goes to it; and not before `least_ns`. */
uint64_t balance_look_next(uint64_t began_ns, uint64_t least_ns);
/* Whose the flow is while it is a live one, as the packet programs have it (conn_has_ended());
 * NULL: it is nobody's, or over. */
const struct balance_place *balance_look_living(const struct balance *state,
						const struct weir_served_flow *flow);

#endif
