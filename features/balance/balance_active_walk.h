/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEIR_BALANCE_ACTIVE_WALK_H
#define WEIR_BALANCE_ACTIVE_WALK_H

struct weir_engine;
struct balance_actives;

/* Looks at all flows, and mends what is known of each backend's. Worker. -ENOMEM. */
int balance_active_look(struct weir_engine *engine, struct balance_actives *actives);

#endif
