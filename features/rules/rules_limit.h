/* SPDX-License-Identifier: Apache-2.0 */
/* The action `limit`: what a rule's rate, burst and per say. */
#ifndef WEIR_RULES_LIMIT_H
#define WEIR_RULES_LIMIT_H

#include "features/rules/rules_rule.h"

/* Fills in rule->limit, without id and counter; refuses the keys in rules of another action.
 * -EINVAL. */
int rules_limit_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		     struct rules_rule *rule);
/* Whose buckets these are, without it. */
#define RULES_LIMIT_PER "total"

#endif
