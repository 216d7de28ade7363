/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that come over when the tables get another size: whether they have room, and the copying of
 * those that no packet has fetched (conntrack_old.bpf.h). */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_carried.h"
#include "features/conntrack/conntrack_idle.h"
#include "features/conntrack/conntrack_state.h"

static const char *const table_names[CONNTRACK_TABLES] = {
	[CONNTRACK_TABLE_PROVEN] = "flows that have proven themselves",
	[CONNTRACK_TABLE_HALF] = "half-open flows",
};

static const char *const table_keys[CONNTRACK_TABLES] = {
	[CONNTRACK_TABLE_PROVEN] = "conntrack.capacity",
	[CONNTRACK_TABLE_HALF] = "conntrack.half-open",
};

bool conntrack_table_stays(const struct conntrack *state, int kind)
{
	return state->old[kind].set_count == state->tables[kind].set_count;
}

/* Into more places go more flows than a table is for: sets are full to fifteen places of sixteen
 * before one is left without. Half-open ones have one set, and make room there as ever. */
static bool has_places(const struct conntrack *state, int kind, uint32_t stored)
{
	uint32_t sets = state->tables[kind].set_count;

	return sets > state->old[kind].set_count &&
	       stored <= (uint64_t)sets * CONNTRACK_WAYS * 15 / 16;
}

static int table_fits(struct conntrack *state, int kind, uint32_t capacity, bool drops,
		      struct weir_diag *diag)
{
	uint32_t stored = conntrack_table_count(&state->old[kind], conntrack_now());

	state->room[kind] = UINT32_MAX;
	if (stored <= capacity || has_places(state, kind, stored))
		return 0;
	if (drops) {
		state->room[kind] = capacity;
		weir_diag_warning_key(
			diag, table_keys[kind], NULL,
			"%u %s are tracked, %u have room: up to %u, those not seen for "
			"the longest time, are forgotten",
			stored, table_names[kind], capacity, stored - capacity);
		return 0;
	}
	weir_diag_key(diag, table_keys[kind],
		      "write a larger number, or add --drop-oldest: those not seen for the longest "
		      "time are forgotten",
		      "%u %s are tracked, and %u would have room", stored, table_names[kind],
		      capacity);
	return -ENOSPC;
}

int conntrack_fits(void *data, const struct weir_config *config, bool drops, struct weir_diag *diag)
{
	const struct conntrack_section *section =
		config->sections[weir_feature_index(&weir_conntrack)];
	const uint32_t capacities[CONNTRACK_TABLES] = {
		[CONNTRACK_TABLE_PROVEN] = section->capacity,
		[CONNTRACK_TABLE_HALF] = section->half_open,
	};
	struct conntrack *state = data;
	int r = 0;

	/* Where nothing is tracked any more there is nothing to keep. */
	for (int i = 0; i < CONNTRACK_TABLES && state->is_on && !r; i++)
		if (!conntrack_table_stays(state, i))
			r = table_fits(state, i, capacities[i], drops, diag);
	return r;
}

struct idles {
	const struct conntrack *state;
	uint32_t now;
	uint32_t *at;
	uint32_t count, room;
};

static int idle_add(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct idles *idles = arg;

	(void)index;
	if (idles->count < idles->room)
		idles->at[idles->count++] =
			conntrack_idle_ticks(&idles->state->past, flow, idles->now);
	return 0;
}

static int idle_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* How long a flow may have been idle to be among the `keep` freshest. Out of memory: all are as
 * good as each other, and those that come too late find no room. */
static uint32_t idle_limit(const struct conntrack *state, const struct conntrack_table *table,
			   uint32_t now, uint32_t keep)
{
	uint32_t stored = conntrack_table_count(table, now);

	if (stored <= keep || !keep)
		return UINT32_MAX;
	_cleanup_free_ uint32_t *at = calloc(stored, sizeof(*at));
	struct idles idles = { state, now, at, 0, at ? stored : 0 };

	conntrack_table_each(table, now, idle_add, &idles);
	if (idles.count <= keep)
		return UINT32_MAX;
	qsort(at, idles.count, sizeof(*at), idle_compare);
	return at[keep - 1];
}

struct moving {
	struct conntrack *state;
	struct weir_settling *settling;
	struct conntrack_table *to;
	uint32_t now, idle_limit, left; /* room for so many more */
};

/* -EEXIST: it is there, and has what it was seen to do. */
static int flow_bring(struct moving *moving, const struct conntrack_flow *flow,
		      struct conntrack_place *ret_place)
{
	struct conntrack *state = moving->state;
	const struct conntrack_table *proven = &state->tables[CONNTRACK_TABLE_PROVEN];

