/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_look.h"

#include <errno.h>

#include "base/clock.h"
#include "core/served.h"
#include "features/balance/balance_state.h"

#define SHARE 20

bool balance_look_is_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	(void)engine, (void)call;
	return true;
}

int balance_look_ask(struct weir_engine *engine, const struct weir_op *op, void *door,
		     void (*then)(struct weir_call *call))
{
	struct weir_call *call = weir_call_new(op);

	if (!call)
		return -ENOMEM;
	if (!call->args && weir_json_parse("{}", 2, NULL, NULL, &call->args)) {
		weir_call_free(call);
		return -ENOMEM;
	}
	call->who = weir_balance.name;
	call->door = door;
	call->finished = then;
	weir_call_run(engine, call);
	return 0;
}

uint64_t balance_look_next(uint64_t began_ns, uint64_t least_ns)
{
	uint64_t now_ns = weir_clock_monotonic_ns(), wait_ns = (now_ns - began_ns) * SHARE;

	return now_ns + (wait_ns > least_ns ? wait_ns : least_ns);
}

static bool is_direct(const struct balance *state, const struct balance_place *place)
{
	const struct balance_section *section = balance_acting_of(state);

	return place->service_index < section->service_count &&
	       section->services[place->service_index].forward != WEIR_FORWARD_NAT;
}

const struct balance_place *balance_look_living(const struct balance *state,
						const struct weir_served_flow *flow)
{
	const struct balance_place *place = balance_plan_flow(&state->counts.live, flow);

	if (!place || flow->has_ended || (flow->is_over && is_direct(state, place)))
		return NULL;
	return place;
}
