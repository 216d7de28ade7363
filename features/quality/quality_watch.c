/* SPDX-License-Identifier: Apache-2.0 */
/* Switching the measuring on and off, following interfaces, reading the sums, and taking out of the
 * table what is over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/quality/quality_state.h"

#define READ_ROOM 1024
#define WALK_S 8			 /* the whole table is gone through in so long */
#define WALK_SOON 32768			 /* flows a tick, where what was let go is to be gone */
#define STAYS_NS (5 * WEIR_NS_PER_S)	 /* what has ended, for its last words */
#define UNSHAKEN_NS (30 * WEIR_NS_PER_S) /* without an end to its handshake */
#define SILENT_NS (600 * WEIR_NS_PER_S)

static const char *const maps[] = { "cfg_quality", "cfg_q_iface", "st_quality",	 "st_q_syn",
				    "ctr_q_iface", "ctr_q_sum",	  "tmp_quality", NULL };

static const char *pin_dir_of(const struct quality *state)
{
	return weir_engine_options(state->engine)->pin_dir;
}

void quality_watch_end(struct quality *state)
{
	weir_measurer_free(state->measurer);
	state->measurer = NULL;
	free(state->keys);
	free(state->values);
	free(state->ended.at);
	weir_flow_past_free(state->past);
	state->past = NULL;
	state->keys = NULL;
	state->values = NULL;
	state->ended = (struct quality_ended){ 0 };
	state->governor = (struct quality_governor){ 0 };
	state->control = (struct quality_control){ 0 };
	state->walk = (struct weir_map_walk){ 0 };
	state->is_left_over = false;
	state->live = state->met = state->places = 0;
	memset(state->owners, 0, sizeof(state->owners));
}

static int rooms_make(struct quality *state)
{
	state->keys = calloc(READ_ROOM, sizeof(*state->keys));
	state->values = calloc(READ_ROOM, sizeof(*state->values));
	state->ended.at = calloc(QUALITY_ENDED_MAX, sizeof(*state->ended.at));
	state->past = weir_flow_past_new(state->section.flows);
	return state->keys && state->values && state->ended.at && state->past ? 0 : -ENOMEM;
}

static int watch_begin(struct quality *state, struct weir_diag *diag)
{
	int r = rooms_make(state);

	if (r)
		return r;
	state->plan = (struct weir_measure_plan){
		.hook = "quality",
		.program = "weir_quality",
		.program_ip = "weir_quality_ip",
		.maps = maps,
		.sized = "st_quality",
		.entries = state->section.flows,
	};
	r = weir_measurer_new(pin_dir_of(state), &state->plan, diag, &state->measurer);
	return r ? r : quality_sample_begin(state);
}

static void watch_switch_on(struct quality *state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = watch_begin(state, &diag);

	state->why[0] = '\0';
	if (!r) {
		quality_tick(state, weir_clock_monotonic_ns());
		return;
	}
	snprintf(state->why, sizeof(state->why), "%s", weir_diag_why(&diag, r));
	quality_watch_end(state);
	weir_engine_warn(state->engine, "quality", "connections are not measured: %s", state->why);
}

/* Off, at the first look too: a daemon before may have left its programs on. */
void quality_live(void *data, const struct weir_config *config)
{
	struct quality *state = data;
	const struct quality_section *section = config->sections[weir_feature_index(&weir_quality)];

	if (!state->engine ||
	    (state->was_asked && memcmp(&state->section, section, sizeof(*section)) == 0))
		return;
	bool is_same = state->was_asked && state->measurer && section->enabled &&
		       section->flows == state->section.flows;

	state->was_asked = true;
	state->section = *section;
	if (is_same) {
		state->governor = (struct quality_governor){ .sample = state->control.sample };
		quality_sample_want(state, section->sample);
		return;
	}
	quality_watch_end(state);
	if (section->enabled) {
		watch_switch_on(state);
		return;
	}
	state->why[0] = '\0';
	weir_measurer_remove(pin_dir_of(state),
			     &(struct weir_measure_plan){ .hook = "quality", .maps = maps });
}

/* Rows outlive interfaces, and tables of another layout may give one another row: what others had
 * counted there is not its own. It stays in the sum of all. */
static void rows_own(struct quality *state, const struct weir_interface_view *view)
{
	struct weir_map *owners = weir_measurer_map(state->measurer, "cfg_q_iface"),
			*counts = weir_measurer_map(state->measurer, "ctr_q_iface");
	struct quality_count *now = &state->counts[QUALITY_ROW(view->slot, 0)];
	struct quality_owner owner;

	if (!owners || !counts || state->owners[view->slot].ifindex == view->ifindex ||
	    weir_map_get(owners, &view->slot, &owner))
		return;
	if (owner.ifindex && owner.ifindex != view->ifindex) {
		if (weir_map_sum(counts, QUALITY_ROW(view->slot, 0), 2, QUALITY_COUNT_WORDS,
				 (uint64_t *)now))
			return;
		memcpy(owner.before, now, sizeof(owner.before));
	}
	owner.ifindex = view->ifindex;
	if (!weir_map_set(owners, &view->slot, &owner))
		state->owners[view->slot] = owner;
}

