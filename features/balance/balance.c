/* SPDX-License-Identifier: Apache-2.0 */
/* The balance feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/engine.h"
#include "core/kernel_means.h"
#include "features/balance/balance_live.h"
#include "features/balance/balance_state.h"
#include "features/balance/health.h"

static int balance_constants_set(const void *data, const struct weir_image *image,
				 struct weir_constants *constants)
{
	const struct balance_section *section = data;
	struct weir_served_constants values = {
		.enabled = balance_is_in(image),
		.behind_xdp = weir_kernel_has_tcx(),
		.hides = balance_hides_clients(image),
		.shortcuts = section->shortcut == BALANCE_SHORTCUT_XDP,
		.directs = balance_is_direct(image),
	};
	uint32_t lines = values.hides ? section->source_ports : 1;
	int r = weir_constants_capacity(constants, "st_balance_port", lines);

	if (!r)
		r = weir_constants_set(constants, "balance_port_lines", &lines, sizeof(lines));
	return r ?: weir_constants_set(constants, "served_constants", &values, sizeof(values));
}

static void balance_state_free(void *data)
{
	struct balance *state = data;

	if (!state)
		return;
	health_free(state->health); /* it looks at what is live */
	if (state->live)
		balance_live_done(state->live);
	if (state->runtime)
		balance_runtime_done(state->runtime);
	free(state->live);
	free(state->runtime);
	free(state->dir);
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
	state->is_stale = true;
	state->live = calloc(1, sizeof(*state->live));
	state->runtime = calloc(1, sizeof(*state->runtime));
	int r = state->live && state->runtime ?
			balance_store_load(state_dir, diag, state->runtime) :
			-ENOMEM;

	if (r >= 0)
		r = health_new(engine, &state->health);
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
	memset(state->senders, 0xff, sizeof(state->senders)); /* what it has is not known */
	if (!state->counters || !state->shortcut)
		return weir_diag_error(diag, NULL,
				       "the packet program lacks ctr_balance or cfg_shortcut"),
		       -ENOENT;
	return 0;
}

static void balance_tick(void *data, uint64_t now_ns)
{
	(void)now_ns;
	balance_shortcut_look(data);
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
	if (balance_live_make(balance_section_of(state), state->runtime, NULL, state->live))
		return NULL;
	state->is_stale = false;
	return state->live;
}

/* What a new configuration has made void is forgotten, so that it does not come back with one that
 * has the like again. */
static void runtime_prune(struct balance *state)
{
	const struct balance_live *live = balance_live_of(state);

	if (!live || !balance_runtime_prune(state->runtime, live))
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
	if (is_new && !balance_runtime_is_empty(state->runtime))
		runtime_prune(state);
	const struct balance_live *live = balance_live_of(state);

	health_live(state->health, live ? &live->acting : &none);
	balance_shortcut_look(state);
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
	uint64_t sums[BALANCE_COUNTER_COUNT];

	balance_sums(state, sums);
	weir_json_open_object(json, "balance");
	weir_json_put_bool(json, "on", !state->runtime->is_off);
	weir_json_put_uint(json, "services", live ? live->acting.service_count : 0);
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
	return r ? r : health_snapshot(state->health, snapshot);
}

const struct weir_feature weir_balance = {
	.name = "balance",
	.summary = "connections shared out among backends",
	.fields = balance_fields,
	.section_size = sizeof(struct balance_section),
	.check = balance_check,
	.constants = balance_constants_set,
	.compile = balance_compile,
	.state_new = balance_state_new,
	.state_free = balance_state_free,
	.attach = balance_attach,
	.live = balance_went_live,
	.tick = balance_tick,
	.status = balance_status,
	.snapshot = balance_snapshot,
	.ops = balance_ops,
};
