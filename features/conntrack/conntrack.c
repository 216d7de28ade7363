/* SPDX-License-Identifier: Apache-2.0 */
/* The conntrack feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "core/object.h"
#include "features/conntrack/conntrack_active.h"
#include "features/conntrack/conntrack_carried.h"
#include "features/conntrack/conntrack_hold.h"
#include "features/conntrack/conntrack_idle.h"
#include "features/conntrack/conntrack_ledger.h"
#include "features/conntrack/conntrack_memory.h"
#include "features/conntrack/conntrack_record.h"
#include "features/conntrack/conntrack_state.h"
#include "features/conntrack/conntrack_view.h"

#define SWEEP_LEAST 8192 /* sets a second: 64,000 flows, half a millisecond */

static const struct {
	const char *key, *metric, *help;
} counters[] = {
#define X(identifier, key, help) { key, "conntrack_" key "_total", help },
	CONNTRACK_COUNTERS(X)
#undef X
};

static bool conntrack_tracks(const void *data)
{
	const struct conntrack_section *section = data;

	return section->enabled != CONNTRACK_OFF;
}

static void conntrack_free(void *data)
{
	struct conntrack *state = data;

	for (int i = 0; state && i < CONNTRACK_TABLES; i++) {
		conntrack_table_done(&state->tables[i]);
		conntrack_table_done(&state->old[i]);
	}
	if (state) {
		conntrack_records_free(state->records);
		conntrack_ledger_free(state->ledger);
		conntrack_active_free(state->active);
		conntrack_hold_free(state->hold);
	}
	free(state);
}

static int conntrack_state_new(struct weir_engine *engine, const char *state_dir,
			       struct weir_diag *diag, void **ret_state)
{
	(void)state_dir, (void)diag;
	struct conntrack *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->engine = engine;
	state->records = conntrack_records_new();
	/* A look at a configuration leaves the daemon's file alone. */
	const char *dir = engine ? weir_engine_options(engine)->run_dir : NULL;

	state->ledger = conntrack_ledger_new(dir);
	state->active = conntrack_active_new(dir);
	state->hold = conntrack_hold_new(engine);
	if (!state->records || !state->ledger || !state->active || !state->hold) {
		conntrack_free(state);
		return -ENOMEM;
	}
	const struct conntrack_listeners listeners = { state->ledger, state->active, engine };

	conntrack_records_tell(state->records, &listeners);
	*ret_state = state;
	return 0;
}

/* Whether flows come over. Where nothing was tracked before, those that the kernel knows are in the
 * new tables from the start. */
static bool had_tables(const struct conntrack *state)
{
	return state->old[CONNTRACK_TABLE_PROVEN].set_count > CONNTRACK_SETS_OFF;
}

/* A table that is taken over was filled by the seed it has. */
static int shared_set(struct conntrack *state, const struct weir_object *object)
{
	uint64_t resize = weir_object_resize(object);
	struct conntrack_shared shared = {};
	uint32_t zero = 0;
	int r = weir_map_get(state->shared, &zero, &shared);

	if (!r && !shared.seed) {
		r = weir_random_bytes(&shared.seed, sizeof(shared.seed));
		shared.seed |= 1;
	}
	if (r) /* what is known of it stays */
		return r;
	state->seed = shared.seed;
	/* Of a reload that was cut short, it stays as it was; and once for each: a program that is
	 * live and still has old tables must not be turned back. */
	if (resize && resize != state->resize) {
		shared.is_turned = !had_tables(state);
		state->resize = resize;
	}
	return weir_map_set(state->shared, &zero, &shared);
}

struct tables {
	struct conntrack_table now[CONNTRACK_TABLES], old[CONNTRACK_TABLES];
};

