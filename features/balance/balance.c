/* SPDX-License-Identifier: Apache-2.0 */
/* The balance feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/kernel_means.h"
#include "features/balance/announce.h"
#include "features/balance/balance_live.h"
#include "features/balance/balance_paths.h"
#include "features/balance/balance_state.h"
#include "features/balance/health_tunnel.h"

/* Backends that are counted, in steps, so that few changes make the map another; 0 for none. */
static uint32_t tallies_room(const struct weir_image *image)
{
	uint32_t count = 0, room = BALANCE_TALLIES_LEAST;
	const struct weir_line *lines = image ? weir_image_lines(image, &count) : NULL;
	const struct weir_image_header *header = (const void *)lines;
	uint32_t line = count ? header->first_line[WEIR_SECTION_BALANCE] : 0;
	const struct balance_head *head = line ? (const void *)&lines[line] : NULL;

	while (head && room < head->tallies)
		room *= 2;
	return head ? room : 0;
}

static int tallies_set(const struct weir_image *image, struct weir_constants *constants)
{
	int cpus = weir_map_cpus();
	uint32_t room = tallies_room(image);
	struct balance_tally_constants values = { .each = 1 + (uint32_t)cpus,
						  .stamps = room ? BALANCE_STAMPS : 1 };

	if (cpus < 0)
		return cpus;
	int r = weir_constants_capacity(constants, "ctr_backend", room ? room * values.each : 1);

	if (!r)
		r = weir_constants_capacity(constants, "ctr_handshake", room ? room : 1);
	if (!r)
		r = weir_constants_capacity(constants, "ctr_active",
					    balance_counts_active(image) ? room : 1);
	if (!r)
		r = weir_constants_capacity(constants, "set_syn_time", values.stamps);
	return r ? r : weir_constants_set(constants, "tally_constants", &values, sizeof(values));
}

static int balance_constants_set(const void *data, const struct weir_image *image,
				 struct weir_constants *constants)
{
	const struct balance_section *section = data;
	struct weir_served_constants values = {
		.enabled = balance_is_in(image),
		.behind_xdp = weir_kernel_has_tcx(),
		.hides = balance_hides_clients(image),
		.shortcuts = balance_is_in(image) && section->shortcut == BALANCE_SHORTCUT_XDP,
		.onwards = balance_is_in(image) && section->shortcut,
		.directs = balance_is_direct(image),
		.actives = balance_counts_active(image),
		.remembers = balance_remembers(image),
		.wide = balance_is_wide(image),
		.checks = balance_tunnels_checks(image),
	};
	uint32_t lines = values.hides ? section->source_ports : 1;
	uint32_t sets = values.remembers ? (section->affinity_clients + BALANCE_AFFINITY_WAYS - 1) /
						   BALANCE_AFFINITY_WAYS :
					   1;
	const struct {
		const char *map;
		uint32_t entries;
	} maps[] = {
		{ "st_balance_port", lines },
		{ "set_check", values.checks ? HEALTH_UNDER_WAY_MOST : 1 },
		{ "st_balance_turn", balance_takes_turns(image) ? BALANCE_SERVICES_MAX : 1 },
		{ "st_affinity", sets },
		{ "tmp_way", values.onwards ? WAY_CELLS : 1 },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(maps) && !r; i++)
		r = weir_constants_capacity(constants, maps[i].map, maps[i].entries);
	if (!r)
		r = weir_constants_set(constants, "balance_affinity_sets", &sets, sizeof(sets));
	if (!r)
		r = weir_constants_set(constants, "balance_port_lines", &lines, sizeof(lines));
	if (!r)
		r = weir_constants_set(constants, "served_constants", &values, sizeof(values));
	if (!r)
		r = balance_microflows_set(section, values.shortcuts, constants);
	return r ? r : tallies_set(image, constants);
}

static void balance_state_free(void *data)
{
	struct balance *state = data;

	if (!state)
		return;
	balance_ways_end(state);
	health_free(state->health); /* it looks at what is live */
	announce_free(state->announce);
	balance_paths_free(state->paths);
	balance_actives_free(state->actives);
	balance_census_free(state->census);
	weir_map_memory_done(&state->affinity);
	balance_leave_done(&state->leave);
	if (state->live)
		balance_live_done(state->live);
	if (state->runtime)
		balance_runtime_done(state->runtime);
	free(state->live);
	free(state->runtime);
	free(state->dir);
	balance_counts_done(&state->counts);
	free(state);
}

