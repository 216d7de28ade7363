/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections backends have now, where a service chooses by it. Packets show where one
 * begins and, of most of TCP, where it ends; flows that end unseen are found by looking at all of
 * them, about once a second.
 */
#ifndef WEIR_BALANCE_ACTIVE_H
#define WEIR_BALANCE_ACTIVE_H

#include "core/map.h"
#include "features/balance/balance.h"

struct weir_engine;
struct balance_place;

/* What a look at all flows found of a backend, and what packets showed meanwhile. */
struct balance_found {
	uint64_t seen;	       /* flows, each looked at at some time of it */
	uint64_t begun, ended; /* while it took place */
};

/* What is to be added to `base`: 0 where `count`, as it is by now, may be true by what was found,
 * else as little as makes it so. */
int64_t balance_active_error(uint64_t count, const struct balance_found *found);

struct balance_actives;
int balance_actives_new(struct weir_engine *engine, struct balance_actives **ret_actives);
void balance_actives_free(struct balance_actives *actives);
/* The map of a new object: where it is another one, counts are carried over. */
int balance_actives_attach(struct balance_actives *actives, struct weir_object *object);
/* A backend's row is its own from now on. */
void balance_actives_own(struct balance_actives *actives, const struct balance_place *place);
/* What policy packets go by may be another: it is looked soon. */
void balance_actives_live(struct balance_actives *actives);
/* Loop's thread. */
void balance_actives_tick(struct balance_actives *actives, uint64_t now_ns);
/* The row, or NULL. Of the memory that is shared with packets. */
struct balance_active *balance_actives_row(const struct balance_actives *actives, uint32_t row);

#endif