static int tables_open(struct conntrack_table tables[CONNTRACK_TABLES], struct weir_object *object,
		       const char *const maps[CONNTRACK_TABLES][3])
{
	int r = 0;

	for (int i = 0; i < CONNTRACK_TABLES && !r; i++) {
		r = conntrack_table_open(weir_object_map(object, maps[i][0]),
					 weir_object_map(object, maps[i][1]),
					 (enum conntrack_table_kind)i, &tables[i]);
		if (!r)
			r = conntrack_sums_open(weir_object_map(object, maps[i][2]),
						weir_object_map(object, "st_ended"), &tables[i]);
	}
	return r;
}

static int all_tables_open(struct tables *tables, struct weir_object *object)
{
	static const char *const maps[CONNTRACK_TABLES][3] = {
		[CONNTRACK_TABLE_PROVEN] = { "st_flow", "st_flow_set", "st_flow_sum" },
		[CONNTRACK_TABLE_HALF] = { "st_half", "st_half_set", "st_half_sum" },
	};
	static const char *const old_maps[CONNTRACK_TABLES][3] = {
		[CONNTRACK_TABLE_PROVEN] = { "st_old_flow", "st_old_flow_set", "st_old_flow_sum" },
		[CONNTRACK_TABLE_HALF] = { "st_old_half", "st_old_half_set", "st_old_half_sum" },
	};
	int r = tables_open(tables->now, object, maps);

	return r ? r : tables_open(tables->old, object, old_maps);
}

static void tables_done(struct tables *tables)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		conntrack_table_done(&tables->now[i]);
		conntrack_table_done(&tables->old[i]);
	}
}

/* What was counted last stays until another round has been gone: a reload forgets no flow. In the
 * first tables of a run are those of the run before. */
static struct conntrack_sweep sweep_anew(const struct conntrack *state, int kind, bool is_first)
{
	struct conntrack_sweep sweep = { .seen = state->sweeps[kind].seen };

	if (is_first)
		sweep.seen = conntrack_table_count(&state->tables[kind], conntrack_now());
	if (!state->is_on)
		sweep.seen = 0;
	return sweep;
}

/* Those of the object before are let go of once all of this one's are there: a change that is
 * refused for want of memory leaves them to be looked at. */
static int tables_take(struct conntrack *state, struct weir_object *object)
{
	struct tables next = {}, before;
	int r = all_tables_open(&next, object);

	if (r) {
		tables_done(&next);
		return r;
	}
	memcpy(before.now, state->tables, sizeof(before.now));
	memcpy(before.old, state->old, sizeof(before.old));
	tables_done(&before);
	memcpy(state->tables, next.now, sizeof(next.now));
	memcpy(state->old, next.old, sizeof(next.old));
	state->is_on = next.now[CONNTRACK_TABLE_PROVEN].set_count > CONNTRACK_SETS_OFF;
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		state->tables[i].records = state->old[i].records = state->records;
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		state->sweeps[i] = sweep_anew(state, i, !before.now[i].set_count);
	state->relays = weir_object_relays(object);
	state->is_reused = weir_map_is_reused(weir_object_map(object, "st_flow"));
	return 0;
}

/* What the run before knew. */
static int past_get(struct conntrack *state)
{
	uint32_t zero = 0;
	int r = state->past.count ? 0 : weir_map_get(state->known_past, &zero, &state->past);

	if (state->past.count > CONNTRACK_PAST)
		state->past = (struct conntrack_past){};
	return r;
}

static int conntrack_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct conntrack *state = data;

	state->counters = weir_object_map(object, "ctr_conntrack");
	state->shared = weir_object_map(object, "cfg_conntrack");
	state->expected = weir_object_map(object, "set_expect");
	state->known_past = weir_object_map(object, "cfg_conn_past");
	state->reasons = weir_object_map(object, "ctr_reason");
	bool has_all = state->counters && state->shared && state->expected && state->known_past;
	int r = has_all ? tables_take(state, object) : -ENOENT;

	if (!r)
		r = shared_set(state, object);
	if (!r)
		r = past_get(state);
	/* Whatever failed: the maps it has may be freed next. */
	conntrack_hold_attach(state->hold, object, state->is_on);
	if (r)
		weir_diag_error(diag, NULL, "conntrack: the tables cannot be set up: %s",
				strerror(-r));
	return r;
}

