/* SPDX-License-Identifier: Apache-2.0 */
/* The conntrack feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "features/conntrack/conntrack_state.h"

static const struct {
	const char *key, *metric, *help;
} counters[] = {
#define X(identifier, key, help) { key, "conntrack_" key "_total", help },
	CONNTRACK_COUNTERS(X)
#undef X
};

uint32_t conntrack_sets(uint32_t capacity)
{
	uint64_t places = (uint64_t)capacity + capacity / 8;

	return (uint32_t)((places + CONNTRACK_WAYS - 1) / CONNTRACK_WAYS);
}

static bool is_wanted(const struct conntrack_section *section, const struct weir_image *image)
{
	return section->enabled == CONNTRACK_ON ||
	       (section->enabled == CONNTRACK_AUTO && weir_image_asks(image, WEIR_ASK_CONNECTIONS));
}

static int capacities_set(const struct conntrack_sizes *sizes, bool is_on,
			  struct weir_constants *constants)
{
	const struct {
		const char *map;
		uint32_t entries;
	} maps[] = {
		{ "st_flow", sizes->proven * CONNTRACK_WAYS },
		{ "st_flow_set", sizes->proven },
		{ "st_half", sizes->half * CONNTRACK_WAYS },
		{ "st_half_set", sizes->half },
		{ "st_ports", is_on ? CONNTRACK_FRAGMENTS : 1 },
		{ "st_pair", is_on ? CONNTRACK_PAIRS : 1 },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(maps) && !r; i++)
		r = weir_constants_capacity(constants, maps[i].map, maps[i].entries);
	return r;
}

static int conntrack_constants_set(const void *data, const struct weir_image *image,
				   struct weir_constants *constants)
{
	const struct conntrack_section *section = data;
	bool is_on = is_wanted(section, image);
	struct conntrack_constants values = {
		.enabled = is_on,
		.checks_windows = section->window_check,
		.picks_up = section->pick_up,
		.is_asymmetric = section->asymmetric,
	};
	struct conntrack_sizes sizes = { 1, 1 };

	if (is_on)
		sizes = (struct conntrack_sizes){ conntrack_sets(section->capacity),
						  conntrack_sets(section->half_open) };
	for (int i = 0; i < CONNTRACK_STATE_COUNT; i++)
		values.timeout_ticks[i] =
			(uint32_t)(section->timeouts[i].value >> CONNTRACK_TICK_SHIFT);
	int r = weir_constants_set(constants, "conntrack_constants", &values, sizeof(values));

	if (!r)
		r = weir_constants_set(constants, "conntrack_sizes", &sizes, sizeof(sizes));
	return r ? r : capacities_set(&sizes, is_on, constants);
}

static int conntrack_state_new(struct weir_engine *engine, const char *state_dir,
			       struct weir_diag *diag, void **ret_state)
{
	(void)state_dir, (void)diag;
	struct conntrack *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->engine = engine;
	*ret_state = state;
	return 0;
}

/* A table that is taken over was filled by the seed it has. */
static int seed_set(struct conntrack *state)
{
	struct conntrack_shared shared = {};
	uint32_t zero = 0;
	int r = weir_map_get(state->shared, &zero, &shared);

	if (r || shared.seed)
		return r;
	r = weir_random_bytes(&shared.seed, sizeof(shared.seed));
	shared.seed |= 1;
	return r ? r : weir_map_set(state->shared, &zero, &shared);
}

static int conntrack_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct conntrack *state = data;

	state->counters = weir_object_map(object, "ctr_conntrack");
	state->shared = weir_object_map(object, "cfg_conntrack");
	if (!state->counters || !state->shared)
		return weir_diag_error(diag, NULL, "the packet program lacks ctr_conntrack"),
		       -ENOENT;
	int r = seed_set(state);

	if (r)
		weir_diag_error(diag, NULL, "conntrack: the tables cannot be set up: %s",
				strerror(-r));
	return r;
}

static void counters_read(const struct conntrack *state, uint64_t sums[CONNTRACK_COUNTER_COUNT])
{
	memset(sums, 0, CONNTRACK_COUNTER_COUNT * sizeof(*sums));
	if (state->counters)
		weir_map_sum(state->counters, 0, CONNTRACK_COUNTER_COUNT, 1, sums);
}

static int conntrack_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct conntrack *state = data;
	uint64_t sums[CONNTRACK_COUNTER_COUNT];
	int r = 0;

	counters_read(state, sums);
	for (size_t i = 0; !r && i < CONNTRACK_COUNTER_COUNT; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].metric,
				      counters[i].help, (double)sums[i], NULL);
	return r;
}

static void conntrack_status(void *data, struct weir_json_out *json)
{
	const struct conntrack *state = data;
	uint64_t sums[CONNTRACK_COUNTER_COUNT];

	counters_read(state, sums);
	weir_json_open_object(json, "conntrack");
	weir_json_put_bool(json, "on", state->is_on);
	for (size_t i = 0; i < CONNTRACK_COUNTER_COUNT; i++)
		weir_json_put_uint(json, counters[i].key, sums[i]);
	weir_json_close_object(json);
}

const struct weir_feature weir_conntrack = {
	.name = "conntrack",
	.summary = "connections, and what state each packet of one is in",
	.fields = conntrack_fields,
	.section_size = sizeof(struct conntrack_section),
	.constants = conntrack_constants_set,
	.state_new = conntrack_state_new,
	.state_free = free,
	.attach = conntrack_attach,
	.snapshot = conntrack_snapshot,
	.status = conntrack_status,
};
