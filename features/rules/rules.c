/* SPDX-License-Identifier: Apache-2.0 */
/* The rules feature as the engine sees it. */
#include "features/rules/rules.h"

#include <errno.h>
#include <stdio.h>

#include "abi/reject.h"
#include "base/cleanup.h"
#include "features/rules/rules_limit.h"
#include "features/rules/rules_overlap.h"
#include "features/rules/rules_plan.h"
#include "features/rules/rules_tables.h"

/* Answers to rejected packets that a CPU lets out. */
#define RULES_REJECTS_PER_SECOND 1000
#define RULES_REJECTS_AT_ONCE 100

static int rules_constants_set(const void *data, const struct weir_image *image,
			       struct weir_constants *constants)
{
	const struct rules_section *section = data;
	struct rules_constants values = {
		.enabled = section->enabled,
		.has_limits = weir_image_asks(image, WEIR_ASK_BUCKETS),
	};
	/* Wherever there can be rules, one may be added that rejects, and the code stays. */
	struct weir_reject_constants reject = {
		.enabled = section->enabled || weir_image_asks(image, WEIR_ASK_ANSWERS),
		.per_second = RULES_REJECTS_PER_SECOND,
		.burst = RULES_REJECTS_AT_ONCE,
	};
	int r = weir_constants_set(constants, "rules_constants", &values, sizeof(values));

	return r ? r : weir_constants_set(constants, "reject_constants", &reject, sizeof(reject));
}

static bool asks_for_states(const struct rules_plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++)
		if (plan->rules[i].given & 1u << RULES_KEY_FIELD(RULES_STATE))
			return true;
	return false;
}

static int rules_classes_noted(struct weir_compile *compile)
{
	struct rules_state *state = compile->state;
	int r = rules_classes(compile);
	if (r == 0 && state) {
		const struct rules_root *root = weir_image_root(compile->image, WEIR_ROOT_RULES);
		state->next.words = root->words;
	}
	return r;
}

/* Who wrote `-A INPUT -j DROP`, and the importer, deny by default with a last rule. */
static bool denies_all(const struct rules_section *section, const struct rules_text *rule)
{
	const char *const conditions[] = {
		rule->src,	 rule->dst,	  rule->proto,	   rule->sport, rule->dport,
		rule->service,	 rule->icmp_type, rule->icmp_code, rule->state, rule->fragment,
		rule->tcp_flags, rule->length,	  rule->dscp,	   rule->vlan,	rule->schedule,
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(conditions); i++)
		if (conditions[i])
			return false;
	return (rule->action == RULES_DENY || rule->action == RULES_REJECT) && rule->enabled &&
	       rules_group_is_on(section, rule->group);
}

static bool rules_denies_by_default(const void *data)
{
	const struct rules_section *section = data;
	for (unsigned i = 0; section->enabled && i < section->policy_count; i++)
		if (section->policies[i].ingress == RULES_DENY ||
		    section->policies[i].egress == RULES_DENY)
			return true;
	for (unsigned i = 0; section->enabled && i < section->rule_count; i++)
		if (denies_all(section, &section->rules[i]))
			return true;
	return false;
}

static void limit_describe(const struct rules_rule *rule, uint32_t row,
			   struct weir_image_limit *limit)
{
	const struct rules_text *text = rule->text;
	*limit = (struct weir_image_limit){
		.row = rule->limit,
		.rule = row,
		.burst = rule->burst,
		.counts_bytes = rule->counts_bytes,
		.counters = "ctr_rule",
		.all = row,
		.over = rule->limit.count,
	};
	if (text->name)
		snprintf(limit->name, sizeof(limit->name), "%s", text->name);
	else
		snprintf(limit->name, sizeof(limit->name), "%u", row);
	snprintf(limit->rate, sizeof(limit->rate), "%s", text->rate);
	snprintf(limit->per, sizeof(limit->per), "%s", text->per ? text->per : RULES_LIMIT_PER);
}

/* For the table of buckets, and for whoever shows who is over a limit. */
static int limits_tell(struct weir_compile *compile, const struct rules_plan *plan)
{
	struct weir_image_limit limit;
	uint32_t count = 0;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < plan->count; i++) {
		if (plan->rules[i].text->action != RULES_LIMIT || rules_plan_goes_on(plan, i))
			continue;
		if (count++ == RULES_LIMITS_MAX)
			return weir_diag_key(compile->diag, "rules.rules",
					     "hold each source by one rule, with `per: source`",
					     "more than %d rules have the action `limit`",
					     RULES_LIMITS_MAX);
		limit_describe(&plan->rules[i], plan->rows[i], &limit);
		r = weir_image_limit_add(compile->image, &limit);
	}
	if (count)
		weir_image_ask(compile->image, WEIR_ASK_BUCKETS);
	return r;
}

static int rules_compile(struct weir_compile *compile)
{
	struct rules_plan *plan = NULL;
	int r = rules_plan_new(compile, &plan);
	if (r)
		return r;
	weir_image_keep(compile->image, &weir_rules, plan, rules_plan_free);
	r = limits_tell(compile, plan);
	if (r)
		return r;
	/* Who lets in only what is named still wants the answers to what he sends. */
	if (asks_for_states(plan) || rules_denies_by_default(compile->section))
		weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	return 0;
}

const struct weir_feature weir_rules = {
	.name = "rules",
	.summary = "rules over addresses, ports, protocols and all else a packet says of itself",
	.fields = rules_fields,
	.section_size = sizeof(struct rules_section),
	.check = rules_check,
	.advise = rules_advise,
	.denies_by_default = rules_denies_by_default,
	.constants = rules_constants_set,
	.compile = rules_compile,
	.classes = rules_classes_noted,
	.interface = rules_interface,
	.state_new = rules_state_new,
	.state_free = rules_state_free,
	.attach = rules_state_attach,
	.live = rules_state_live,
	.tick = rules_state_tick,
	.snapshot = rules_snapshot,
	.status = rules_status,
	.describe = rules_describe,
	.ops = rules_ops,
};
