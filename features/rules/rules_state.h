/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the feature share: its section of the configuration, its plan, its state.
 * Nothing outside includes it. */
#ifndef WEIR_RULES_STATE_H
#define WEIR_RULES_STATE_H

#include "core/engine.h"
#include "core/feature.h"
#include "features/rules/rules_rule.h"

struct rules_policy_config {
	char *interface;
	int ingress, egress; /* RULES_ALLOW or RULES_DENY */
};

struct rules_set_config {
	char *name;
	char *members;
};

struct rules_group_config {
	char *name;
	bool enabled;
};

struct rules_section {
	bool enabled;
	struct rules_policy_config *policies;
	unsigned policy_count;
	struct rules_set_config *sets;
	unsigned set_count;
	struct rules_group_config *groups;
	unsigned group_count;
	struct rules_text *rules;
	unsigned rule_count;
};

extern const struct weir_feature weir_rules;
extern const struct weir_field rules_fields[];
const struct rules_section *rules_section_of(const struct weir_config *config);
int rules_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* rules_egress.c: warns of what is said of packets that leave where nobody looks. */
void rules_check_egress(const struct weir_config *config, const struct rules_section *section,
			struct weir_diag *diag);
/* Whether the group lets its rules act; one without a group, or of no group known, does. */
bool rules_group_is_on(const struct rules_section *section, const char *group);

/* A set of the configuration with all that it is made of: no set of the configuration in it. */
int rules_set_flatten(const struct rules_section *section, const char *name,
		      struct rules_addresses *addresses);

#endif
