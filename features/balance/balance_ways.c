/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches whether packets go the ways that the data path remembers (bpf/lib/way.h). Each change
 * that netlink tells of begins a generation, and so does each second, for what it does not tell of:
 * an MTU that a path was found to have, say.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/ways.h"
#include "features/balance/balance_state.h"

#define NS_PER_S 1000000000ULL
#define SECOND_MS 1000
#define WATCHED_FOR_S 2 /* the next second tells that we are there, and may be late */

/* Another than any before, of a daemon before us too: what went by its may still be there. */
static uint32_t change_next(const struct balance_ways *ways)
{
	struct weir_way_watch before = { .changed = ways->changed };
	uint32_t row = 0;

	if (!ways->changed)
		weir_map_get(ways->map, &row, &before);
	return before.changed + 1 ? before.changed + 1 : 1;
}

/* Another generation than any before, of a daemon before us too: the clock has moved since. Of what
 * is remembered for longer (bpf/lib/microflow.h) only a change makes an end. */
static void generation_begin(struct balance *state, bool has_changed)
{
	struct balance_ways *ways = &state->ways;
	uint64_t now_ns = weir_clock_monotonic_ns();
	uint64_t next = now_ns | WEIR_WAYS_BY_SOURCE;

	if (next <= ways->generation)
		next = ways->generation + 2;
	ways->generation = next;
	if (has_changed || !ways->changed)
		ways->changed = change_next(ways);
	struct weir_way_watch watch = {
		.generation = ways->by.by_source ? next : next & ~WEIR_WAYS_BY_SOURCE,
		.changed = ways->changed,
		.onwards = !ways->by.by_more,
		.until_ns = now_ns + WATCHED_FOR_S * NS_PER_S,
	};
	uint32_t row = 0;

	weir_map_set(ways->map, &row, &watch);
}

static void changes_ready(void *arg)
{
	struct balance *state = arg;
	enum weir_ways_change change = weir_ways_read(state->ways.fd, &state->ways.near);

	if (change == WEIR_WAYS_SAME)
		return;
	/* What routes go by is asked for once a second at the most. */
	if (change == WEIR_WAYS_ROUTES)
		state->ways.by.by_source = state->ways.is_stale = true;
	if (state->ways.map)
		generation_begin(state, true);
}

/* The tick waits for a change, and that may take longer than what is remembered lasts. */
static void second_over(void *arg)
{
	struct balance *state = arg;

	if (state->ways.map)
		generation_begin(state, false);
}

static bool watch_begin(struct balance *state)
{
	struct balance_ways *ways = &state->ways;
	struct weir_loop *loop = weir_engine_loop(state->engine);

	if (ways->watch)
		return true;
	_cleanup_close_ int fd = weir_ways_open();

	if (fd < 0)
		return false;
	struct weir_watch *second = loop->timer(loop, SECOND_MS, SECOND_MS, second_over, state);

	ways->watch = second ? loop->watch(loop, fd, changes_ready, state) : NULL;
	if (!ways->watch) {
		loop->forget(second);
		return false;
	}
	ways->second = second;
	ways->fd = weir_take_fd(fd);
	ways->is_stale = true;
	weir_ways_near_ask(&ways->near);
	return true;
}

void balance_ways_end(struct balance *state)
{
	struct balance_ways *ways = &state->ways;

	if (!ways->watch)
		return;
	struct weir_loop *loop = weir_engine_loop(state->engine);

	loop->forget(ways->watch);
	loop->forget(ways->second);
	ways->watch = ways->second = NULL;
	weir_cleanup_close(&ways->fd);
	weir_ways_near_clear(&ways->near);
}

/* Ways are asked for with addresses alone: where those are not all, nothing is sent on. */
static void by_ask(struct balance *state)
{
	bool before = state->ways.by.by_more;

	state->ways.by = weir_ways_ask();
	if (state->ways.by.by_more == before)
		return;
	balance_shortcut_look(state);
	if (state->ways.by.by_more)
		weir_engine_warn(state->engine, weir_balance.name,
				 "`shortcut` is not taken while rules or routes of this host "
				 "(ip rule) go by protocol, ports, mark or class of packets");
}

void balance_ways_look(struct balance *state)
{
	static const struct weir_way_watch none;
	struct balance_ways *ways = &state->ways;
	uint32_t row = 0;

	if (!ways->map || !state->engine)
		return;
	if (!balance_section_of(state)->shortcut || !watch_begin(state)) {
		if (ways->watch)
			weir_map_set(ways->map, &row, &none);
		balance_ways_end(state);
		return;
	}
	if (ways->is_stale) {
		ways->is_stale = false;
		by_ask(state);
	}
	if (!ways->near.is_whole)
		weir_ways_near_ask(&ways->near);
	generation_begin(state, false);
}

void balance_ways_changed(struct balance *state)
{
	if (state->ways.map && state->ways.watch)
		generation_begin(state, true);
}

void balance_flows_gone(void *state)
{
	balance_ways_changed(state);
}
