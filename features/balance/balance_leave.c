/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_leave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/served.h"
#include "features/balance/balance_change.h"
#include "features/balance/balance_look.h"

#define LOOK_NS (2 * WEIR_NS_PER_S)

static void next_drop(struct balance_leave *leave)
{
	if (leave->next)
		balance_runtime_done(leave->next);
	free(leave->next);
	leave->next = NULL;
}

void balance_leave_done(struct balance_leave *leave)
{
	next_drop(leave);
}

/* What service `from` of `before` has and `to` of `now` has not. */
static int gone_add(const struct balance_live *before, unsigned from,
		    const struct balance_live *now, unsigned to, struct balance_runtime *runtime)
{
	const struct balance_text *text = &before->all.services[from];
	int r = 0;

	for (unsigned i = 0; i < balance_staying(text) && !r; i++) {
		const struct balance_end *end =
			&before->backends[before->services[from].first + i].end;
		const struct balance_row row = {
			.service = now->all.services[to].name,
			.address = text->backends[i].address,
			.port = end->port,
			.has_weight = true,
			.is_added = true,
			.is_leaving = true,
		};

		if (balance_live_backend(now, to, end) < 0)
			r = balance_runtime_add_row(runtime, &row);
	}
	return r;
}

/* A service is the same while it is met at the same end, whatever its name. */
static int services_compare(const struct balance_live *before, const struct balance_live *now,
			    struct balance_runtime *runtime)
{
	int r = 0;

	for (unsigned i = 0; i < before->all.service_count && !r; i++) {
		int backend = -1, at = balance_live_end(now, &before->services[i].end, &backend);

		if (at >= 0 && backend < 0 && before->services[i].is_enabled &&
		    now->services[at].is_enabled &&
		    before->all.services[i].forward == now->all.services[at].forward)
			r = gone_add(before, i, now, (unsigned)at, runtime);
	}
	return r;
}

const struct weir_config *balance_leave_from(const struct balance *state)
{
	if (!state || state->config || !state->engine)
		return state ? state->config : NULL;
	return weir_engine_config_before(state->engine);
}

int balance_leave_next(struct balance *state, const struct balance_section *was,
		       const struct balance_section *section)
{
	_cleanup_live_ struct balance_live before = { 0 }, now = { 0 };

	next_drop(&state->leave);
	if (state->runtime->is_off)
		return 0;
	state->leave.next = calloc(1, sizeof(*state->leave.next));
	if (!state->leave.next || balance_runtime_copy(state->runtime, state->leave.next)) {
		next_drop(&state->leave);
		return -ENOMEM;
	}
	unsigned rows = state->leave.next->row_count;
	int r = balance_live_make(was, state->runtime, &before)		 ?:
			balance_live_make(section, state->runtime, &now) ?:
			services_compare(&before, &now, state->leave.next);

	if (r || state->leave.next->row_count == rows)
		next_drop(&state->leave);
	return r;
}

bool balance_leave_live(struct balance *state)
{
	struct balance_runtime *next = weir_take(state->leave.next);

	if (!next)
		return false;
	balance_live_done(state->live); /* it borrows from what goes now */
	state->is_stale = true;
	balance_runtime_done(state->runtime);
	*state->runtime = *next;
	free(next);
	return true;
}

/* How many connections each place of the policy has. */
struct living {
	const struct balance *state;
	uint32_t *places;
};

static void flow_count(const struct weir_served_flow *flow, void *arg)
{
	struct living *living = arg;
	const struct balance_place *place = balance_look_living(living->state, flow);

	if (place)
		living->places[place - living->state->counts.live.at]++;
}

static bool has_left(const struct living *living, const struct balance_live *live, unsigned service,
		     const struct balance_live_backend *backend)
{
	const struct balance_plan *plan = &living->state->counts.live;
	uint64_t identity = balance_identity(&live->services[service].end, &backend->end);
	const struct balance_section *acting = balance_acting_of(living->state);
	const struct balance_place *place =
		balance_plan_row(plan, balance_rows_find(&plan->rows, identity));

	if (!place || place->identity != identity || place->service_index >= acting->service_count)
		return true;
	/* A command beside this one may have deleted it just now: packets do not know yet. */
	if (place->backend_index < balance_staying(&acting->services[place->service_index]))
		return false;
	return !living->places[place - plan->at];
}

