/* SPDX-License-Identifier: Apache-2.0 */
/* Switching the watching on and off, and reading what is known of sockets about once a second. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/sockets/sockets_state.h"

#define WALK_EVERY_NS (5 * WEIR_NS_PER_S) /* sockets may be handed on */
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
	{ "weir_sock_cookies_tcp", NULL, WEIR_TRACE_ITERATOR, .is_optional = false },
	{ "weir_sock_cookies_udp", NULL, WEIR_TRACE_ITERATOR, .is_optional = false },
	{ "weir_sock_merge", NULL, WEIR_TRACE_ITERATOR, .is_optional = false },
	{ 0 },
};

static const char *const maps[] = {
	"cfg_trace_socks",
	"cfg_sock_walk",
	"st_socks",
	"st_sock_ended",
	"st_sock_turn",
	"st_sock_total",
	"set_sock_leave",
	"st_sock_unseen",
	"st_sock_cgroup",
	"ctr_sock",
	"tmp_sock_step",
	"st_sock_command",
	NULL,
};

static const char *pin_dir_of(const struct sockets *state)
{
	return weir_engine_options(state->engine)->pin_dir;
}

/* Steps that the second program took, since ever. */
static uint64_t nested_read(struct sockets *state)
{
	uint64_t nested = 0;

	weir_map_sum(weir_tracer_map(state->tracer, "tmp_sock_step"), SOCKETS_STEP_NESTED, 1, 1,
		     &nested);
	return nested;
}

/* What no program took, since this daemon began to watch. Programs count from 0 when others take
 * their places, so what those before had missed is added. */
static uint64_t missed_read(struct sockets *state)
{
	uint64_t missed = weir_tracer_missed(state->tracer),
		 nested = nested_read(state) - state->nested_before;

	return state->missed_before + (missed > nested ? missed - nested : 0);
}

/* The programs and their maps stay pinned, and so does what goes with totals that go on. */
static void watch_stop(struct sockets *state)
{
	if (state->tracer)
		state->missed_before = missed_read(state);
	weir_tracer_free(state->tracer);
	state->tracer = NULL;
	/* The next look is compared with this one: with the one before, all would be handed on
	 * twice. */
	if (state->view && state->view->read_ns)
		sockets_hands_note(&state->hands, state->view);
	if (state->view)
		weir_buf_done(&state->view->live);
	free(state->view);
	free(state->ended);
	free(state->unseen);
	sockets_past_free(state->past);
	weir_flow_past_free(state->measured);
	free(state->index.rows);
	state->index = (struct sockets_index){ 0 };
	state->view = NULL;
	state->ended = state->unseen = NULL;
	state->past = NULL;
	state->measured = NULL;
	state->ended_turn = state->walked_ns = 0;
	sockets_cgroups_done(&state->cgroups);
}

void sockets_watch_end(struct sockets *state)
{
	watch_stop(state);
	sockets_hands_done(&state->hands);
	state->told = (struct sockets_total){ 0 };
}

static void plan_make(struct sockets *state)
{
	state->constants = (struct sockets_constants){ .all_namespaces = state->all_namespaces,
						       .commands = state->commands };
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

/* Some kernels (6.18.44) do not trust the socket of a file, and refuse the program that has it
 * given a cookie: there all get theirs at once. */
static int tracer_make(struct sockets *state, const struct weir_kernel_types *types,
		       struct weir_diag *diag)
{
	_cleanup_diag_ struct weir_diag first = { 0 };

	plan_make(state);
	int r = weir_tracer_new(pin_dir_of(state), types, &state->plan, &first, &state->tracer);

	if (r != -EACCES)
		return r ? weir_diag_error(diag, NULL, "%s", weir_diag_why(&first, r)), r : 0;
	state->constants.gives_no_cookies = 1;
	r = weir_tracer_new(pin_dir_of(state), types, &state->plan, diag, &state->tracer);
	return r ? r : sockets_cookies_give(state);
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
	r = tracer_make(state, types, diag);
	if (r)
		return r;
	state->nested_before = nested_read(state);
	sockets_unseen_read(state);
	sockets_thin_end(state);
	if (!state->commands)
		sockets_commands_forget(state);
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
	watch_stop(state);
	weir_engine_warn(state->engine, "sockets", "sockets are not watched: %s", state->why);
}

/* Off, at the first look too: a daemon before may have left its programs on. */
void sockets_live(void *data, const struct weir_config *config)
{
	struct sockets *state = data;
	const struct sockets_section *section = config->sections[weir_feature_index(&weir_sockets)];

	if (!state->engine || (state->was_asked && state->is_on == section->enabled &&
			       state->all_namespaces == section->all_namespaces &&
			       state->commands == section->commands))
		return;
	state->was_asked = true;
	state->is_on = section->enabled;
	state->all_namespaces = section->all_namespaces;
	state->commands = section->commands;
	watch_stop(state);
	state->why[0] = '\0';
	plan_make(state);
	if (state->is_on) {
		watch_switch_on(state);
		return;
	}
	sockets_watch_end(state);
	weir_tracer_remove(pin_dir_of(state), &state->plan);
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
	sockets_cgroups_pass(&state->cgroups);
}

static void read_all(struct sockets *state, uint64_t now_ns)
{
	sockets_view_read(state);
	state->view->missed = missed_read(state);
	cgroups_find(state);
	state->view->read_ns = now_ns;
	state->view->took_ns = weir_clock_monotonic_ns() - now_ns;
}

static void refresh(struct sockets *state)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (!state->tracer || !is_late(state->view->read_ns, state->view->took_ns, now_ns))
		return;
	if (state->view->read_ns) /* else what was noted before others took over */
		sockets_hands_note(&state->hands, state->view);
	read_all(state, now_ns);
	if (files_walk(state))
		read_all(state, weir_clock_monotonic_ns());
	if (sockets_totals_thin(state))
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
