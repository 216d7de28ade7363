/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments that the data path gives away since they came ahead of their first: between the ring,
 * what is held (conntrack_held.h), st_ports and the interfaces. */
#ifndef WEIR_CONNTRACK_HOLD_H
#define WEIR_CONNTRACK_HOLD_H

#include "core/engine.h"

struct conntrack_hold;

/* NULL: no memory. */
struct conntrack_hold *conntrack_hold_new(struct weir_engine *engine);
/* What is held is lost. NULL is allowed. */
void conntrack_hold_free(struct conntrack_hold *hold);
/* The maps of an object; `is_on`: connections are followed. */
void conntrack_hold_attach(struct conntrack_hold *hold, struct weir_object *object, bool is_on);
void conntrack_hold_event(struct conntrack_hold *hold, const struct weir_event *event);
/* At each view of the interfaces, once a second at the least. */
void conntrack_hold_watched(struct conntrack_hold *hold);
/* Nothing is held from now on, and what is goes on. */
void conntrack_hold_stop(struct conntrack_hold *hold);
int conntrack_hold_snapshot(const struct conntrack_hold *hold, struct weir_snapshot *snapshot);
/* Members of the open object. */
void conntrack_hold_status(const struct conntrack_hold *hold, struct weir_json_out *json);

#endif
