/* SPDX-License-Identifier: Apache-2.0 */
/* One reading of the maps: sockets that live, those that have ended, and the totals, so that each
 * is in one of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/sockets/sockets_state.h"

#define TRIES 4
#define READ_ROOM 1024

static int total_each(const void *key, const void *value, void *arg)
{
	struct sockets_view *view = arg;

	if (view->total_count == SOCKETS_TOTALS_MAX)
		return 0;
	struct sockets_total_row *row = &view->totals[view->total_count++];

	memcpy(&row->key, key, sizeof(row->key));
	memcpy(&row->total, value, sizeof(row->total));
	return 0;
}

static int total_compare(const void *a, const void *b)
{
	const struct sockets_total_row *one = a, *other = b;

	return memcmp(&one->key, &other->key, sizeof(one->key));
}

const struct sockets_total_row *sockets_total_row(const struct sockets_view *view,
						  const struct sockets_total_key *key)
{
	const struct sockets_total_row wanted = { .key = *key };

	return bsearch(&wanted, view->totals, view->total_count, sizeof(wanted), total_compare);
}

static uint64_t turn_read(struct sockets *state)
{
	uint64_t turn = 0;
	uint32_t zero = 0;

	weir_map_get(weir_tracer_map(state->tracer, "st_sock_turn"), &zero, &turn);
	return turn;
}

/* For flows that ask whose they were, and how it went. */
static void over_add(struct sockets *state, const struct sockets_entry *entry)
{
	sockets_past_take(state, entry);
	sockets_measured_add(state, entry);
}

/* Those that ended since the last time; more than there is room for are gone. */
static void ended_read(struct sockets *state, uint64_t turn)
{
	struct weir_map *map = weir_tracer_map(state->tracer, "st_sock_ended");
	uint64_t from = state->ended_turn;

	if (turn - from > SOCKETS_ENDED_MAX)
		from = turn - SOCKETS_ENDED_MAX;
	for (; from < turn; from++) {
		uint32_t place = (uint32_t)(from % SOCKETS_ENDED_MAX);

		if (weir_map_get(map, &place, &state->ended[place]))
			continue;
		over_add(state, &state->ended[place]);
	}
	state->ended_turn = turn;
}

static bool has_ended(const struct sockets *state, uint64_t cookie, uint64_t from, uint64_t turn)
{
	if (turn - from > SOCKETS_ENDED_MAX)
		from = turn - SOCKETS_ENDED_MAX;
	for (; from < turn; from++)
		if (state->ended[from % SOCKETS_ENDED_MAX].cookie == cookie)
			return true;
	return false;
}

void sockets_unseen_read(struct sockets *state)
{
	uint32_t zero = 0;

	weir_map_get(weir_tracer_map(state->tracer, "st_sock_unseen"), &zero, &state->unseen_total);
}

/* What it had at the look before is in no total of a process; those of the host must not fall. */
static void unseen_sum(struct sockets *state, const struct sockets_entry *entry)
{
	struct sockets_total total;
	uint32_t zero = 0;

	sockets_total_of_live(entry, &total);
	sockets_total_add(&state->unseen_total, &total);
	weir_map_set(weir_tracer_map(state->tracer, "st_sock_unseen"), &zero, &state->unseen_total);
}

/* It ended between this look and the one before. */
static void unseen_add(struct sockets *state, const struct sockets_entry *entry)
{
	struct sockets_entry *unseen = &state->unseen[state->gone++ % SOCKETS_UNSEEN_MAX];

	*unseen = *entry;
	unseen->ended_ns = weir_clock_monotonic_ns();
	over_add(state, unseen);
	unseen_sum(state, entry);
}

/* What ended while it was read is in the totals already; what ended unseen is in none. */
static void live_weed(struct sockets *state, struct sockets_view *view, uint64_t from)
{
	struct sockets_entry *rows = (struct sockets_entry *)view->live.data;
	size_t kept = 0;

	for (size_t i = 0; i < sockets_count(view); i++) {
		if (rows[i].is_gone && !has_ended(state, rows[i].cookie, from, view->turn)) {
			if (!weir_map_del(weir_tracer_map(state->tracer, "st_socks"),
					  &rows[i].cookie))
				unseen_add(state, &rows[i]);
		} else if (!rows[i].is_gone &&
			   !has_ended(state, rows[i].cookie, from, view->turn)) {
			rows[kept++] = rows[i];
		}
	}
	view->live.len = kept * sizeof(*rows);
}

/* Totals, and up to where they have what ended. A socket that ends while they are read may be in
 * the list of those that ended and in no total: they are read once more then. On a host where there
 * is never such a moment that one lacks, until the next look. */
static int totals_read(struct sockets *state, struct sockets_view *view)
{
	struct weir_map *totals = weir_tracer_map(state->tracer, "st_sock_total");
	uint64_t turn = turn_read(state);
	int r = 0;

	for (int tries = 0; tries < TRIES && !r; tries++) {
		view->total_count = 0;
		r = weir_map_each(totals, total_each, view);
		view->turn = turn_read(state);
		if (view->turn == turn)
			break;
		turn = view->turn;
	}
	qsort(view->totals, view->total_count, sizeof(view->totals[0]), total_compare);
	return r;
}

/* What was not looked at began since, and waits for the next look. */
static void live_add(struct sockets_view *view, const struct sockets_entry *entries, int count)
{
	for (int i = 0; i < count; i++)
		if (entries[i].was_looked_at)
			weir_buf_add(&view->live, &entries[i], sizeof(entries[i]));
}

/* A bucket at a time: none is met twice, as one could that is asked for behind another. */
static int live_read(struct sockets *state, struct sockets_view *view)
{
	struct weir_map *map = weir_tracer_map(state->tracer, "st_socks");
	struct weir_map_walk walk = { .is_unlocked = true };
	_cleanup_free_ uint64_t *cookies = calloc(READ_ROOM, sizeof(*cookies));
	_cleanup_free_ struct sockets_entry *entries = calloc(READ_ROOM, sizeof(*entries));

	if (!cookies || !entries)
		return -ENOMEM;
	while (!walk.done) {
		int count = weir_map_walk(map, &walk, cookies, entries, READ_ROOM);

		if (count < 0)
			return count;
		live_add(view, entries, count);
	}
	return view->live.failed ? -ENOMEM : 0;
}

int sockets_view_read(struct sockets *state)
{
	struct sockets_view *view = state->view;
	uint64_t from = turn_read(state);

	weir_buf_clear(&view->live);
	int r = weir_tracer_run(state->tracer, "weir_sock_look");

	if (!r)
		r = live_read(state, view);
	if (!r)
		r = totals_read(state, view);
	if (!r)
		r = weir_map_sum(weir_tracer_map(state->tracer, "ctr_sock"), 0, SOCKETS_SUMS, 1,
				 view->sums);
	ended_read(state, view->turn);
	live_weed(state, view, from);
	return r;
}
