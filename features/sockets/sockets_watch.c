/* SPDX-License-Identifier: Apache-2.0 */
/* Switching the watching on and off, and reading what is known of sockets about once a second. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/sockets/sockets_state.h"

#define WALK_EVERY_NS (5 * WEIR_NS_PER_S) /* sockets may be handed on */
#define TRIES 4
#define READ_ROOM 1024
#define SHARE 20 /* reading takes at most one part of so many of the time */

static const struct weir_trace_program programs[] = {
	{ "weir_sock_state", "inet_sock_set_state", WEIR_TRACE_TRACEPOINT, .is_optional = false },
	{ "weir_sock_state_nested", "inet_sock_set_state", WEIR_TRACE_TRACEPOINT,
	  .is_optional = false },
	{ "weir_sock_destroy", "tcp_destroy_sock", WEIR_TRACE_TRACEPOINT, .is_optional = false },
	{ "weir_sock_synack", "tcp_retransmit_synack", WEIR_TRACE_TRACEPOINT, .is_optional = true },
	{ "weir_sock_rst_out", "tcp_send_reset", WEIR_TRACE_TRACEPOINT, .is_optional = true },
	{ "weir_sock_rst_in", "tcp_receive_reset", WEIR_TRACE_TRACEPOINT, .is_optional = true },
	{ "weir_sock_segment", "tcp_probe", WEIR_TRACE_TRACEPOINT, .is_optional = true },
	{ "weir_sock_read", "tcp_rcv_space_adjust", WEIR_TRACE_TRACEPOINT, .is_optional = true },
	{ "weir_sock_udp4", "connect4", WEIR_TRACE_CGROUP, .is_optional = true },
	{ "weir_sock_udp6", "connect6", WEIR_TRACE_CGROUP, .is_optional = true },
	{ "weir_sock_release", "sock_release", WEIR_TRACE_CGROUP, .is_optional = true },
	{ "weir_sock_look", NULL, WEIR_TRACE_ITERATOR, .is_optional = false },
	{ "weir_sock_files", NULL, WEIR_TRACE_ITERATOR, .is_optional = false },
	{ 0 },
};

static const char *const maps[] = {
	"cfg_trace_socks", "cfg_sock_walk",  "st_socks", "st_sock_ended", "st_sock_turn",
	"st_sock_total",   "st_sock_cgroup", "ctr_sock", "tmp_sock_step", NULL
};

static const char *pin_dir_of(const struct sockets *state)
{
	return weir_engine_options(state->engine)->pin_dir;
}

void sockets_watch_end(struct sockets *state)
{
	weir_tracer_free(state->tracer);
	state->tracer = NULL;
	if (state->view)
		weir_buf_done(&state->view->live);
	free(state->view);
	free(state->ended);
	free(state->unseen);
	sockets_past_free(state->past);
	weir_flow_past_free(state->measured);
	free(state->index.rows);
	state->index = (struct sockets_index){ 0 };
	sockets_hands_done(&state->hands);
	state->view = NULL;
	state->ended = state->unseen = NULL;
	state->past = NULL;
	state->measured = NULL;
	state->ended_turn = state->walked_ns = 0;
	sockets_cgroups_done(&state->cgroups);
}

static void plan_make(struct sockets *state)
{
	state->constants = (struct sockets_constants){ .all_namespaces = state->all_namespaces };
	state->named[0] = (struct weir_trace_constant){ "sockets_constants", &state->constants,
							sizeof(state->constants) };
	state->plan = (struct weir_trace_plan){ "cfg_trace_socks", programs, maps, state->named };
}

/* The row of totals for what has none, before there is no room for it. */
static int rest_make(struct weir_map *totals)
{
	const struct sockets_total_key key = { .cgroup = 0 };
	struct sockets_total total = { .sockets = 0 };

	return weir_map_get(totals, &key, &total) == -ENOENT ? weir_map_set(totals, &key, &total) :
							       0;
}

/* Steps that the second program took, since ever. */
static uint64_t nested_read(struct sockets *state)
{
	uint64_t nested = 0;

	weir_map_sum(weir_tracer_map(state->tracer, "tmp_sock_step"), SOCKETS_STEP_NESTED, 1, 1,
		     &nested);
	return nested;
}

/* What no program took, since this daemon's were attached. */
static uint64_t missed_read(struct sockets *state)
{
	uint64_t missed = weir_tracer_missed(state->tracer),
		 nested = nested_read(state) - state->nested_before;

	return missed > nested ? missed - nested : 0;
}

static int watch_begin(struct sockets *state, struct weir_diag *diag)
{
	_cleanup_(weir_kernel_types_freep) struct weir_kernel_types *types = NULL;
	int r = weir_kernel_types_new(diag, &types);

	if (r)
		return r;
	sockets_cgroups_init(&state->cgroups);
	state->view = calloc(1, sizeof(*state->view));
	state->ended = calloc(SOCKETS_ENDED_MAX, sizeof(*state->ended));
	state->unseen = calloc(SOCKETS_UNSEEN_MAX, sizeof(*state->unseen));
	state->past = sockets_past_new();
	state->measured = weir_flow_past_new(SOCKETS_PAST_MAX);
	if (!state->view || !state->ended || !state->unseen || !state->past || !state->measured)
		return -ENOMEM;
	plan_make(state);
	r = weir_tracer_new(pin_dir_of(state), types, &state->plan, diag, &state->tracer);
	if (r)
		return r;
	state->nested_before = nested_read(state);
	return rest_make(weir_tracer_map(state->tracer, "st_sock_total"));
}

