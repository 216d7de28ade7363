/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets go on while all flows are looked at, so what is found is no count at any one time. What
 * it proves is an interval: a flow that was seen may have ended since, one that began since may not
 * have been seen. A count that lies in it is left alone; one that does not is moved to its nearer
 * end. So where packets show all, as with TCP that closes, nothing is ever put wrong by looking.
 */
#include "features/balance/balance_active_walk.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/engine.h"
#include "core/served.h"
#include "features/balance/balance_look.h"
#include "features/balance/balance_state.h"

int64_t balance_active_error(uint64_t count, const struct balance_found *found)
{
	/* A flow that proves itself changes tables, and is missed then, or seen in both: about as
	 * many do meanwhile as begin. */
	uint64_t less = found->ended + found->begun, most = found->seen + 2 * found->begun,
		 least = found->seen > less ? found->seen - less : 0;

	if (count < least)
		return (int64_t)(least - count);
	return count > most ? -(int64_t)(count - most) : 0;
}

struct look {
	const struct balance *state;
	struct balance_found *found; /* of each place */
};

static void flow_look(const struct weir_served_flow *flow, void *arg)
{
	struct look *look = arg;
	const struct balance_place *place = balance_look_living(look->state, flow);

	if (place)
		look->found[place - look->state->counts.live.at].seen++;
}

/* Added for where it ends, less what it was where it began. */
static void marks_add(const struct look *look, const struct balance_actives *actives, bool is_end)
{
	const struct balance_plan *live = &look->state->counts.live;

	for (uint32_t i = 0; i < live->count; i++) {
		const struct balance_active *row = balance_actives_row(actives, live->at[i].row);
		struct balance_found *found = &look->found[i];

		if (!row)
			continue;
		uint64_t begun = __atomic_load_n(&row->begun, __ATOMIC_RELAXED),
			 ended = __atomic_load_n(&row->ended, __ATOMIC_RELAXED);

		found->begun = is_end ? begun - found->begun : begun;
		found->ended = is_end ? ended - found->ended : ended;
	}
}

static void rows_mend(const struct look *look, const struct balance_actives *actives)
{
	const struct balance_plan *live = &look->state->counts.live;

	for (uint32_t i = 0; i < live->count; i++) {
		struct balance_active *row = balance_actives_row(actives, live->at[i].row);

		if (row)
			__atomic_fetch_add(&row->base,
					   balance_active_error(balance_active_count(row),
								&look->found[i]),
					   __ATOMIC_RELAXED);
	}
}

int balance_active_look(struct weir_engine *engine, struct balance_actives *actives)
{
	const struct balance *state = weir_engine_state(engine, &weir_balance);
	struct look look = { .state = state };
	_cleanup_free_ struct balance_found *found =
		calloc(state->counts.live.count + 1ul, sizeof(*found));

	if (!found)
		return -ENOMEM;
	look.found = found;
	marks_add(&look, actives, false);
	weir_served_each(engine, flow_look, &look);
	marks_add(&look, actives, true);
	rows_mend(&look, actives);
	return 0;
}
