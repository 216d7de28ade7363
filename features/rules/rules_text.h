/* SPDX-License-Identifier: Apache-2.0 */
/* A rule's text as JSON, as a line for people, and as a number that says whether two are one. */
#ifndef WEIR_RULES_TEXT_H
#define WEIR_RULES_TEXT_H

#include "base/json.h"
#include "core/config.h"
#include "features/rules/rules_rule.h"

/* The keys of one rule, in weir.yaml, on the command line, in the API and in the state file. */
extern const struct weir_field rules_rule_fields[];

/* Members of an open object: what is given, and always action and enabled. */
void rules_text_put(const struct rules_text *text, struct weir_json_out *json);
/* From such members; others are not looked at. -EINVAL with a message, -ENOMEM. */
int rules_text_get(const struct weir_json *object, struct weir_diag *diag,
		   struct rules_text *ret_text);
/* "eth0 ingress tcp src office dport 22", or "all packets". */
void rules_text_conditions(const struct rules_text *text, struct weir_buf *line);
/* Of what the rule asks for and does: neither name nor remark, nor whether it acts. */
uint64_t rules_text_hash(const struct rules_text *text);

#endif