/* Numbers are not followed from now on, neither of what is there nor of what still comes over. */
static void tables_lose(struct conntrack *state, int kind)
{
	conntrack_table_lose(&state->tables[kind], conntrack_now());
	conntrack_table_lose(&state->old[kind], conntrack_now());
}

/* Where it cannot be written, this run knows all the same; the next is told what was before. */
static void past_keep(const struct conntrack *state)
{
	uint32_t zero = 0;

	if (state->known_past)
		weir_map_set(state->known_past, &zero, &state->past);
}

static void past_go_on(struct conntrack *state, const struct conntrack_section *section)
{
	struct conntrack_timeouts timeouts = conntrack_timeouts_of(section);

	if (conntrack_past_add(&state->past, &timeouts, conntrack_now()))
		past_keep(state);
}

static void totals_keep(struct conntrack *state, const struct conntrack_section *section)
{
	bool keeps = section->account && section->records;
	const struct conntrack_ledger_plan totals = {
		.keys = keeps ? section->totals.keys : 0,
		.length = { section->totals.prefix, section->totals.prefix6 },
		.seed = state->seed,
	};
	const struct conntrack_active_plan active = {
		.flows = section->capacity,
		.timeout_ns = keeps ? section->active_timeout.value : 0,
		.seed = state->seed,
	};

	conntrack_active_keep(state->active, &active);
	state->goes_on = active.timeout_ns;
	memcpy(state->length, totals.length, sizeof(state->length));
	conntrack_ledger_keep(state->ledger, &totals);
}

static void conntrack_live(void *data, const struct weir_config *config)
{
	const struct conntrack_section *section =
		config->sections[weir_feature_index(&weir_conntrack)];
	struct conntrack *state = data;

	state->enabled = section->enabled;
	/* Once: what begins from now on, or comes over, begins or comes as such
	 * (CONNTRACK_SIDE_LOST).
	 */
	for (int i = 0;
	     i < CONNTRACK_TABLES && state->is_on && !state->has_lost && !section->window_check;
	     i++)
		tables_lose(state, i);
	state->has_lost = state->is_on && !section->window_check;
	state->capacity = section->capacity;
	state->half_open = section->half_open;
	totals_keep(state, section);
	conntrack_records_keep(state->records, section->account ? section->records : 0);
	past_go_on(state, section);
}

/* A part of each table a second: all of a small one, an eighth of a large one. */
static void conntrack_tick(void *data, uint64_t now_ns)
{
	struct conntrack *state = data;
	uint32_t now = conntrack_now();

	conntrack_records_forget(state, now_ns);
	conntrack_expectations_sweep(state, now);
	if (conntrack_past_trim(&state->past, now))
		past_keep(state);
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		struct conntrack_table *table = &state->tables[i];
		struct conntrack_sweep *sweep = &state->sweeps[i];
		uint32_t part =
			table->set_count / 8 > SWEEP_LEAST ? table->set_count / 8 + 1 : SWEEP_LEAST;

		const struct conntrack_part those = { sweep->next, part };

		conntrack_records_go_on(state, table, &those);
		sweep->live += conntrack_table_sweep(table, now, sweep->next, part);
		sweep->next += part;
		if (sweep->next < table->set_count)
			continue;
		*sweep = (struct conntrack_sweep){ .seen = sweep->live };
	}
	conntrack_records_measure(state);
	conntrack_records_stream(state);
}

static void counters_read(const struct conntrack *state, uint64_t sums[CONNTRACK_COUNTER_COUNT])
{
	memset(sums, 0, CONNTRACK_COUNTER_COUNT * sizeof(*sums));
	if (state->counters)
		weir_map_sum(state->counters, 0, CONNTRACK_COUNTER_COUNT, 1, sums);
}

