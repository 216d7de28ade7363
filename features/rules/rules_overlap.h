/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that never act. Looked at are rules that are switched on, in groups that are on; those that
 * decide (allow, deny, reject) can take packets away from the rules behind them. A rule
 *   matches nothing    no packet meets all its conditions: proto gre with ports, IPv4 with IPv6;
 *   is a duplicate     an earlier one has the same conditions and the same action, and decides;
 *   is contradicted    an earlier one has the same conditions and decides otherwise;
 *   is shadowed        an earlier one that decides matches every packet it matches, or several do
 *                      together, of which each lacks part of one and the same condition;
 *   is behind all      an earlier one that decides matches every packet.
 * Of a rule that names services all parts (rules_parts.h) must be so.
 * count, log and mark take nothing away, so nothing is behind them, but they stand behind others.
 *
 * What is told is so, whatever the packet: a condition that cannot be compared (a list of another
 * feature against addresses, two patterns of interfaces) counts as not covered. Whatever one
 * earlier rule alone shadows is found, when all conditions can be compared and pairs were not left
 * out; what several rules shadow in more than one condition is not.
 */
#ifndef WEIR_RULES_OVERLAP_H
#define WEIR_RULES_OVERLAP_H

#include "features/rules/rules_parts.h"
#include "features/rules/rules_state.h"

enum rules_finding_kind {
	RULES_NOTHING,
	RULES_DUPLICATE,
	RULES_CONTRADICTED,
	RULES_SHADOWED,
	RULES_SHADOWED_TOGETHER,
	RULES_BEHIND_ALL,
};

/* Rules by their index in the section. */
struct rules_finding {
	enum rules_finding_kind kind;
	uint32_t rule;
	uint32_t by, last; /* the rule that shadows; of several, the first and the last */
	/* Of several, those beside the two, or RULES_OTHERS_SOME; RULES_BEHIND_ALL: behind it. */
	uint32_t others;
	/* RULES_NOTHING: the conditions that leave nothing, by dimension; perhaps one twice;
	 * RULES_SHAPE_DIMENSIONS for what is not given but follows from those that are. */
	uint8_t key, with;
};

struct rules_findings {
	struct rules_finding *at; /* by rule, each once; RULES_BEHIND_ALL stands for several */
	uint32_t count;
	uint32_t rules;	 /* that never act, in all */
	bool is_partial; /* there were too many pairs, and some were not looked at */
};

#define RULES_OTHERS_SOME UINT32_MAX /* there are some: how many is not known */

/*
 * `services`: what rules name; of a rule for one that is not there nothing is told.
 * `steps` bounds the time, of which a comparison of two rules that differ early takes one, and some
 * nanoseconds; RULES_OVERLAP_STEPS is for all of RULES_MAX. -ENOMEM.
 */
int rules_overlap_find(const struct rules_section *section, const struct weir_services *services,
		       uint64_t steps, struct rules_findings *ret_findings);
/* rules_overlap_findings.c: findings of parts become those of their rules; `parts` is how many each
 * rule of the section has, and more than that where not all are known. */
void rules_findings_merge(struct rules_findings *findings, const uint32_t *parts);
void rules_findings_done(struct rules_findings *findings);
#define _cleanup_findings_ __attribute__((cleanup(rules_findings_done)))

#define RULES_OVERLAP_STEPS 160000000

/* weir_feature.advise: the findings as warnings, RULES_ADVICE_MAX of them. */
void rules_advise(const struct weir_config *config, const void *section, struct weir_diag *diag);

#define RULES_ADVICE_MAX 40

#endif
