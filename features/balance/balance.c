/* SPDX-License-Identifier: Apache-2.0 */
/* The balance feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/kernel_means.h"
#include "features/balance/balance_state.h"

static bool some_are_direct(const struct balance_section *section)
{
	for (unsigned i = 0; i < section->service_count; i++)
		if (section->services[i].forward != WEIR_FORWARD_NAT)
			return true;
	return false;
}

static int balance_constants_set(const void *data, const struct weir_image *image,
				 struct weir_constants *constants)
{
	const struct balance_section *section = data;
	struct weir_served_constants values = {
		.enabled = section->service_count != 0,
		.behind_xdp = weir_kernel_has_tcx(),
		.directs = some_are_direct(section),
	};

	(void)image;
	return weir_constants_set(constants, "served_constants", &values, sizeof(values));
}

static int balance_state_new(struct weir_engine *engine, const char *state_dir,
			     struct weir_diag *diag, void **ret_state)
{
	(void)state_dir, (void)diag;
	struct balance *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->engine = engine;
	*ret_state = state;
	return 0;
}

static int balance_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct balance *state = data;

	state->counters = weir_object_map(object, "ctr_balance");
	return state->counters ? 0 :
				 (weir_diag_error(diag, NULL,
						  "the packet program lacks "
						  "ctr_balance"),
				  -ENOENT);
}

const struct balance_section *balance_section_of(const struct balance *state)
{
	static const struct balance_section none;
	const struct weir_config *config = state->engine ? weir_engine_config(state->engine) : NULL;

	return config ? config->sections[weir_feature_index(&weir_balance)] : &none;
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
	const struct balance *state = data;
	uint64_t sums[BALANCE_COUNTER_COUNT];

	balance_sums(state, sums);
	weir_json_open_object(json, "balance");
	weir_json_put_uint(json, "services", balance_section_of(state)->service_count);
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
	return r;
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
	.state_free = free,
	.attach = balance_attach,
	.status = balance_status,
	.snapshot = balance_snapshot,
	.ops = balance_ops,
};