static void watch_switch_on(struct sockets *state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = watch_begin(state, &diag);

	state->why[0] = '\0';
	if (!r) {
		sockets_tick(state, weir_clock_monotonic_ns());
		return;
	}
	snprintf(state->why, sizeof(state->why), "%s", weir_diag_why(&diag, r));
	sockets_watch_end(state);
	weir_engine_warn(state->engine, "sockets", "sockets are not watched: %s", state->why);
}

/* Off, at the first look too: a daemon before may have left its programs on. */
void sockets_live(void *data, const struct weir_config *config)
{
	struct sockets *state = data;
	const struct sockets_section *section = config->sections[weir_feature_index(&weir_sockets)];

	if (!state->engine || (state->was_asked && state->is_on == section->enabled &&
			       state->all_namespaces == section->all_namespaces))
		return;
	state->was_asked = true;
	state->is_on = section->enabled;
	state->all_namespaces = section->all_namespaces;
	sockets_watch_end(state);
	state->why[0] = '\0';
	plan_make(state);
	if (state->is_on)
		watch_switch_on(state);
	else
		weir_tracer_remove(pin_dir_of(state), &state->plan);
}

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

static bool is_late(uint64_t since_ns, uint64_t took_ns, uint64_t now_ns)
{
	return now_ns - since_ns >= SHARE * took_ns;
}

static bool has_unowned(const struct sockets_view *view)
{
	for (size_t i = 0; i < sockets_count(view); i++)
		if (sockets_at(view, i)->by == SOCKETS_BY_NOBODY)
			return true;
	return false;
}

/* All files of all processes: who has which socket, and sockets that were there before. Whether it
 * was done. */
static bool files_walk(struct sockets *state)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	uint32_t zero = 0;

	if (state->walked_ns &&
	    (!is_late(state->walked_ns, state->walk_took_ns, now_ns) ||
	     (now_ns - state->walked_ns < WALK_EVERY_NS && !has_unowned(state->view))))
		return false;
	if (weir_map_set(weir_tracer_map(state->tracer, "cfg_sock_walk"), &zero, &now_ns))
		return false;
	weir_tracer_run(state->tracer, "weir_sock_files");
	state->walked_ns = now_ns;
	state->walk_took_ns = weir_clock_monotonic_ns() - now_ns;
	return true;
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

/* It ended between this look and the one before. */
static void unseen_add(struct sockets *state, const struct sockets_entry *entry)
{
	struct sockets_entry *unseen = &state->unseen[state->gone++ % SOCKETS_UNSEEN_MAX];

	*unseen = *entry;
	unseen->ended_ns = weir_clock_monotonic_ns();
	over_add(state, unseen);
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

static int view_read(struct sockets *state)
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
	view->missed = missed_read(state);
	return r;
}

static void owners_find(struct sockets *state, const struct sockets_entry *ended, size_t most)
{
	struct weir_map *names = weir_tracer_map(state->tracer, "st_sock_cgroup");

	for (size_t i = 0; i < most; i++) {
		const struct sockets_process *owner =
			ended[i].cookie ? sockets_owner(&ended[i]) : NULL;

		if (owner)
			sockets_cgroup_find(&state->cgroups, owner->cgroup, names);
	}
}

/* All that may be asked for, now: who asks may be a worker, which changes nothing. */
static void cgroups_find(struct sockets *state)
{
	struct weir_map *names = weir_tracer_map(state->tracer, "st_sock_cgroup");
	const struct sockets_view *view = state->view;

	for (size_t i = 0; i < sockets_count(view); i++) {
		const struct sockets_process *owner = sockets_owner(sockets_at(view, i));

		if (owner)
			sockets_cgroup_find(&state->cgroups, owner->cgroup, names);
	}
	for (size_t i = 0; i < view->total_count; i++)
		sockets_cgroup_find(&state->cgroups, view->totals[i].key.cgroup, names);
	owners_find(state, state->ended, SOCKETS_ENDED_MAX);
	owners_find(state, state->unseen, SOCKETS_UNSEEN_MAX);
}

static void read_all(struct sockets *state, uint64_t now_ns)
{
	view_read(state);
	cgroups_find(state);
	state->view->read_ns = now_ns;
	state->view->took_ns = weir_clock_monotonic_ns() - now_ns;
}

static void refresh(struct sockets *state)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (!state->tracer || !is_late(state->view->read_ns, state->view->took_ns, now_ns))
		return;
	sockets_hands_note(&state->hands, state->view);
	read_all(state, now_ns);
	if (files_walk(state))
		read_all(state, weir_clock_monotonic_ns());
	sockets_hands_compare(&state->hands, state);
}

void sockets_refresh(struct sockets *state)
{
	if (weir_engine_is_idle(state->engine))
		refresh(state);
}

void sockets_tick(void *data, uint64_t now_ns)
{
	(void)now_ns;
	refresh(data);
}
