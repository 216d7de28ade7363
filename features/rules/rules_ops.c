/* SPDX-License-Identifier: Apache-2.0 */
/* An edit from its call to the live policy. */
#include "features/rules/rules_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/rules/rules_shown.h"
#include "features/rules/rules_store.h"

struct rules_state *rules_state_of(struct weir_engine *engine)
{
	return weir_engine_state(engine, &weir_rules);
}

static int list_edit(struct rules_request *request, struct rules_list *list)
{
	_cleanup_entry_ struct rules_entry entry = { 0 };
	switch (request->edit) {
	case RULES_ADDED:
		list->named = request->named;
		return rules_list_insert(list, request->to, &request->entry);
	case RULES_DELETED:
		rules_list_take(list, request->from, &entry);
		return 0;
	case RULES_MOVED:
		rules_list_take(list, request->from, &entry);
		free(entry.anchor);
		entry.where = request->entry.where;
		entry.anchor = weir_take(request->entry.anchor);
		return rules_list_insert(list, request->to - (request->to > request->from), &entry);
	case RULES_ENABLED:
	case RULES_DISABLED:
		list->at[request->from].text.enabled = request->edit == RULES_ENABLED;
		return 0;
	}
	return -EINVAL;
}

static int request_prepare(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct rules_request *request = (struct rules_request *)change;
	const struct rules_state *state = data;
	int r = rules_list_copy(&state->runtime, &request->draft);
	(void)diag;
	return r ? r : list_edit(request, &request->draft);
}

static int request_persist(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct rules_request *request = (struct rules_request *)change;
	struct rules_state *state = data;
	int r = rules_store_save(state->dir, &request->draft, &state->next.rows);
	if (r < 0) {
		weir_diag_error(diag, "make room or mend the permissions, then try again",
				"cannot write rules.json in %s: %s", state->dir, strerror(-r));
		return r;
	}
	request->is_saved = true;
	state->next.is_saved = true;
	return 0;
}

/* Not the rule of the configuration that may have the same name since a start. */
static const struct rules_standing *standing_of(const struct rules_order *order, const char *name)
{
	for (uint32_t i = 0; i < order->count; i++)
		if (order->at[i].origin == RULES_FROM_RUNTIME &&
		    strcmp(order->at[i].text->name, name) == 0)
			return &order->at[i];
	return NULL;
}

static void put_result(const struct rules_request *request, const struct rules_order *order,
		       struct weir_json_out *json)
{
	static const char *const results[] = { "added", "deleted", "moved", "enabled", "disabled" };
	const struct rules_standing *standing = standing_of(order, request->name);
	weir_json_put_str(json, "result", results[request->edit]);
	if (request->edit == RULES_DELETED || !standing) {
		weir_json_put_str(json, "name", request->name);
		return;
	}
	rules_put_who(standing, json);
	weir_json_put_uint(json, "place", (uint64_t)(standing - order->at) + 1);
	weir_json_put_uint(json, "of", order->count);
}

/* The order of state->next borrows from the draft, whose rules stay where they are in memory. */
static void request_accept(struct weir_change *change, void *data)
{
	struct rules_request *request = (struct rules_request *)change;
	struct rules_state *state = data;
	struct weir_call *call = change->call;
	struct weir_json_out json = { .out = &call->reply };
	request->is_accepted = true;
	rules_list_done(&state->runtime);
	state->runtime = request->draft;
	request->draft = (struct rules_list){ 0 };

	weir_json_open_object(&json, NULL);
	put_result(request, state->next.order, &json);
	if (call->diag.count)
		weir_json_put_diag(&json, "warnings", &call->diag);
	weir_json_put_uint(&json, "revision", weir_engine_revision(request->engine));
	weir_json_put_uint(&json, "ms",
			   (weir_clock_monotonic_ns() - request->started_ns) / WEIR_NS_PER_MS);
	weir_json_close_object(&json);
}

/* It was written and did not come to be live: a restart must not make it so. */
static void request_unsave(struct rules_request *request)
{
	struct rules_state *state = rules_state_of(request->engine);
	int r = rules_store_save(state->dir, &state->runtime, &state->hits.rows);
	if (r < 0)
		weir_engine_warn(request->engine, weir_rules.name,
				 "rules.json in %s still has what was refused: %s", state->dir,
				 strerror(-r));
}

void rules_request_free(struct rules_request *request)
{
	if (!request)
		return;
	if (request->is_saved && !request->is_accepted)
		request_unsave(request);
	rules_entry_done(&request->entry);
	rules_list_done(&request->draft);
	free(request);
}

static void change_free(struct weir_change *change)
{
	rules_request_free((struct rules_request *)change);
}

struct rules_request *rules_request_new(struct weir_engine *engine, struct weir_call *call,
					enum rules_edit edit)
{
	_Static_assert(offsetof(struct rules_request, change) == 0,
		       "a change is cast to its request");
	struct rules_request *request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	request->engine = engine;
	request->edit = edit;
	request->started_ns = weir_clock_monotonic_ns();
	request->change = (struct weir_change){
		.feature = &weir_rules,
		.prepare = request_prepare,
		.persist = request_persist,
		.accept = request_accept,
		.free = change_free,
		.call = call,
		.draft = &request->draft,
	};
	return request;
}

int rules_request_start(struct rules_request *request)
{
	int r = weir_engine_change(request->engine, &request->change);
	return r < 0 ? r : WEIR_OP_PENDING;
}

int rules_call_find(struct weir_call *call, const struct rules_state *state, const char *arg,
		    const struct rules_standing **ret_standing)
{
	const char *name = weir_call_str(call, arg);
	const struct rules_standing *standing = name ? rules_order_find(state->order, name) : NULL;
	if (!standing) {
		weir_diag_key(&call->diag, arg, "see `weir rule list`",
			      "there is no rule of the name or number '%s'", name ? name : "");
		return -ENOENT;
	}
	*ret_standing = standing;
	return 0;
}