static int gauges_add(const struct conntrack *state, struct weir_snapshot *snapshot)
{
	const struct {
		const char *metric, *help;
		uint32_t value;
	} gauges[] = {
		{ "conntrack_flows", "proven flows, as of the last round of the sweep",
		  state->sweeps[CONNTRACK_TABLE_PROVEN].seen },
		{ "conntrack_flows_capacity", "proven flows there is room for",
		  state->is_on ? state->capacity : 0 },
		{ "conntrack_half_open", "half-open flows, as of the last round of the sweep",
		  state->sweeps[CONNTRACK_TABLE_HALF].seen },
		{ "conntrack_half_open_capacity", "half-open flows there is room for",
		  state->is_on ? state->half_open : 0 },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(gauges) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, gauges[i].metric, gauges[i].help,
				      gauges[i].value, NULL);
	return r;
}

static int conntrack_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct conntrack *state = data;
	uint64_t sums[CONNTRACK_COUNTER_COUNT];
	int r = 0;

	counters_read(state, sums);
	r = gauges_add(state, snapshot);
	for (size_t i = 0; !r && i < CONNTRACK_COUNTER_COUNT; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].metric,
				      counters[i].help, (double)sums[i], NULL);
	if (!r)
		r = conntrack_hold_snapshot(state->hold, snapshot);
	return r ? r : conntrack_account_snapshot(state, snapshot);
}

static void conntrack_status(void *data, struct weir_json_out *json)
{
	const struct conntrack *state = data;
	uint64_t sums[CONNTRACK_COUNTER_COUNT];

	counters_read(state, sums);
	weir_json_open_object(json, "conntrack");
	weir_json_put_bool(json, "on", state->is_on);
	weir_json_put_uint(json, "flows", state->sweeps[CONNTRACK_TABLE_PROVEN].seen);
	weir_json_put_uint(json, "half_open", state->sweeps[CONNTRACK_TABLE_HALF].seen);
	conntrack_capacities_put(state, json);
	weir_json_put_uint(json, "adopted", state->adopted);
	weir_json_put_uint(json, "expectations", state->expectations);
	weir_json_put_uint(json, "offers_refused", state->offers_refused);
	for (size_t i = 0; i < CONNTRACK_COUNTER_COUNT; i++)
		weir_json_put_uint(json, counters[i].key, sums[i]);
	conntrack_hold_status(state->hold, json);
	conntrack_account_status(state, json);
	weir_json_close_object(json);
}

static void conntrack_watched(void *data)
{
	const struct conntrack *state = data;

	conntrack_hold_watched(state->hold);
}

static void conntrack_stop(void *data)
{
	const struct conntrack *state = data;

	conntrack_hold_stop(state->hold);
}

static const char *const conntrack_run_files[] = { CONNTRACK_TOTALS_FILE, CONNTRACK_TOLD_FILE,
						   NULL };

const struct weir_feature weir_conntrack = {
	.name = "conntrack",
	.summary = "connections, and what state each packet of one is in",
	.fields = conntrack_fields,
	.section_size = sizeof(struct conntrack_section),
	.check = conntrack_check,
	.tracks = conntrack_tracks,
	.constants = conntrack_constants_set,
	.compile = conntrack_compile,
	.classes = conntrack_classes,
	.state_new = conntrack_state_new,
	.state_free = conntrack_free,
	.stop = conntrack_stop,
	.attach = conntrack_attach,
	.wants_flows = conntrack_wants_flows,
	.adopt = conntrack_adopt,
	.fits = conntrack_fits,
	.turn = conntrack_turn,
	.settle = conntrack_settle,
	.live = conntrack_live,
	.event = conntrack_event,
	.tick = conntrack_tick,
	.watched = conntrack_watched,
	.snapshot = conntrack_snapshot,
	.status = conntrack_status,
	.served_each = conntrack_served_each,
	.replay = &conntrack_replay,
	.run_files = conntrack_run_files,
	.ops = conntrack_ops,
};
