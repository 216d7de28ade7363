/* SPDX-License-Identifier: Apache-2.0 */
/* The state from start to end: read, attached, live, once a second. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/rules/rules_state.h"
#include "features/rules/rules_store.h"

void rules_next_done(struct rules_next *next)
{
	rules_order_free(next->order);
	rules_index_done(&next->rows);
	rules_index_done(&next->missing);
	*next = (struct rules_next){ 0 };
}

void rules_state_free(void *data)
{
	struct rules_state *state = data;
	if (!state)
		return;
	rules_next_done(&state->next);
	rules_order_free(state->order);
	rules_hits_done(&state->hits);
	rules_index_done(&state->missing);
	rules_list_done(&state->runtime);
	free(state->dir);
	free(state);
}

static void rules_state_freep(struct rules_state **state)
{
	rules_state_free(*state);
}

int rules_state_new(struct weir_engine *engine, const char *state_dir, struct weir_diag *diag,
		    void **ret_state)
{
	_cleanup_(rules_state_freep) struct rules_state *state = calloc(1, sizeof(*state));
	if (!state || (state_dir && !(state->dir = strdup(state_dir))))
		return -ENOMEM;
	state->engine = engine;
	int r = rules_store_load(state_dir, diag, &state->runtime, &state->hits.rows,
				 &state->is_damaged);
	if (r < 0)
		return r;
	*ret_state = weir_take(state);
	return 0;
}

/* So that schedules follow a clock that is set, and summer time. */
static int clock_write(const struct rules_state *state)
{
	struct rules_clock clock = { .offset_ns = weir_clock_local_ns(weir_clock_real_ns()) -
						  weir_clock_monotonic_ns() };
	uint32_t zero = 0;
	return state->clock ? weir_map_set(state->clock, &zero, &clock) : 0;
}

int rules_state_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct rules_state *state = data;
	state->hits.counters = weir_object_map(object, "ctr_rule");
	state->clock = weir_object_map(object, "cfg_clock");
	if (!state->hits.counters || !state->clock)
		return weir_diag_error(diag, NULL,
				       "the packet program lacks ctr_rule or cfg_clock"),
		       -ENOENT;
	int r = clock_write(state);
	if (r < 0)
		weir_diag_error(diag, NULL, "cannot set the clock of schedules: %s", strerror(-r));
	return r;
}

/* A change of rules has written the file before it went live. */
static void state_save(struct rules_state *state, const struct rules_next *next)
{
	bool is_new = state->is_damaged || !rules_rows_equal(&state->hits.rows, &next->rows);
	int r = is_new && !next->is_saved ?
			rules_store_save(state->dir, &state->runtime, &next->rows) :
			0;
	state->is_damaged = r < 0;
	if (r < 0)
		weir_engine_warn(state->engine, weir_rules.name,
				 "cannot write rules.json in %s: %s", state->dir, strerror(-r));
}

void rules_state_live(void *data, const struct weir_config *config)
{
	struct rules_state *state = data;
	struct rules_next *next = &state->next;
	uint64_t now_ns = weir_clock_monotonic_ns();
	state->is_live = true;
	state->config = config;
	if (!next->order)
		return;
	state_save(state, next);
	rules_order_free(state->order);
	state->order = weir_take(next->order);
	state->words = next->words;
	rules_index_done(&state->missing);
	state->missing = next->missing;
	next->missing = (struct rules_index){ 0 };
	rules_hits_adopt(&state->hits, &next->rows, now_ns);
	rules_next_done(next);
	rules_hits_read(&state->hits, now_ns);
}

void rules_state_tick(void *data, uint64_t now_ns)
{
	struct rules_state *state = data;
	int r = clock_write(state);
	(void)now_ns;
	if (r < 0)
		weir_engine_warn(state->engine, weir_rules.name,
				 "cannot set the clock of schedules: %s", strerror(-r));
}
