/* SPDX-License-Identifier: Apache-2.0 */
/* del, move, enable, disable: of rules of run time. Those of the configuration are edited there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "features/rules/rules_ops.h"

static int file_refuse(const struct rules_state *state, struct weir_call *call,
		       const struct rules_standing *standing)
{
	char key[48];
	snprintf(key, sizeof(key), "rules.rules[%u]", standing->index);
	weir_diag_key(&call->diag, key, "change it there, then weir apply",
		      "the rule '%s' is part of the configuration", weir_call_str(call, "name"));
	weir_config_locate(state->config, &call->diag);
	return -EINVAL;
}

/* In the list and not in the order: after a start a rule of the configuration may have its name, or
 * leave no room for it, and either way it must be possible to take it away. */
static int entry_find(const struct rules_state *state, struct weir_call *call, uint32_t *ret_index)
{
	const char *name = weir_call_str(call, "name");
	const struct rules_standing *standing = NULL;
	uint32_t index = name ? rules_list_find(&state->runtime, name) : state->runtime.count;
	if (index == state->runtime.count) {
		int r = rules_call_find(call, state, "name", &standing);
		return r ? r : file_refuse(state, call, standing);
	}
	*ret_index = index;
	return 0;
}

/* A request about the rule of run time that is named; NULL with *ret_error. */
static struct rules_request *request_about(struct weir_engine *engine, struct weir_call *call,
					   enum rules_edit edit, int *ret_error)
{
	const struct rules_state *state = rules_state_of(engine);
	uint32_t index = 0;
	*ret_error = entry_find(state, call, &index);
	if (*ret_error < 0)
		return NULL;
	struct rules_request *request = rules_request_new(engine, call, edit);
	*ret_error = request ? 0 : -ENOMEM;
	if (!request)
		return NULL;
	request->from = index;
	snprintf(request->name, sizeof(request->name), "%s", state->runtime.at[index].text.name);
	return request;
}

static int edit_run(struct weir_engine *engine, struct weir_call *call, enum rules_edit edit)
{
	int r;
	struct rules_request *request = request_about(engine, call, edit, &r);
	return request ? rules_request_start(request) : r;
}

int rules_run_del(struct weir_engine *engine, struct weir_call *call)
{
	return edit_run(engine, call, RULES_DELETED);
}

int rules_run_enable(struct weir_engine *engine, struct weir_call *call)
{
	return edit_run(engine, call, RULES_ENABLED);
}

int rules_run_disable(struct weir_engine *engine, struct weir_call *call)
{
	return edit_run(engine, call, RULES_DISABLED);
}

static int move_check(const struct rules_state *state, struct weir_call *call,
		      struct rules_request *request)
{
	const char *before = weir_call_str(call, "before"), *after = weir_call_str(call, "after");
	const char *other = before ? before : after;
	const struct rules_standing *standing =
		other ? rules_order_find(state->order, other) : NULL;
	if (!rules_call_has_place(call))
		return weir_diag_error(&call->diag, "give --before, --after, --first or --last",
				       "it is not said where the rule is to go");
	if (standing && standing->origin == RULES_FROM_RUNTIME && standing->index == request->from)
		return weir_diag_key(&call->diag, before ? "before" : "after", "name another rule",
				     "a rule cannot stand next to itself");
	return rules_call_place(call, state, &request->entry, &request->to);
}

int rules_run_move(struct weir_engine *engine, struct weir_call *call)
{
	int r;
	struct rules_request *request = request_about(engine, call, RULES_MOVED, &r);
	if (!request)
		return r;
	r = move_check(rules_state_of(engine), call, request);
	if (r < 0) {
		rules_request_free(request);
		return r;
	}
	return rules_request_start(request);
}
