/* SPDX-License-Identifier: Apache-2.0 */
#include "adopt.h"

#include <string.h>

#include "feature.h"
#include "kernel_flows.h"

struct adopting {
	void *const *states;
	const struct weir_config *config;
	bool wants[WEIR_FEATURES_MAX];
	bool is_granted;
	uint64_t refused;
};

static int flow_hand(const struct weir_kernel_flow *flow, void *arg)
{
	struct adopting *adopting = arg;

	for (size_t i = 0; weir_features[i]; i++)
		if (adopting->wants[i])
			adopting->refused += !weir_features[i]->adopt(
				adopting->states[i], adopting->config, flow, adopting->is_granted);
	return 0;
}

void weir_adopt(void *const *states, const struct weir_config *config, enum weir_adopted_as as,
		struct weir_diag *diag)
{
	struct adopting adopting = {
		.states = states,
		.config = config,
		.is_granted = as == WEIR_ADOPTED_GRANTED,
	};
	bool is_wanted = false;

	for (size_t i = 0; weir_features[i]; i++)
		is_wanted |= adopting.wants[i] =
			weir_features[i]->wants_flows && weir_features[i]->wants_flows(states[i]);
	if (!is_wanted)
		return;
	int r = weir_kernel_flows_each(diag, flow_hand, &adopting);

	if (r)
		weir_diag_warning(diag, NULL,
				  "the connections the kernel knows cannot be read: %s; they are "
				  "taken for new ones",
				  strerror(-r));
	if (adopting.refused)
		weir_diag_warning(diag, "make conntrack.capacity larger",
				  "%llu of the connections the kernel knows found no room",
				  (unsigned long long)adopting.refused);
}
