/* SPDX-License-Identifier: Apache-2.0 */
/* What is no mistake in a rule and still not what it looks like. */
#include <stdio.h>

#include "core/compile.h"
#include "features/rules/rules_state.h"

static void warn(struct weir_diag *diag, const char *path, const char *key, const char *mend,
		 const char *what)
{
	char where[96];
	snprintf(where, sizeof(where), "%s%s%s", path, *path ? "." : "", key);
	weir_diag_warning_key(diag, where, mend, "%s", what);
}

static bool asks_in_vain_for_a_state(const struct weir_config *config,
				     const struct rules_rule *rule)
{
	unsigned key = RULES_KEY_FIELD(RULES_STATE);
	return rule->given & 1u << key &&
	       !rules_values_has(&rule->keys[key], WEIR_CONN_UNTRACKED) &&
	       !weir_config_tracks(config);
}

/* Of connections that were let in, rules are not asked. */
static bool holds_only_what_goes_on(const struct rules_rule *rule)
{
	unsigned key = RULES_KEY_FIELD(RULES_STATE);
	bool has_other = false;
	for (uint32_t state = 0; state < WEIR_CONN_STATES; state++)
		has_other |=
			state != WEIR_CONN_ESTABLISHED && rules_values_has(&rule->keys[key], state);
	return rule->given & 1u << key && !has_other;
}

static bool meets_both_ways(const struct weir_config *config, const struct rules_rule *rule)
{
	bool has_egress = false;
	for (unsigned i = 0; i < config->interface_count; i++)
		has_egress |= config->interfaces[i].egress;
	return has_egress && rule->direction == RULES_BOTH;
}

static void limit_warn(const struct weir_config *config, const struct rules_rule *rule,
		       const char *path, struct weir_diag *diag)
{
	if (holds_only_what_goes_on(rule))
		warn(diag, path, "state", "write `state: new`, or a limit under `limit.limits`",
		     "packets of established connections are held to no rule's limit: the rule "
		     "does "
		     "nothing");
	if (meets_both_ways(config, rule))
		warn(diag, path, "direction", "write `direction: ingress`",
		     "what is forwarded meets the rule where it arrives and where it leaves, and "
		     "is "
		     "charged twice");
}

void rules_rule_warn(const struct weir_config *config, const struct rules_rule *rule,
		     const char *path, struct weir_diag *diag)
{
	if (asks_in_vain_for_a_state(config, rule))
		warn(diag, path, "state",
		     "write `conntrack: {enabled: auto}`, or leave `state` out",
		     "connections are not tracked, by the configuration: the rule matches nothing");
	if (rule->has_mark && rule->direction != RULES_OUT)
		warn(diag, path, "mark",
		     "attach with --hook tc, or write `direction: egress` if that is meant",
		     "a mark is set at TC hooks only: packets that arrive at an XDP hook get none");
	if (rule->text->action == RULES_LIMIT)
		limit_warn(config, rule, path, diag);
}