static void balance_state_freep(struct balance **state)
{
	balance_state_free(*state);
}

static int balance_state_new(struct weir_engine *engine, const char *state_dir,
			     struct weir_diag *diag, void **ret_state)
{
	_cleanup_(balance_state_freep) struct balance *state = calloc(1, sizeof(*state));

	if (!state || (state_dir && !(state->dir = strdup(state_dir))))
		return -ENOMEM;
	state->engine = engine;
	/* Who only looks at a configuration writes nothing. */
	if (engine && state_dir && !(state->counts.dir = strdup(state_dir)))
		return -ENOMEM;
	state->is_stale = true;
	state->live = calloc(1, sizeof(*state->live));
	state->runtime = calloc(1, sizeof(*state->runtime));
	int r = state->live && state->runtime ?
			balance_store_load(state_dir, diag, state->runtime) :
			-ENOMEM;

	if (r >= 0)
		r = balance_rows_load(state_dir, diag, &state->counts.live.rows);
	if (r >= 0)
		r = health_new(engine, diag, &state->health);
	if (r >= 0)
		r = announce_new(engine, &state->announce);
	if (r >= 0)
		r = balance_paths_new(state, &state->paths);
	if (r >= 0)
		r = balance_actives_new(engine, &state->actives);
	if (r >= 0)
		r = balance_census_new(engine, &state->census);
	if (r < 0)
		return r;
	*ret_state = weir_take(state);
	return 0;
}

static int balance_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct balance *state = data;

	state->counters = weir_object_map(object, "ctr_balance");
	state->shortcut = weir_object_map(object, "cfg_shortcut");
	state->ways.map = weir_object_map(object, "cfg_way");
	health_tunnel_attach(state->health, weir_object_map(object, "set_check"));
	memset(state->senders, 0xff, sizeof(state->senders)); /* what it has is not known */
	int r = state->counters && state->shortcut && state->ways.map ?
			balance_counts_attach(&state->counts, object) :
			-ENOENT;

	if (!r && state->actives)
		r = balance_actives_attach(state->actives, object);
	if (!r)
		r = balance_affinity_attach(state, object);
	if (r)
		weir_diag_error(diag, NULL, "balance: the counters cannot be set up: %s",
				strerror(-r));
	return r;
}

static void counts_live(struct balance *state)
{
	int r = balance_counts_live(&state->counts, weir_clock_monotonic_ns());

	if (r)
		weir_engine_warn(state->engine, weir_balance.name,
				 "cannot write " BALANCE_ROWS_FILE " in %s: %s", state->counts.dir,
				 strerror(-r));
}

static void balance_tick(void *data, uint64_t now_ns)
{
	struct balance *state = data;

	/* A change may be taking up other maps on its worker. */
	if (state->engine && weir_engine_is_idle(state->engine))
		balance_counts_tick(&state->counts, now_ns);
	balance_actives_tick(state->actives, now_ns);
	balance_census_tick(state->census, state, now_ns);
	balance_shortcut_look(state);
	balance_unsummed_look(state);
	balance_ways_look(state);
	announce_tick(state->announce);
	balance_paths_tick(state->paths);
	if (state->engine)
		balance_leave_tick(state, now_ns);
}

const struct balance_section *balance_section_of(const struct balance *state)
{
	static const struct balance_section none;
	const struct weir_config *config = state->engine ? weir_engine_config(state->engine) : NULL;

	return config ? config->sections[weir_feature_index(&weir_balance)] : &none;
}

const struct balance_live *balance_live_of(struct balance *state)
{
	if (!state->is_stale)
		return state->live;
	balance_live_done(state->live);
	if (balance_live_make(balance_section_of(state), state->runtime, state->live))
		return NULL;
	state->is_stale = false;
	return state->live;
}

const struct balance_section *balance_acting_of(const struct balance *state)
{
	static const struct balance_section none;

	return state->live && !state->is_stale ? &state->live->acting : &none;
}

int balance_acting_check(struct balance *state, const char *name, const char *key,
			 struct weir_diag *diag)
{
	const struct balance_live *live = balance_live_of(state);

