/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of totals make room before there is none: the lightest, whose owners have no socket that
 * lives. What they have is the rest's from then on, so that those that carry most keep a row each,
 * whoever came first. Nothing is lost or counted twice: first programs add to them no longer, then
 * those that were under way are waited for, then the kernel's side moves what does not change.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rank.h"
#include "core/grace.h"
#include "features/sockets/sockets_state.h"

static struct weir_map *leaving(const struct sockets *state)
{
	return weir_tracer_map(state->tracer, "set_sock_leave");
}

static bool *live_find(const struct sockets_view *view)
{
	bool *is_live = calloc(SOCKETS_TOTALS_MAX, sizeof(*is_live));

	for (size_t i = 0; i < sockets_count(view) && is_live; i++) {
		struct sockets_total_key key;

		sockets_key_of(sockets_at(view, i), &key);
		const struct sockets_total_row *row = sockets_total_row(view, &key);

		if (row)
			is_live[row - view->totals] = true;
	}
	return is_live;
}

static bool is_rest(const struct sockets_total_row *row)
{
	return !row->key.comm[0] && !row->key.proto;
}

/* The lightest: by what they lack of the most that there can be. */
static void rows_rank(const struct sockets_view *view, struct weir_rank *rank)
{
	_cleanup_free_ bool *is_live = live_find(view);

	for (size_t i = 0; i < view->total_count && is_live; i++) {
		const struct sockets_total *total = &view->totals[i].total;

		if (!is_live[i] && !is_rest(&view->totals[i]))
			weir_rank_add(rank, &(struct weir_ranked){ .measure = UINT64_MAX -
									      total->bytes_sent -
									      total->bytes_received,
								   .item = (uint32_t)i });
	}
}

static int rows_mark(const struct sockets *state, const struct weir_rank *rank)
{
	const uint64_t leaves = 1;
	int r = 0;

	for (size_t i = 0; i < rank->count && !r; i++)
		r = weir_map_set(leaving(state), &state->view->totals[rank->at[i].item].key,
				 &leaves);
	return r;
}

/* What they have at last, for who had it until now. */
static bool rows_merge(struct sockets *state, const struct weir_rank *rank)
{
	struct weir_map *totals = weir_tracer_map(state->tracer, "st_sock_total");
	_cleanup_free_ struct sockets_total_row *rows = calloc(rank->count, sizeof(*rows));

	for (size_t i = 0; i < rank->count && rows; i++) {
		rows[i].key = state->view->totals[rank->at[i].item].key;
		weir_map_get(totals, &rows[i].key, &rows[i].total);
	}
	if (!rows || weir_tracer_run(state->tracer, "weir_sock_merge"))
		return false;
	for (size_t i = 0; i < rank->count; i++)
		sockets_hands_merge(&state->hands, &rows[i]);
	return true;
}

bool sockets_totals_thin(struct sockets *state)
{
	_cleanup_(weir_rank_done) struct weir_rank rank = { .count = 0 };

	if (state->view->total_count <= SOCKETS_TOTALS_MAX - SOCKETS_LEAVING_MAX ||
	    weir_rank_init(&rank, SOCKETS_LEAVING_MAX))
		return false;
	rows_rank(state->view, &rank);
	if (!rank.count)
		return false;
	bool is_done = !rows_mark(state, &rank) && !weir_grace_wait() && rows_merge(state, &rank);

	sockets_thin_end(state);
	return is_done;
}

struct keys {
	struct sockets_total_key at[SOCKETS_LEAVING_MAX];
	size_t count;
};

static int key_keep(const void *key, const void *value, void *arg)
{
	struct keys *keys = arg;

	(void)value;
	if (keys->count < SOCKETS_LEAVING_MAX)
		memcpy(&keys->at[keys->count++], key, sizeof(keys->at[0]));
	return 0;
}

void sockets_thin_end(struct sockets *state)
{
	struct keys keys = { .count = 0 };

	weir_map_each(leaving(state), key_keep, &keys);
	for (size_t i = 0; i < keys.count; i++)
		weir_map_del(leaving(state), &keys.at[i]);
}
