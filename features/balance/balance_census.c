/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_census.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/served.h"
#include "features/balance/balance_look.h"
#include "features/balance/balance_state.h"

#define LOOK_NS (5 * WEIR_NS_PER_S)

/* Whose they are: its row may have become another's since. */
struct counted {
	uint64_t identity;
	struct balance_flows flows;
};

struct balance_census {
	struct weir_engine *engine;
	struct counted *rows, *fresh; /* by the row of a backend; fresh: the worker's */
	uint32_t count, fresh_count;
	bool is_taken, is_looking;
	uint64_t began_ns, next_ns;
};

void balance_flows_add(struct balance_flows *to, const struct balance_flows *from)
{
	to->active += from->active;
	to->inactive += from->inactive;
}

struct counting {
	const struct balance_plan *live;
	struct balance_flows *flows; /* of each place */
};

static void flow_count(const struct weir_served_flow *flow, void *arg)
{
	struct counting *counting = arg;
	const struct balance_place *place = balance_plan_flow(counting->live, flow);
	struct balance_flows *flows = place ? &counting->flows[place - counting->live->at] : NULL;

	if (flows && flow->is_answered && !flow->is_over)
		flows->active++;
	else if (flows)
		flows->inactive++;
}

void balance_flows_count(struct weir_engine *engine, const struct balance *state,
			 struct balance_flows *ret_flows)
{
	struct counting counting = { &state->counts.live, ret_flows };

	weir_served_each(engine, flow_count, &counting);
}

int balance_census_new(struct weir_engine *engine, struct balance_census **ret_census)
{
	struct balance_census *census = engine ? calloc(1, sizeof(*census)) : NULL;

	if (engine && !census)
		return -ENOMEM;
	if (census)
		census->engine = engine;
	*ret_census = census;
	return 0;
}

void balance_census_free(struct balance_census *census)
{
	if (census) {
		free(census->rows);
		free(census->fresh);
	}
	free(census);
}

static int look_run(struct weir_engine *engine, struct weir_call *call)
{
	struct balance_census *census = call->door;
	const struct balance *state = weir_engine_state(engine, &weir_balance);
	const struct balance_plan *live = &state->counts.live;
	_cleanup_free_ struct balance_flows *flows = calloc(live->count + 1ul, sizeof(*flows));

	census->began_ns = weir_clock_monotonic_ns();
	census->fresh = calloc(live->rows_end + 1ul, sizeof(*census->fresh));
	if (!flows || !census->fresh)
		return -ENOMEM;
	census->fresh_count = live->rows_end;
	balance_flows_count(engine, state, flows);
	for (uint32_t i = 0; i < live->count; i++)
		if (live->at[i].row < census->fresh_count)
			census->fresh[live->at[i].row] =
				(struct counted){ live->at[i].identity, flows[i] };
	return 0;
}

static void looked(struct weir_call *call)
{
	struct balance_census *census = call->door;

	if (census->fresh && call->result >= 0) {
		free(census->rows);
		census->rows = weir_take(census->fresh);
		census->count = census->fresh_count;
		census->is_taken = true;
	}
	free(weir_take(census->fresh));
	census->is_looking = false;
	census->next_ns = balance_look_next(census->began_ns, LOOK_NS);
	weir_call_free(call);
}

static const struct weir_op look_op = {
	.name = "balance.census",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_NONE,
	.run = look_run,
	.is_heavy = balance_look_is_heavy,
};

void balance_census_tick(struct balance_census *census, const struct balance *state,
			 uint64_t now_ns)
{
	if (!census || !state->counts.live.count || census->is_looking || now_ns < census->next_ns)
		return;
	census->began_ns = now_ns;
	census->is_looking = true; /* it may be over before it is told that it was asked for */
	if (balance_look_ask(census->engine, &look_op, census, looked))
		census->is_looking = false;
}

bool balance_census_is_taken(const struct balance_census *census)
{
	return census && census->is_taken;
}

struct balance_flows balance_census_of(const struct balance_census *census,
				       const struct balance_place *place)
{
	static const struct balance_flows none;

	if (!census || place->row >= census->count ||
	    census->rows[place->row].identity != place->identity)
		return none;
	return census->rows[place->row].flows;
}
