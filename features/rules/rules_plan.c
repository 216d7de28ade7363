/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules act, in which order, and with which counters. */
#include "features/rules/rules_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/compile.h"

/* So that a rule and a limit of one name have buckets of their own. */
#define LIMIT_SALT 0x72756c65ULL

void rules_plan_free(void *data)
{
	struct rules_plan *plan = data;
	if (!plan)
		return;
	rules_plan_atoms_done(plan);
	weir_services_done(&plan->services);
	for (uint32_t i = 0; i < plan->count; i++)
		rules_rule_done(&plan->rules[i]);
	free(plan->rules);
	free(plan->rows);
	free(plan);
}
WEIR_DEFINE_CLEANUP(struct rules_plan *, rules_plan_free);

bool rules_is_strict(const struct weir_compile *compile)
{
	const struct rules_state *state = compile->state;
	return state && state->is_live && !compile->is_unasked;
}

/* Of what the configuration does to rules of run time is told when it comes, not with each change
 * of a rule or list. */
bool rules_is_new_config(const struct weir_compile *compile)
{
	const struct rules_state *state = compile->state;
	return state && state->config != compile->config;
}

static void rule_path(const struct rules_standing *standing, char *path, size_t size)
{
	if (standing->origin == RULES_FROM_FILE)
		snprintf(path, size, "rules.rules[%u]", standing->index);
	else
		snprintf(path, size, "rule %s", standing->text->name);
}

/* A rule of run time that has lost what it was added to. */
static void entry_warn(const struct weir_compile *compile, const struct rules_standing *standing)
{
	const char *group = standing->text->group;
	if (standing->origin == RULES_FROM_FILE)
		return;
	if (standing->is_lost)
		weir_diag_warning(compile->diag, "weir rule move NAME --before OTHER",
				  "the rule '%s' of run time stood next to one that is gone: it "
				  "stands behind all others now",
				  standing->text->name);
	if (group && !rules_group_exists(compile->section, group))
		weir_diag_warning(compile->diag, "name the group under rules.groups",
				  "the rule '%s' of run time is of the group '%s', which is gone: "
				  "it acts",
				  standing->text->name, group);
}

/* Counted together they are bounded; apart, an apply would not know how many are added later. */
static int order_check_room(const struct weir_compile *compile, const struct rules_list *list,
			    const struct rules_order *order)
{
	const struct rules_section *section = compile->section;
	uint32_t rules = rules_section_weight(section), others = rules_list_weight(list);
	bool has_parts = rules > section->rule_count || others > list->count;
	if (!order->left_out)
		return 0;
	if (rules_is_strict(compile))
		return weir_diag_key(compile->diag, "rules.rules",
				     "delete rules of run time, or put addresses together in sets",
				     "%u rules, and %u of run time%s, where %d are the most "
				     "together",
				     rules, others, has_parts ? RULES_OF_SERVICES : "", RULES_MAX);
	return weir_diag_warning(compile->diag,
				 "weir rule del takes away what is not needed, or put addresses "
				 "together in sets",
				 "%u rules of run time do not act: there are more than %d rules",
				 order->left_out, RULES_MAX);
}

static int name_twice(const struct weir_compile *compile, unsigned index, const char *name)
{
	char key[48];
	snprintf(key, sizeof(key), "rules.rules[%u].name", index);
	if (rules_is_strict(compile))
		return weir_diag_key(compile->diag, key,
				     "weir rule del it, or give this one another name",
				     "a rule of run time has the name '%s' already", name);
	return weir_diag_warning(compile->diag, "weir rule del NAME takes the latter away",
				 "%s: a rule of run time has the name '%s', too", key, name);
}

static int order_check_names(const struct weir_compile *compile, const struct rules_list *list)
{
	const struct rules_section *section = compile->section;
	int result = 0;
	for (unsigned i = 0; list->count && i < section->rule_count; i++) {
		const char *name = section->rules[i].name;
		for (uint32_t j = 0; name && j < list->count; j++)
			if (strcmp(list->at[j].text.name, name) == 0)
				result = name_twice(compile, i, name) ?: result;
	}
	return result;
}

static int order_check(const struct weir_compile *compile, const struct rules_list *list,
		       const struct rules_order *order)
{
	if (!rules_is_new_config(compile))
		return 0;
	for (uint32_t i = 0; i < order->count; i++)
		entry_warn(compile, &order->at[i]);
	int r = order_check_room(compile, list, order);
	return r ? r : order_check_names(compile, list);
}