	if (moving->to != proven &&
	    conntrack_table_has(proven, &flow->key, state->seed, moving->now))
		return -EEXIST; /* it has proven itself since */
	if (conntrack_table_has(moving->to, &flow->key, state->seed, moving->now))
		return -EEXIST;
	bool has_room = moving->left &&
			conntrack_idle_ticks(&state->past, flow, moving->now) <= moving->idle_limit;
	return has_room ?
		       conntrack_table_put(moving->to, flow, state->seed, moving->now, ret_place) :
		       -ENOSPC;
}

/* What packets showed of a flow where it was, after it had been copied: it has gone from there with
 * the word of `last`. */
static void flow_catch_up(const struct moving *moving, const struct conntrack_flow *from,
			  struct conntrack_flow *last)
{
	uint32_t word = last->word;

	*last = *from;
	last->word = word;
	conntrack_table_merge(moving->to, last, moving->state->seed, moving->now);
}

struct inheritance {
	const struct moving *moving;
	const struct conntrack_flow *flow;
};

/* What a flow carried goes where it is now; false: it is nowhere. */
static bool heir_find(struct conntrack_heir *heir)
{
	const struct inheritance *of = heir->arg;
	struct conntrack *state = of->moving->state;

	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		struct conntrack_flow found;
		uint32_t index;

		if (!conntrack_table_find(&state->tables[i], &of->flow->key, state->seed,
					  of->moving->now, &found, &index) ||
		    found.born != of->flow->born)
			continue;
		heir->table = &state->tables[i];
		heir->place = (struct conntrack_place){ index, found.word };
		return true;
	}
	return false;
}

static int flow_move(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct moving *moving = arg;
	struct conntrack_table *from = &moving->state->old[moving->to->kind];

	moving->settling->done++;
	if (!conntrack_table_take(from, index, flow->word))
		return 0; /* a packet brought it over, or its ends have begun another */
	const struct inheritance inheritance = { moving, flow };
	struct conntrack_heir heir = { .table = moving->to,
				       .find = heir_find,
				       .arg = &inheritance };
	struct conntrack_flow last;
	int r = flow_bring(moving, flow, &heir.place);
	const struct conntrack_place copy = heir.place;
	bool has_heir = r == 0 || (r == -EEXIST && heir_find(&heir));
	bool was_there = conntrack_table_let_go(from, index, flow->word, has_heir ? &heir : NULL,
						&last.word);

	if (was_there && r != -ENOSPC)
		flow_catch_up(moving, &from->flows[index], &last);
	if (r == 0 && !was_there) {
		/* Its ends have begun another, or it was flushed. Not by its ends: of those the
		 * other is found, once it has a place here. */
		conntrack_table_take_back(moving->to, &copy);
	} else if (r == 0) {
		moving->settling->moved++;
		moving->left--;
	} else if (r == -ENOSPC) {
		moving->settling->dropped++;
	}
	return 0;
}

int conntrack_turn(void *data)
{
	struct conntrack *state = data;
	struct conntrack_shared shared = {};
	uint32_t zero = 0;

	/* One store of a row that nobody else writes; the seed in it stays. */
	int r = weir_map_get(state->shared, &zero, &shared);

	shared.is_turned = 1;
	return r ? r : weir_map_set(state->shared, &zero, &shared);
}

/* Of tables that go: what is left in them was carried by flows that are past their time, or found
 * no room. */
static void sums_close(struct conntrack *state)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		if (!conntrack_table_stays(state, i) || !state->tables[i].sums)
			conntrack_sums_close(&state->old[i], state->is_on ?
								     CONNTRACK_CAUSE_NO_ROOM :
								     CONNTRACK_CAUSE_OFF);
}

void conntrack_settle(void *data, struct weir_settling *settling)
{
	struct conntrack *state = data;
	uint32_t now = conntrack_now();

	for (int i = 0; i < CONNTRACK_TABLES && !state->is_on; i++)
		settling->forgotten += conntrack_table_count(&state->old[i], now);
	if (!state->is_on)
		return sums_close(state);
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		if (!conntrack_table_stays(state, i))
			settling->total += conntrack_table_count(&state->old[i], now);
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		uint32_t there = conntrack_table_count(&state->tables[i], now);
		struct moving moving = {
			.state = state,
			.settling = settling,
			.to = &state->tables[i],
			.now = now,
			.idle_limit = idle_limit(state, &state->old[i], now, state->room[i]),
			.left = state->room[i] > there ? state->room[i] - there : 0,
		};

		if (!conntrack_table_stays(state, i))
			conntrack_table_each(&state->old[i], now, flow_move, &moving);
	}
	sums_close(state);
}
