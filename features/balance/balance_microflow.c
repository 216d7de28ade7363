/* SPDX-License-Identifier: Apache-2.0 */
/* How much room there is for flows that XDP sends on by itself (bpf/lib/microflow.h). */
#include "abi/microflow.h"
#include "features/balance/balance_state.h"

/* Sets of each CPU: a power of two, and all of them together no more than was asked for. */
static uint32_t sets_each(uint32_t flows, uint32_t cpus)
{
	uint32_t sets = 1;

	while ((uint64_t)sets * 2 * MICROFLOW_WAYS * cpus <= flows)
		sets *= 2;
	return sets;
}

int balance_microflows_set(const struct balance_section *section, bool shortcuts,
			   struct weir_constants *constants)
{
	int cpus = weir_map_cpus();

	if (cpus < 0)
		return cpus;
	bool enabled = shortcuts && section->shortcut_flows >= MICROFLOW_WAYS * (uint32_t)cpus;
	struct weir_microflow_constants values = {
		.sets = enabled ? sets_each(section->shortcut_flows, (uint32_t)cpus) : 1,
		.enabled = enabled,
	};

	values.each = values.sets + (values.sets + MICROFLOW_TAGGED - 1) / MICROFLOW_TAGGED;
	int r = weir_constants_capacity(constants, "tmp_microflow",
					enabled ? values.each * (uint32_t)cpus : 1);

	return r ? r :
		   weir_constants_set(constants, "microflow_constants", &values, sizeof(values));
}
