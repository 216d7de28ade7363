/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules act, in which order. */
#include "features/rules/rules_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

void rules_plan_free(void *data)
{
	struct rules_plan *plan = data;
	if (!plan)
		return;
	rules_plan_atoms_done(plan);
	for (uint32_t i = 0; i < plan->count; i++)
		rules_rule_done(&plan->rules[i]);
	free(plan->rules);
	free(plan->rows);
	free(plan);
}
WEIR_DEFINE_CLEANUP(struct rules_plan *, rules_plan_free);

static int plan_rule(struct rules_plan *plan, struct weir_compile *compile,
		     const struct rules_text *text, const char *path)
{
	struct rules_rule *rule = &plan->rules[plan->count];
	struct weir_diag told = { 0 }; /* by rules_check(), or when the rule was added */
	char key[64];
	int r = rules_rule_read(text, path, &told, rule);
	weir_diag_done(&told);
	if (r < 0)
		return r;
	plan->rows[plan->count] = plan->count + 1;
	snprintf(key, sizeof(key), "%s.src", path);
	r = rules_plan_end(plan, compile, &rule->src, plan->count, RULES_SRC, key);
	snprintf(key, sizeof(key), "%s.dst", path);
	if (r == 0)
		r = rules_plan_end(plan, compile, &rule->dst, plan->count, RULES_DST, key);
	plan->count++;
	return r;
}

static int plan_rules(struct rules_plan *plan, struct weir_compile *compile)
{
	const struct rules_section *section = plan->section;
	int r = 0;
	for (unsigned i = 0; r == 0 && section->enabled && i < section->rule_count; i++) {
		const struct rules_text *text = &section->rules[i];
		char path[48];
		snprintf(path, sizeof(path), "rules.rules[%u]", i);
		if (text->enabled && rules_group_is_on(section, text->group))
			r = plan_rule(plan, compile, text, path);
	}
	return r;
}

int rules_plan_new(struct weir_compile *compile, struct rules_plan **ret_plan)
{
	_cleanup_(rules_plan_freep) struct rules_plan *plan = calloc(1, sizeof(*plan));
	const struct rules_section *section = compile->section;
	if (!plan)
		return -ENOMEM;
	plan->section = section;
	plan->rules = calloc(section->rule_count + 1, sizeof(*plan->rules));
	plan->rows = calloc(section->rule_count + 1, sizeof(*plan->rows));
	int r = plan->rules && plan->rows ? rules_plan_sets(plan, compile) : -ENOMEM;
	if (r == 0)
		r = plan_rules(plan, compile);
	if (r == 0)
		r = rules_plan_labels(plan, compile);
	if (r < 0)
		return r;
	*ret_plan = weir_take(plan);
	return 0;
}
