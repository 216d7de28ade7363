/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_active from user space: whose rows are, what comes over to another map, and when all flows
 * are looked at. */
#include "features/balance/balance_active.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "core/engine.h"
#include "features/balance/balance_active_walk.h"
#include "features/balance/balance_look.h"
#include "features/balance/balance_state.h"

#define LOOK_NS WEIR_NS_PER_S

struct balance_actives {
	struct weir_engine *engine;
	struct weir_map_memory memory;
	bool is_looking;
	uint64_t began_ns, next_ns;
};

int balance_actives_new(struct weir_engine *engine, struct balance_actives **ret_actives)
{
	struct balance_actives *actives = engine ? calloc(1, sizeof(*actives)) : NULL;

	if (engine && !actives)
		return -ENOMEM;
	if (actives)
		actives->engine = engine;
	*ret_actives = actives;
	return 0;
}

void balance_actives_free(struct balance_actives *actives)
{
	if (actives)
		weir_map_memory_done(&actives->memory);
	free(actives);
}

static struct balance_active *row_in(const struct weir_map_memory *memory, uint32_t row)
{
	struct balance_active *rows = memory->at;

	return rows && row < memory->bytes / sizeof(*rows) ? &rows[row] : NULL;
}

struct balance_active *balance_actives_row(const struct balance_actives *actives, uint32_t row)
{
	/* One row stands for none: nobody asks for them. */
	bool is_used = actives && actives->memory.bytes > sizeof(struct balance_active);

	return is_used && row ? row_in(&actives->memory, row) : NULL;
}

static uint64_t name_of(const struct weir_map_memory *memory)
{
	return memory->at ? row_in(memory, 0)->owner : 0;
}

static int name_set(const struct weir_map_memory *memory)
{
	uint64_t name = name_of(memory);
	int r = name ? 0 : weir_random_bytes(&name, sizeof(name));

	if (!r)
		row_in(memory, 0)->owner = name | 1;
	return r;
}

/* So that the row says this. Packets may be at it. */
static void row_set(struct balance_active *row, uint64_t count, uint64_t owner)
{
	int64_t error = (int64_t)(count - balance_active_count(row));

	__atomic_fetch_add(&row->base, error, __ATOMIC_RELAXED);
	row->owner = owner;
}

static void rows_bring(const struct weir_map_memory *from, const struct weir_map_memory *to)
{
	const struct balance_active *old;
	struct balance_active *row;

	for (uint32_t i = 1; (old = row_in(from, i)) && (row = row_in(to, i)); i++)
		if (old->owner)
			row_set(row, balance_active_count(old), old->owner);
}

int balance_actives_attach(struct balance_actives *actives, struct weir_object *object)
{
	const struct weir_map *map = weir_object_map(object, "ctr_active");
	struct weir_map_memory memory = { 0 };
	int r = map ? weir_map_memory_open(map, &memory) : -ENOENT;

	if (!r)
		r = name_set(&memory);
	if (r) {
		weir_map_memory_done(&memory);
		return r;
	}
	/* A reload that keeps the map, or one that failed and goes back to it, has the same. */
	if (name_of(&memory) != name_of(&actives->memory))
		rows_bring(&actives->memory, &memory);
	weir_map_memory_done(&actives->memory);
	actives->memory = memory;
	return 0;
}

void balance_actives_own(struct balance_actives *actives, const struct balance_place *place)
{
	struct balance_active *row = balance_actives_row(actives, place->row);

	if (row && row->owner != place->identity)
		row_set(row, 0, place->identity);
}

void balance_actives_live(struct balance_actives *actives)
{
	if (actives)
		actives->next_ns = 0;
}

static void looked(struct weir_call *call)
{
	struct balance_actives *actives = call->door;

	actives->is_looking = false;
	actives->next_ns = balance_look_next(actives->began_ns, LOOK_NS);
	weir_call_free(call);
}

static int look_run(struct weir_engine *engine, struct weir_call *call)
{
	struct balance_actives *actives = call->door;

	actives->began_ns = weir_clock_monotonic_ns();
	return balance_active_look(engine, actives);
}

static const struct weir_op look_op = {
	.name = "balance.look",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_NONE,
	.run = look_run,
	.is_heavy = balance_look_is_heavy,
};

void balance_actives_tick(struct balance_actives *actives, uint64_t now_ns)
{
	if (!balance_actives_row(actives, 1) || actives->is_looking || now_ns < actives->next_ns)
		return;
	actives->began_ns = now_ns;
	actives->is_looking = true; /* it may be over before it is told that it was asked for */
	if (balance_look_ask(actives->engine, &look_op, actives, looked))
		actives->is_looking = false;
}