	if (!live)
		return -ENOMEM;
	int service = name ? balance_live_acting(live, state->runtime, name, key, diag) : 0;

	return service < 0 ? service : 0;
}

/* What a new configuration has made void is forgotten, so that it does not come back with one that
 * has the like again. */
static void runtime_prune(struct balance *state)
{
	bool is_other = balance_leave_live(state);
	const struct balance_live *live = balance_live_of(state);

	is_other |= live && balance_runtime_prune(state->runtime, live);
	if (!is_other)
		return;
	state->is_stale = true;
	int r = balance_store_save(state->dir, state->runtime);

	if (r < 0)
		weir_engine_warn(state->engine, weir_balance.name,
				 "balance.json in %s still has what the configuration has made "
				 "void: %s",
				 state->dir, strerror(-r));
}

static void balance_went_live(void *data, const struct weir_config *config)
{
	static const struct balance_section none;
	struct balance *state = data;
	bool is_new = state->config != config;

	state->is_stale = state->is_stale || is_new;
	state->config = config;
	if (is_new)
		runtime_prune(state);
	const struct balance_live *live = balance_live_of(state);

	health_live(state->health, live);
	announce_live(state->announce, live ? &live->acting : &none);
	balance_paths_live(state->paths, live ? &live->acting : &none);
	counts_live(state);
	for (uint32_t i = 0; i < state->counts.live.count; i++)
		balance_actives_own(state->actives, &state->counts.live.at[i]);
	balance_actives_live(state->actives);
	balance_shortcut_look(state);
	balance_ways_look(state);
}

void balance_sums(const struct balance *state, uint64_t sums[BALANCE_COUNTER_COUNT])
{
	memset(sums, 0, BALANCE_COUNTER_COUNT * sizeof(*sums));
	if (state->counters)
		weir_map_sum(state->counters, 0, BALANCE_COUNTER_COUNT, 1, sums);
}

static const struct {
	const char *key, *metric, *help;
} counters[] = {
#define X(identifier, key, help) { key, "balance_" key "_total", help },
	BALANCE_COUNTERS(X)
#undef X
};

static void balance_status(void *data, struct weir_json_out *json)
{
	struct balance *state = data;
	const struct balance_live *live = balance_live_of(state);
	unsigned acting = live ? live->acting.service_count : 0;
	uint64_t sums[BALANCE_COUNTER_COUNT];

	balance_sums(state, sums);
	weir_json_open_object(json, "balance");
	weir_json_put_bool(json, "on", !state->runtime->is_off);
	weir_json_put_uint(json, "services", acting);
	if (live && live->all.service_count > acting)
		weir_json_put_uint(json, "services_idle", live->all.service_count - acting);
	for (size_t i = 0; i < BALANCE_COUNTER_COUNT; i++)
		weir_json_put_uint(json, counters[i].key, sums[i]);
	weir_json_close_object(json);
}

static int balance_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct balance *state = data;
	uint64_t sums[BALANCE_COUNTER_COUNT];
	int r = 0;

	balance_sums(state, sums);
	for (size_t i = 0; !r && i < BALANCE_COUNTER_COUNT; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].metric,
				      counters[i].help, (double)sums[i], NULL);
	if (!r)
		r = health_snapshot(state->health, snapshot);
	if (!r)
		r = announce_snapshot(state->announce, snapshot);
	if (!r)
		r = balance_paths_snapshot(state->paths, snapshot);
	return r ? r : balance_samples_add(state, snapshot);
}

static const char *const balance_run_files[] = { HEALTH_FILE, NULL };

const struct weir_feature weir_balance = {
	.name = "balance",
	.summary = "connections shared out among backends",
	.fields = balance_fields,
	.section_size = sizeof(struct balance_section),
	.check = balance_check,
	.constants = balance_constants_set,
	.compile = balance_compile,
	.services = balance_services,
	.state_new = balance_state_new,
	.state_free = balance_state_free,
	.attach = balance_attach,
	.live = balance_went_live,
	.tick = balance_tick,
	.flows_gone = balance_flows_gone,
	.status = balance_status,
	.describe = balance_describe,
	.served_name = balance_served_name,
	.run_files = balance_run_files,
	.snapshot = balance_snapshot,
	.ops = balance_ops,
};
