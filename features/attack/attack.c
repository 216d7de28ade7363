/* SPDX-License-Identifier: Apache-2.0 */
/* The attack feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "features/attack/attack_state.h"

static int attack_constants_set(const void *data, const struct weir_image *image,
				struct weir_constants *constants)
{
	const struct attack_section *section = data;
	struct attack_constants values = { .enabled = section->enabled };
	struct weir_count_constants begun = { .counts_begun = section->enabled };

	(void)image;
	int r = weir_constants_set(constants, "attack_constants", &values, sizeof(values));

	return r ? r : weir_constants_set(constants, "count_constants", &begun, sizeof(begun));
}

static bool attack_alarms(const void *data)
{
	const struct attack_section *section = data;

	return section->enabled;
}

static void attack_state_free(void *data)
{
	struct attack *state = data;

	if (!state)
		return;
	if (state->saved_ns)
		attack_save(state);
	free(state->state_dir);
	free(state);
}

static int attack_state_new(struct weir_engine *engine, const char *state_dir,
			    struct weir_diag *diag, void **ret_state)
{
	struct attack *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->engine = engine;
	state->state_dir = state_dir ? strdup(state_dir) : NULL;
	int r = state_dir && !state->state_dir ? -ENOMEM :
						 attack_store_load(state_dir, diag, &state->usuals);

	if (r) {
		attack_state_free(state);
		return r;
	}
	*ret_state = state;
	return 0;
}

static int attack_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct attack *state = data;

	state->object = object;
	state->counters = weir_object_map(object, "ctr_attack");
	state->begun = weir_object_map(object, "ctr_reason");
	if (state->counters && state->begun)
		return 0;
	state->counters = NULL;
	return weir_diag_error(diag, NULL, "the packet program lacks ctr_attack or ctr_reason"),
	       -ENOENT;
}

/* Without an engine there is no live policy. */
const struct attack_section *attack_section_of(const struct attack *state)
{
	static const struct attack_section none;
	const struct weir_config *config = state->engine ? weir_engine_config(state->engine) : NULL;

	return config ? config->sections[weir_feature_index(&weir_attack)] : &none;
}

static void attack_status(void *data, struct weir_json_out *json)
{
	const struct attack *state = data;

	weir_json_open_object(json, "attack");
	weir_json_put_bool(json, "on", attack_section_of(state)->enabled);
	weir_json_open_array(json, "interfaces");
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++) {
		if (!state->at[slot].ifindex)
			continue;
		weir_json_open_object(json, NULL);
		attack_put_level(state, slot, json);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
	weir_json_close_object(json);
}

const struct weir_feature weir_attack = {
	.name = "attack",
	.summary = "tells floods from ordinary traffic, by interface",
	.fields = attack_fields,
	.section_size = sizeof(struct attack_section),
	.check = attack_check,
	.alarms = attack_alarms,
	.constants = attack_constants_set,
	.state_new = attack_state_new,
	.state_free = attack_state_free,
	.attach = attack_attach,
	.tick = attack_tick,
	.watched = attack_watched,
	.status = attack_status,
	.snapshot = attack_snapshot,
	.ops = attack_ops,
};
