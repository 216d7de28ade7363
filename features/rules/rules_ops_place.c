/* SPDX-License-Identifier: Apache-2.0 */
/* Where a rule is to stand. */
#include <errno.h>
#include <string.h>

#include "features/rules/rules_ops.h"

/* The argument that says where, NULL when none does; -EINVAL when several do. */
static int place_arg(struct weir_call *call, const char **ret_arg)
{
	static const char *const args[] = { "before", "after", "first", "last" };
	const char *given = NULL;
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		bool is_given = i < 2 ? weir_call_str(call, args[i]) != NULL :
					weir_call_flag(call, args[i]);
		if (is_given && given)
			return weir_diag_key(&call->diag, args[i], "give one of them",
					     "a rule stands in one place: %s is given too", given);
		given = is_given ? args[i] : given;
	}
	*ret_arg = given;
	return 0;
}

bool rules_call_has_place(const struct weir_call *call)
{
	return weir_call_str(call, "before") || weir_call_str(call, "after") ||
	       weir_call_flag(call, "first") || weir_call_flag(call, "last");
}

/* Next to a rule of run time: at its place, and next to it in the list. */
static int place_by_entry(const struct rules_list *list, uint32_t index, bool is_before,
			  struct rules_entry *entry, uint32_t *ret_index)
{
	const struct rules_entry *other = &list->at[index];
	char *anchor = other->anchor ? strdup(other->anchor) : NULL;
	if (other->anchor && !anchor)
		return -ENOMEM;
	entry->where = other->where;
	entry->anchor = anchor;
	*ret_index = is_before ? index : index + 1;
	return 0;
}

/* Behind all of the list that stand before that place in the order, or before all that stand behind
 * it: so the list keeps the order, and those whose anchors go keep theirs. */
static uint32_t index_at(const struct rules_order *order, uint32_t place, bool is_before,
			 uint32_t count)
{
	uint32_t index = is_before ? 0 : count;
	for (uint32_t i = is_before ? 0 : place + 1; i < (is_before ? place : order->count); i++) {
		const struct rules_standing *other = &order->at[i];
		if (other->origin == RULES_FROM_FILE)
			continue;
		if (is_before && other->index >= index)
			index = other->index + 1;
		else if (!is_before && other->index < index)
			index = other->index;
	}
	return index;
}

/* Right next to it: before those that were put behind it, behind those put before it. */
static int place_by_rule(const struct rules_state *state, const struct rules_standing *standing,
			 bool is_before, struct rules_entry *entry, uint32_t *ret_index)
{
	char *anchor = rules_anchor_of(standing);
	if (!anchor)
		return -ENOMEM;
	entry->where = is_before ? RULES_BEFORE : RULES_AFTER;
	entry->anchor = anchor;
	*ret_index = index_at(state->order, (uint32_t)(standing - state->order->at), is_before,
			      state->runtime.count);
	return 0;
}

int rules_call_place(struct weir_call *call, const struct rules_state *state,
		     struct rules_entry *entry, uint32_t *ret_index)
{
	const struct rules_standing *standing = NULL;
	const char *arg = NULL;
	int r = place_arg(call, &arg);
	if (r < 0)
		return r;
	if (!arg || strcmp(arg, "last") == 0 || strcmp(arg, "first") == 0) {
		bool is_first = arg && arg[0] == 'f';
		entry->where = is_first ? RULES_FIRST : RULES_LAST;
		*ret_index = is_first ? 0 : state->runtime.count;
		return 0;
	}
	r = rules_call_find(call, state, arg, &standing);
	if (r < 0)
		return r;
	bool is_before = strcmp(arg, "before") == 0;
	if (standing->origin == RULES_FROM_RUNTIME)
		return place_by_entry(&state->runtime, standing->index, is_before, entry,
				      ret_index);
	return place_by_rule(state, standing, is_before, entry, ret_index);
}
