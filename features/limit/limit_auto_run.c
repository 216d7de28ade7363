/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever the last look found to be over a limit for too much is put on the deny list `auto`, by
 * the operations that people have: what an allow list holds is looked up first, then the block is
 * added, with the evidence as its note.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/inside.h"
#include "features/limit/limit_state.h"

#define WHO "limit"
#define SPARED "spared"
/* A kill forgets what the last seconds added. */
#define SAVE_NS (5ULL * 1000000000)

struct offence {
	struct weir_engine *engine;
	char entry[WEIR_RANGE_TEXT], limit[WEIR_IMAGE_LIMIT_TEXT];
	uint64_t for_s, over, within_s;
	bool is_dry;
};

static struct limit *state_of(const struct offence *offence)
{
	return weir_engine_state(offence->engine, &weir_limit);
}

static void evidence_add(const struct offence *offence, struct weir_buf *text)
{
	weir_buf_addf(text, "%" PRIu64 " packets over limit %s in %" PRIu64 " s", offence->over,
		      offence->limit, offence->within_s);
}

/* For events and the kept log: who, why, how long, and what became of it. */
static void offence_tell(const struct offence *offence, const char *result)
{
	_cleanup_buf_ struct weir_buf text = { 0 }, what = { 0 };
	struct weir_json_out json = { .out = &text };

	weir_buf_addf(&what, "%s %s", offence->entry, result);
	if (strcmp(result, SPARED) == 0)
		weir_buf_add_str(&what, ", since an allow list holds it: ");
	else
		weir_buf_addf(&what, " for %" PRIu64 " s: ", offence->for_s);
	evidence_add(offence, &what);
	weir_event_open(&json, "block");
	weir_json_put_str(&json, "feature", weir_limit.name);
	weir_json_put_str(&json, "what", weir_buf_str(&what));
	weir_json_put_str(&json, "entry", offence->entry);
	weir_json_put_str(&json, "limit", offence->limit);
	weir_json_put_str(&json, "result", result);
	weir_json_put_uint(&json, "for_s", offence->for_s);
	weir_json_put_uint(&json, "over", offence->over);
	weir_json_put_uint(&json, "within_s", offence->within_s);
	weir_json_close_object(&json);
	weir_engine_publish(offence->engine, "block", weir_buf_str(&text), text.len);
}

static void offence_fail(const struct offence *offence, int result, const struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf why = { 0 };

	state_of(offence)->autos.refused++;
	if (diag && diag->count)
		weir_diag_entry_format(&diag->entries[0], &why);
	else
		weir_buf_add_str(&why, strerror(-result));
	weir_engine_warn(offence->engine, weir_limit.name,
			 "%s is over limit %s and not blocked: %s", offence->entry, offence->limit,
			 weir_buf_str(&why));
}

static void blocked(void *arg, int result, const struct weir_json *reply,
		    const struct weir_diag *diag)
{
	_cleanup_free_ struct offence *offence = arg;

	(void)reply;
	if (result < 0) {
		offence_fail(offence, result, diag);
		return;
	}
	state_of(offence)->autos.blocked++;
	offence_tell(offence, "blocked");
}

/* Takes the offence over. */
static void offence_block(struct offence *offence)
{
	_cleanup_buf_ struct weir_buf args = { 0 }, ttl = { 0 }, note = { 0 };
	struct weir_json_out json = { .out = &args };

	weir_buf_addf(&ttl, "%" PRIu64 "s", offence->for_s);
	evidence_add(offence, &note);
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "entry", offence->entry);
	weir_json_put_str(&json, "list", WEIR_LIST_AUTO);
	weir_json_put_str(&json, "ttl", weir_buf_str(&ttl));
	weir_json_put_str(&json, "note", weir_buf_str(&note));
	weir_json_close_object(&json);
	int r = weir_inside_run(offence->engine, "block.add", weir_buf_str(&args), WHO, blocked,
				offence);

	if (r < 0)
		blocked(offence, r, NULL, NULL);
}

/* Which allow lists hold any of it. */
static void looked_up(void *arg, int result, const struct weir_json *reply,
		      const struct weir_diag *diag)
{
	_cleanup_free_ struct offence *offence = arg;

	if (result < 0) {
		offence_fail(offence, result, diag);
		return;
	}
	if (weir_json_size(weir_json_get(reply, "entries"))) {
		state_of(offence)->autos.spared++;
		offence_tell(offence, SPARED);
	} else if (offence->is_dry) {
		offence_tell(offence, "would be blocked");
	} else {
		offence_block(weir_take(offence));
	}
}

/* Takes the offence over. */
static void offence_look_up(struct offence *offence)
{
	_cleanup_buf_ struct weir_buf args = { 0 };
	struct weir_json_out json = { .out = &args };

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "match", offence->entry);
	weir_json_put_uint(&json, "limit", 1);
	weir_json_close_object(&json);
	int r = weir_inside_run(offence->engine, "allow.list", weir_buf_str(&args), WHO, looked_up,
				offence);

	if (r < 0)
		looked_up(offence, r, NULL, NULL);
}

static struct offence *offence_new(const struct limit *state, const struct limit_over *over,
				   const struct limit_known *known, uint64_t now_ns)
{
	struct offence *offence = calloc(1, sizeof(*offence));
	struct weir_prefix prefix = { over->addr, over->length };
	struct weir_range range;

	if (!offence)
		return NULL;
	weir_prefix_to_range(&prefix, &range);
	weir_range_to_string(&range, offence->entry);
	memcpy(offence->limit, known->name, sizeof(offence->limit));
	offence->engine = state->engine;
	offence->over = (uint64_t)(over->window_over + 0.5);
	offence->within_s = (now_ns - over->window_ns) / WEIR_NS_PER_S + 1;
	offence->is_dry = known->block.is_dry;
	return offence;
}

static void offender_meet(struct limit *state, struct limit_over *over,
			  const struct limit_known *known, uint64_t now_ns)
{
	_cleanup_free_ struct offence *offence = offence_new(state, over, known, now_ns);
	struct weir_prefix prefix = { over->addr, over->length };
	struct weir_range range;

	over->offends = false;
	over->window_ns = 0;
	if (!offence)
		return;
	weir_prefix_to_range(&prefix, &range);
	uint64_t length_ns = limit_auto_length(&state->autos, &range, &known->block, now_ns);

	offence->for_s = length_ns / WEIR_NS_PER_S;
	if (length_ns)
		offence_look_up(weir_take(offence));
}

void limit_auto_run(struct limit *state, uint64_t now_ns)
{
	for (unsigned i = 0; i < LIMIT_TOP_ENTRIES; i++) {
		struct limit_over *over = &state->top.at[i];
		const struct limit_known *known = limit_top_known(&state->top, over->limit);

		if (state->top.keys[i] && over->offends && known)
			offender_meet(state, over, known, now_ns);
	}
	if (now_ns > state->autos.saved_ns + SAVE_NS)
		limit_auto_keep(state, now_ns);
}

void limit_auto_keep(struct limit *state, uint64_t now_ns)
{
	struct limit_auto *autos = &state->autos;

	if (!autos->is_new || !state->engine)
		return;
	int r = limit_auto_save(state->dir, autos, now_ns);

	autos->is_new = false;
	autos->saved_ns = now_ns;
	if (r < 0)
		weir_engine_warn(state->engine, weir_limit.name,
				 "cannot write limit-blocks.json in %s: %s; who is blocked again "
				 "after a restart is so as if for the first time",
				 state->dir, strerror(-r));
}