/* Marks the row of everybody who has left, and of those that gave way. -ENOMEM. */
static int left_find(struct weir_engine *engine, const struct balance *state,
		     const struct balance_live *live, const struct balance_runtime *runtime,
		     bool *is_left)
{
	_cleanup_free_ uint32_t *places = calloc(state->counts.live.count + 1ul, sizeof(*places));
	struct living living = { state, places };

	if (!places)
		return -ENOMEM;
	weir_served_each(engine, flow_count, &living);
	for (unsigned i = 0; i < runtime->row_count; i++)
		is_left[i] = runtime->rows[i].is_leaving && live->row_fates[i] != BALANCE_ACTS;
	for (unsigned i = 0; i < live->all.service_count; i++) {
		const struct balance_text *text = &live->all.services[i];

		for (unsigned j = text->leaving_count; j > 0; j--) {
			const struct balance_live_backend *backend =
				&live->backends[live->services[i].first + text->backend_count - j];

			is_left[backend->row - 1] = has_left(&living, live, i, backend);
		}
	}
	return 0;
}

int balance_edit_left(struct balance_edit *edit)
{
	unsigned count = edit->runtime->row_count, left = 0;
	_cleanup_free_ bool *is_left = calloc(count + 1ul, sizeof(*is_left));
	int r = is_left ? left_find(edit->state->engine, edit->state, edit->live, edit->runtime,
				    is_left) :
			  -ENOMEM;

	edit->result = "left";
	for (unsigned i = count; i > 0 && !r; i--) {
		if (!is_left[i - 1])
			continue;
		balance_runtime_del_row(edit->runtime, i - 1);
		left++;
	}
	return r ? r : left ? 0 : -EALREADY;
}

static bool has_leaving(const struct balance_runtime *runtime)
{
	bool has = false;

	for (unsigned i = 0; i < runtime->row_count && !has; i++)
		has = runtime->rows[i].is_leaving;
	return has;
}

/* Whether anybody has left, before a policy is compiled for it. */
static int look_run(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = call->door;
	unsigned count = state->runtime->row_count;
	_cleanup_free_ bool *is_left = calloc(count + 1ul, sizeof(*is_left));

	state->leave.began_ns = weir_clock_monotonic_ns();
	if (!is_left || state->is_stale)
		return is_left ? 0 : -ENOMEM;
	int r = left_find(engine, state, state->live, state->runtime, is_left);

	for (unsigned i = 0; i < count && !r; i++)
		state->leave.is_idle |= is_left[i];
	return r;
}

static const struct weir_op look_op = {
	.name = "balance.leaving",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_NONE,
	.run = look_run,
	.is_heavy = balance_look_is_heavy,
};

static const struct weir_op left_op = {
	.name = "service.backend.left",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_NONE,
	.run = balance_change_run,
	.closure = &(const struct balance_verb){ balance_edit_left },
};

static void asked(struct weir_call *call)
{
	struct balance *state = call->door;

	state->leave.is_asking = false;
	state->leave.next_ns = balance_look_next(state->leave.began_ns, LOOK_NS);
	weir_call_free(call);
}

static void ask(struct balance *state, const struct weir_op *op, void (*then)(struct weir_call *))
{
	state->leave.is_asking = true;
	if (balance_look_ask(state->engine, op, state, then))
		state->leave.is_asking = false;
}

/* Behind a look that found somebody, the change. */
static void looked(struct weir_call *call)
{
	struct balance *state = call->door;
	bool is_idle = state->leave.is_idle;

	asked(call);
	state->leave.is_idle = false;
	if (is_idle)
		ask(state, &left_op, asked);
}

void balance_leave_tick(struct balance *state, uint64_t now_ns)
{
	if (state->leave.is_asking || now_ns < state->leave.next_ns || !has_leaving(state->runtime))
		return;
	state->leave.began_ns = now_ns;
	ask(state, &look_op, looked);
}
