/* SPDX-License-Identifier: Apache-2.0 */
/* What was found; and from parts of rules that never act to rules that never do. */
#include "features/rules/rules_overlap.h"

#include <stdlib.h>

void rules_findings_done(struct rules_findings *findings)
{
	free(findings->at);
	*findings = (struct rules_findings){ 0 };
}

/* Findings of the parts of one rule, in a row. */
struct run {
	const struct rules_finding *at;
	uint32_t count;
	const uint32_t *parts;
};

static bool is_by_several(const struct rules_finding *finding)
{
	return finding->kind == RULES_SHADOWED_TOGETHER;
}

static uint32_t last_of(const struct rules_finding *finding)
{
	return is_by_several(finding) ? finding->last : finding->by;
}

/* The first and the last that take a part, and whether there are others. What matches nothing is
 * taken by nobody. */
static struct rules_finding run_together(const struct run *run)
{
	struct rules_finding all = { .kind = RULES_NOTHING, .rule = run->at->rule };
	for (uint32_t i = 0; i < run->count; i++) {
		const struct rules_finding *one = &run->at[i];
		if (one->kind == RULES_NOTHING)
			continue;
		bool is_first = all.kind == RULES_NOTHING;
		all.by = is_first || one->by < all.by ? one->by : all.by;
		all.last = is_first || last_of(one) > all.last ? last_of(one) : all.last;
		all.kind = RULES_SHADOWED_TOGETHER;
	}
	for (uint32_t i = 0; i < run->count; i++) {
		const struct rules_finding *one = &run->at[i];
		bool has_other = one->kind != RULES_NOTHING &&
				 (one->others || (one->by != all.by && one->by != all.last) ||
				  (last_of(one) != all.by && last_of(one) != all.last));
		if (has_other)
			all.others = RULES_OTHERS_SOME;
	}
	return all;
}

/* Whether all parts are what the parts of the other rule are: none matches nothing, and the other
 * has no more of them. */
static bool run_is_same(const struct run *run)
{
	bool is_same = run->parts[run->at->by] == run->parts[run->at->rule];
	for (uint32_t i = 0; i < run->count; i++)
		is_same = is_same && run->at[i].kind == run->at->kind &&
			  run->at[i].by == run->at->by &&
			  (run->at->kind == RULES_DUPLICATE || run->at->kind == RULES_CONTRADICTED);
	return is_same;
}

static struct rules_finding run_merge(const struct run *run)
{
	if (run->count == 1 && run->at->kind != RULES_DUPLICATE &&
	    run->at->kind != RULES_CONTRADICTED)
		return *run->at;
	if (run_is_same(run))
		return *run->at;
	struct rules_finding all = run_together(run);
	if (all.kind == RULES_NOTHING)
		return *run->at;
	if (all.by != all.last)
		return all;
	return (struct rules_finding){ .kind = RULES_SHADOWED, .rule = all.rule, .by = all.by };
}

void rules_findings_merge(struct rules_findings *findings, const uint32_t *parts)
{
	uint32_t kept = 0;
	for (uint32_t i = 0, behind; i < findings->count; i = behind) {
		struct run run = { &findings->at[i], 1, parts };
		while (i + run.count < findings->count && run.at[run.count].rule == run.at->rule)
			run.count++;
		behind = i + run.count;
		bool is_for_more = run.at->kind == RULES_BEHIND_ALL;
		if (!is_for_more && run.count < parts[run.at->rule])
			continue;
		findings->rules += 1 + (is_for_more ? run.at->others : 0);
		findings->at[kept++] = is_for_more ? *run.at : run_merge(&run);
	}
	findings->count = kept;
}