/* Without a state rules are numbered as they come. */
static int order_number(struct rules_state *state, struct rules_order *order)
{
	struct rules_next *next = state ? &state->next : NULL;
	if (next)
		return rules_hits_number(&state->hits, order, weir_clock_monotonic_ns(),
					 &next->rows);
	for (uint32_t i = 0; i < order->count; i++) {
		order->at[i].row = i + 1;
		order->at[i].over = RULES_MAX + i + 1;
	}
	return 0;
}

static int order_make(struct weir_compile *compile, struct rules_order **ret_order)
{
	static const struct rules_list none;
	struct rules_state *state = compile->state;
	const struct rules_list *list = compile->draft ? compile->draft :
					state	       ? &state->runtime :
							 &none;
	_cleanup_(rules_order_freep) struct rules_order *order = NULL;
	int r = rules_order_new(compile->section, list, &order);
	if (r == 0)
		r = order_check(compile, list, order);
	if (state)
		rules_next_done(&state->next);
	if (r == 0)
		r = order_number(state, order);
	if (r < 0)
		return r;
	rules_order_rows(order);
	*ret_order = weir_take(order);
	return 0;
}

/* Takes the rule. */
static int plan_add(struct rules_plan *plan, struct weir_compile *compile,
		    const struct rules_standing *standing, const char *path,
		    struct rules_rule *rule)
{
	char key[64];
	plan->rules[plan->count] = *rule;
	*rule = (struct rules_rule){ 0 };
	rule = &plan->rules[plan->count];
	plan->rows[plan->count] = standing->row;
	rule->limit.id = weir_hash_mix(standing->identity ^ LIMIT_SALT);
	rule->limit.count = (uint16_t)standing->over;
	snprintf(key, sizeof(key), "%s.src", path);
	int r = rules_plan_end(plan, compile, &rule->src, plan->count, RULES_SRC, key);
	snprintf(key, sizeof(key), "%s.dst", path);
	if (r == 0)
		r = rules_plan_end(plan, compile, &rule->dst, plan->count, RULES_DST, key);
	plan->count++;
	return r;
}

static int plan_rule(struct rules_plan *plan, struct weir_compile *compile,
		     const struct rules_standing *standing)
{
	_cleanup_parts_ struct rules_parts parts = { 0 };
	struct weir_diag told = { 0 }; /* by rules_check(), or when the rule was added */
	char path[48];
	rule_path(standing, path, sizeof(path));
	int r = rules_parts_read(standing->text, path, &told, &plan->services, &parts);
	weir_diag_done(&told);
	if (r == 0)
		r = rules_plan_services_check(plan, compile, standing->text, path);
	for (uint32_t i = 0; r == 0 && i < parts.count; i++)
		r = plan_add(plan, compile, standing, path, &parts.at[i]);
	return r;
}

/* How many rules there may be, and the services, where one of them is named. */
static int plan_room(struct rules_plan *plan, const struct weir_compile *compile,
		     const struct rules_order *order)
{
	size_t room = 1;
	bool names_services = false;
	for (uint32_t i = 0; i < order->count; i++) {
		if (!order->at[i].acts)
			continue;
		room += rules_text_weight(order->at[i].text);
		names_services |= order->at[i].text->service != NULL;
	}
	plan->rules = calloc(room, sizeof(*plan->rules));
	plan->rows = calloc(room, sizeof(*plan->rows));
	if (!plan->rules || !plan->rows)
		return -ENOMEM;
	return names_services ? weir_compile_services(compile->input, &plan->services) : 0;
}

static int plan_fill(struct rules_plan *plan, struct weir_compile *compile,
		     const struct rules_order *order)
{
	plan->section = compile->section;
	int r = plan_room(plan, compile, order);
	if (r == 0)
		r = rules_plan_set_names(plan, compile);
	if (r == 0)
		r = rules_plan_sets(plan, compile);
	for (uint32_t i = 0; r == 0 && i < order->count; i++)
		if (order->at[i].acts)
			r = plan_rule(plan, compile, &order->at[i]);
	return r ? r : rules_plan_labels(plan, compile);
}

int rules_plan_new(struct weir_compile *compile, struct rules_plan **ret_plan)
{
	struct rules_state *state = compile->state;
	_cleanup_(rules_order_freep) struct rules_order *order = NULL;
	_cleanup_(rules_plan_freep) struct rules_plan *plan = calloc(1, sizeof(*plan));
	int r = plan ? order_make(compile, &order) : -ENOMEM;
	if (r == 0)
		r = plan_fill(plan, compile, order);
	if (r < 0)
		return r;
	if (state)
		state->next.order = weir_take(order);
	*ret_plan = weir_take(plan);
	return 0;
}