void quality_watched(void *data)
{
	struct quality *state = data;
	const struct weir_snapshot *snapshot = weir_engine_snapshot(state->engine);
	uint32_t ifindexes[WEIR_INTERFACES_MAX];
	size_t count = 0;

	if (!state->measurer)
		return;
	for (size_t i = 0; snapshot && i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].attached && count < WEIR_INTERFACES_MAX) {
			rows_own(state, &snapshot->interfaces[i]);
			ifindexes[count++] = snapshot->interfaces[i].ifindex;
		}
	state->places = weir_measurer_follow(state->measurer, ifindexes, count, state->why);
}

static int sums_read(struct quality *state)
{
	struct weir_map *sums = weir_measurer_map(state->measurer, "ctr_q_sum"),
			*counts = weir_measurer_map(state->measurer, "ctr_q_iface");
	int r = sums && counts ? weir_map_sum(sums, 0, QUALITY_SUMS, 1, state->sums) : -ENOENT;

	return r ? r :
		   weir_map_sum(counts, 0, WEIR_ARRAY_SIZE(state->counts), QUALITY_COUNT_WORDS,
				(uint64_t *)state->counts);
}

static uint64_t last_ns(const struct quality_flow *flow)
{
	return flow->side[0].last_ns > flow->side[1].last_ns ? flow->side[0].last_ns :
							       flow->side[1].last_ns;
}

static bool is_over(const struct quality_flow *flow, uint64_t now_ns)
{
	uint64_t last = last_ns(flow), silent_ns = now_ns > last ? now_ns - last : 0;

	if (flow->ended_ns)
		return silent_ns > STAYS_NS;
	return silent_ns > (flow->syn_ns && !flow->handshake_us ? UNSHAKEN_NS : SILENT_NS);
}

static void entry_end(struct quality *state, struct weir_map *map, size_t at)
{
	struct quality_ended *ended = &state->ended;
	struct quality_entry *entry = &ended->at[ended->made % QUALITY_ENDED_MAX];

	if (weir_map_del(map, &state->keys[at]))
		return;
	*entry = (struct quality_entry){ state->keys[at], state->values[at],
					 .is_silent = !state->values[at].ended_ns };
	quality_past_add(state, entry);
	ended->made++;
}

static bool is_let_go(const struct quality *state, size_t at)
{
	return !state->values[at].ended_ns &&
	       quality_hash(&state->keys[at], state->control.seed) > state->control.most;
}

static void entry_look(struct quality *state, struct weir_map *map, size_t at, uint64_t now_ns)
{
	if (is_over(&state->values[at], now_ns))
		entry_end(state, map, at);
	else if (is_let_go(state, at) && !weir_map_del(map, &state->keys[at]))
		state->let_go++;
}

void quality_walk_anew(struct quality *state)
{
	state->is_left_over = true;
	state->met = 0;
	state->walk = (struct weir_map_walk){ 0 };
}

/* A part of the table a tick: all of it in WALK_S, or sooner where that is waited for. */
static void table_walk(struct quality *state, uint64_t now_ns)
{
	struct weir_map *map = weir_measurer_map(state->measurer, "st_quality");
	size_t most = map ? weir_map_capacity(map) / WALK_S + 1 : 0, seen = 0;

	if (state->is_left_over && most < WALK_SOON)
		most = WALK_SOON;

	while (map && seen < most) {
		int count = weir_map_walk(map, &state->walk, state->keys, state->values, READ_ROOM);

		for (int i = 0; i < count; i++)
			entry_look(state, map, (size_t)i, now_ns);
		seen += count > 0 ? (size_t)count : most;
		state->met += count > 0 ? (size_t)count : 0;
		if (count >= 0 && !state->walk.done)
			continue;
		state->live = state->met;
		state->met = 0;
		state->walk = (struct weir_map_walk){ 0 };
		state->is_left_over = state->is_left_over && count < 0;
		return;
	}
}

int quality_each(struct quality *state, void (*each)(const struct quality_entry *entry, void *arg),
		 void *arg)
{
	struct weir_map *map = weir_measurer_map(state->measurer, "st_quality");
	struct weir_map_walk walk = { 0 };

	while (map && !walk.done) {
		int count = weir_map_walk(map, &walk, state->keys, state->values, READ_ROOM);

		if (count < 0)
			return count;
		for (int i = 0; i < count; i++)
			each(&(struct quality_entry){ state->keys[i], state->values[i] }, arg);
	}
	return map ? 0 : -ENOENT;
}

void quality_tick(void *data, uint64_t now_ns)
{
	struct quality *state = data;

	if (!state->measurer)
		return;
	if (sums_read(state))
		return;
	table_walk(state, now_ns);
	quality_govern(state, now_ns);
}
