/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule that names services is as many rules as they have addresses and protocols: those of one
 * address may have any ports, and all else that the rule asks for is the same. No packet meets two
 * of them.
 */
#ifndef WEIR_RULES_PARTS_H
#define WEIR_RULES_PARTS_H

#include "core/services.h"
#include "features/rules/rules_rule.h"

struct rules_section;
struct rules_list;

/* Rules, in a row; those of one text are its parts. */
struct rules_parts {
	struct rules_rule *at;
	uint32_t count;
	bool lacks_some; /* a service is named that there is not: more packets may match */
};

/*
 * A text as rules_rule_read() reads it; without services it is one. Of services that there are not
 * there are no parts: so there may be none at all.
 */
int rules_parts_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		     const struct weir_services *services, struct rules_parts *ret_parts);
void rules_parts_done(struct rules_parts *parts);
#define _cleanup_parts_ __attribute__((cleanup(rules_parts_done)))

/* Said where rules are counted. */
#define RULES_OF_SERVICES ", those for several services counted once for each"

/* How many rules it counts as: no less than it has parts, whatever services there are. */
uint32_t rules_text_weight(const struct rules_text *text);
uint32_t rules_section_weight(const struct rules_section *section);
uint32_t rules_list_weight(const struct rules_list *list);

#endif
