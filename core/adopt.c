/* SPDX-License-Identifier: Apache-2.0 */
#include "adopt.h"

#include <string.h>

#include "kernel_flows.h"

struct adopting {
	void *const *states;
	const struct weir_config *config;
	bool wants[WEIR_FEATURES_MAX];
	enum weir_adopted_as as;
	uint64_t taken, refused;
};

/*
 * Began between the first telling and the attaching of the programs. The policy is in force by now,
 * and what it refused must not be granted: that has no answer. Of a UDP socket nobody knows whether
 * it had one.
 */
static bool is_late(const struct weir_kernel_flow *flow)
{
	bool is_guess =
		flow->source == WEIR_KERNEL_FLOW_SOCKET && flow->stage == WEIR_KERNEL_FLOW_UNSTAGED;

	return flow->answered && !is_guess && flow->stage != WEIR_KERNEL_FLOW_TIME_WAIT &&
	       flow->stage != WEIR_KERNEL_FLOW_RESET;
}

static void adopted_note(struct adopting *adopting, int r)
{
	adopting->taken += r > 0;
	adopting->refused += r < 0;
}

static int flow_hand(const struct weir_kernel_flow *flow, void *arg)
{
	struct adopting *adopting = arg;

	if (adopting->as == WEIR_ADOPTED_LATE && !is_late(flow))
		return 0;
	for (size_t i = 0; weir_features[i]; i++)
		if (adopting->wants[i])
			adopted_note(adopting,
				     weir_features[i]->adopt(adopting->states[i], adopting->config,
							     flow, adopting->as));
	return 0;
}

/* Whatever stands in the way was told of the first time. */
static void flows_hand_unheard(struct adopting *adopting)
{
	struct weir_diag unheard = {};

	weir_kernel_flows_each(&unheard, flow_hand, adopting);
	weir_diag_done(&unheard);
}

uint64_t weir_adopt(void *const *states, const struct weir_config *config, enum weir_adopted_as as,
		    struct weir_diag *diag)
{
	struct adopting adopting = {
		.states = states,
		.config = config,
		.as = as,
	};
	bool is_wanted = false;

	for (size_t i = 0; weir_features[i]; i++)
		is_wanted |= adopting.wants[i] =
			weir_features[i]->wants_flows && weir_features[i]->wants_flows(states[i]);
	if (!is_wanted)
		return 0;
	if (as == WEIR_ADOPTED_LATE) {
		flows_hand_unheard(&adopting);
		return adopting.taken;
	}
	int r = weir_kernel_flows_each(diag, flow_hand, &adopting);

	if (r)
		weir_diag_warning(diag, NULL,
				  "the connections the kernel knows cannot be read: %s; they are "
				  "taken for new ones",
				  strerror(-r));
	if (adopting.refused)
		weir_diag_warning(diag, "make conntrack.capacity larger",
				  "%llu of the connections the kernel knows found no room "
				  "(one that both nf_conntrack and a socket know counts twice)",
				  (unsigned long long)adopting.refused);
	return adopting.taken;
}
