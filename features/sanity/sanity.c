/* SPDX-License-Identifier: Apache-2.0 */
/* The sanity feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "features/sanity/sanity_state.h"

struct sanity_state {
	struct weir_map *counters; /* borrowed from the object; NULL before the first */
	uint32_t checks;	   /* of the policy that is live */
};

static const struct {
	const char *key, *metric, *help;
} counters[] = {
#define X(identifier, key, help) { key, "sanity_" key "_total", help },
	SANITY_COUNTERS(X)
#undef X
};

/* Fragments are only followed where overlaps are refused: without, there is no room for any. */
static int sanity_constants_set(const void *data, const struct weir_image *image,
				struct weir_constants *constants)
{
	(void)image;
	struct sanity_constants values = { .checks = sanity_checks(data) };
	uint32_t sets = values.checks & SANITY_OVERLAP ? SANITY_FRAGMENT_SETS : 1;
	int r = weir_constants_capacity(constants, "st_fragment", sets);
	return r ? r : weir_constants_set(constants, "sanity_constants", &values, sizeof(values));
}

static int sanity_state_new(struct weir_engine *engine, const char *state_dir,
			    struct weir_diag *diag, void **ret_state)
{
	(void)engine, (void)state_dir, (void)diag;
	struct sanity_state *state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	*ret_state = state;
	return 0;
}

static int sanity_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct sanity_state *state = data;
	state->counters = weir_object_map(object, "ctr_sanity");
	if (!state->counters)
		return weir_diag_error(diag, NULL, "the packet program lacks ctr_sanity"), -ENOENT;
	return 0;
}

static void counters_read(const struct sanity_state *state, uint64_t sums[SANITY_COUNTER_COUNT])
{
	memset(sums, 0, SANITY_COUNTER_COUNT * sizeof(*sums));
	if (state->counters)
		weir_map_sum(state->counters, 0, SANITY_COUNTER_COUNT, 1, sums);
}

static void sanity_live(void *data, const struct weir_config *config)
{
	struct sanity_state *state = data;
	state->checks = sanity_checks(config->sections[weir_feature_index(&weir_sanity)]);
}

static void sanity_status(void *data, struct weir_json_out *json)
{
	const struct sanity_state *state = data;
	uint64_t sums[SANITY_COUNTER_COUNT];
	counters_read(state, sums);
	weir_json_open_object(json, "sanity");
	weir_json_put_bool(json, "on", state->checks != 0);
	for (size_t i = 0; i < SANITY_COUNTER_COUNT; i++)
		weir_json_put_uint(json, counters[i].key, sums[i]);
	weir_json_close_object(json);
}

static int sanity_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct sanity_state *state = data;
	uint64_t sums[SANITY_COUNTER_COUNT];
	int r = 0;
	counters_read(state, sums);
	for (size_t i = 0; r == 0 && i < SANITY_COUNTER_COUNT; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].metric,
				      counters[i].help, (double)sums[i], NULL);
	return r;
}

const struct weir_feature weir_sanity = {
	.name = "sanity",
	.summary = "checks of packets that hold before any list or rule",
	.fields = sanity_fields,
	.section_size = sizeof(struct sanity_section),
	.check = sanity_check,
	.constants = sanity_constants_set,
	.compile = sanity_compile,
	.classes = sanity_classes,
	.interface = sanity_interface,
	.state_new = sanity_state_new,
	.state_free = free,
	.attach = sanity_attach,
	.live = sanity_live,
	.status = sanity_status,
	.snapshot = sanity_snapshot,
};
