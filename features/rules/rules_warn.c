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
}
