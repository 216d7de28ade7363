/* SPDX-License-Identifier: Apache-2.0 */
/* add: everything that can be wrong with a rule is told before the policy is touched. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_ops.h"
#include "features/rules/rules_parts.h"
#include "features/rules/rules_text.h"

/* A rule without a name is given the next one, so that it can be deleted by it. */
static int name_choose(const struct rules_state *state, struct rules_request *request)
{
	char name[RULES_NAME_TEXT];
	request->named = state->runtime.named;
	if (request->entry.text.name)
		return 0;
	do
		snprintf(name, sizeof(name), "rule-%u", ++request->named);
	while (rules_order_find(state->order, name));
	request->entry.text.name = strdup(name);
	return request->entry.text.name ? 0 : -ENOMEM;
}

static int name_check(const struct rules_state *state, struct weir_call *call, const char *name)
{
	if (!name || !rules_order_find(state->order, name))
		return 0;
	/* A number is no name that is taken: rules without one are found by it. */
	const struct rules_standing *standing = rules_order_find(state->order, name);
	if (!standing->text->name || strcmp(standing->text->name, name) != 0)
		return 0;
	weir_diag_key(&call->diag, "name", "choose another name, or delete that rule first",
		      "there is a rule '%s', %s", name,
		      standing->origin == RULES_FROM_FILE ? "in the configuration" :
							    "added at run time");
	return -EEXIST;
}

static int room_check(const struct rules_state *state, struct weir_call *call,
		      const struct rules_text *text)
{
	const struct rules_section *section = rules_section_of(state->config);
	uint32_t file = rules_section_weight(section), runtime = rules_list_weight(&state->runtime),
		 own = rules_text_weight(text);
	bool has_parts = file > section->rule_count || runtime > state->runtime.count || own > 1;
	if (file + runtime + own <= RULES_MAX)
		return 0;
	weir_diag_error(&call->diag,
			"delete rules that are not needed, or put addresses together in sets",
			"there are %u rules in the configuration and %u of run time: %d are the "
			"most together%s",
			file, runtime, RULES_MAX, has_parts ? RULES_OF_SERVICES : "");
	return -ENOSPC;
}

static int group_check(const struct rules_state *state, struct weir_call *call, const char *group)
{
	if (!group || rules_group_exists(rules_section_of(state->config), group))
		return 0;
	return weir_diag_key(&call->diag, "group", "name it under rules.groups and apply that",
			     "there is no group '%s'", group);
}

static int text_check(const struct rules_state *state, const struct rules_text *text,
		      struct weir_call *call)
{
	struct rules_rule rule;
	int r = rules_rule_read(text, "", &call->diag, &rule);
	if (r < 0)
		return r;
	rules_rule_warn(state->config, &rule, "", &call->diag);
	rules_text_check_egress(state->config, text, "direction", &call->diag);
	rules_rule_done(&rule);
	return 0;
}

static int add_check(const struct rules_state *state, struct weir_call *call,
		     struct rules_request *request)
{
	struct rules_text *text = &request->entry.text;
	int r = rules_text_get(call->args, &call->diag, text);
	if (r == 0)
		r = text_check(state, text, call);
	if (r == 0)
		r = group_check(state, call, text->group);
	if (r == 0)
		r = name_check(state, call, text->name);
	if (r == 0)
		r = room_check(state, call, text);
	if (r == 0)
		r = rules_call_place(call, state, &request->entry, &request->to);
	return r ? r : name_choose(state, request);
}

int rules_run_add(struct weir_engine *engine, struct weir_call *call)
{
	const struct rules_state *state = rules_state_of(engine);
	struct rules_request *request = rules_request_new(engine, call, RULES_ADDED);
	int r = request ? add_check(state, call, request) : -ENOMEM;
	if (r < 0) {
		rules_request_free(request);
		return r;
	}
	snprintf(request->name, sizeof(request->name), "%s", request->entry.text.name);
	return rules_request_start(request);
}
