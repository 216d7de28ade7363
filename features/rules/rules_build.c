/* SPDX-License-Identifier: Apache-2.0 */
/* The rules' part of an image: dimensions, records, root. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_tables.h"

void rules_build_ask(struct rules_build *build, enum rules_dimension dimension,
		     bool (*asks)(const struct rules_rule *rule, const void *arg), const void *arg)
{
	__u64 asked[RULES_AGGREGATES] = { 0 };
	bool is_used = false;
	for (uint32_t i = 0; i < build->bits.count; i++) {
		uint32_t position = build->bits.position[i];
		if (!asks(&build->plan->rules[i], arg)) {
			rules_bit_set(build->base[dimension], position);
			continue;
		}
		is_used = true;
		rules_bit_set(asked, position / 64);
	}
	for (int i = 0; i < RULES_AGGREGATES; i++)
		build->root->wild[dimension][i] = ~asked[i];
	if (is_used)
		build->root->used |= 1u << dimension;
}

int rules_build_table(struct rules_build *build, enum rules_dimension dimension,
		      const uint16_t *rows_by_value, uint32_t values, const struct rules_rows *rows)
{
	struct rules_table *table = &build->root->dimension[dimension];
	int r = rules_lines_add(&build->lines, (values + 31) / 32, &table->table);
	if (r < 0)
		return r;
	memcpy(&build->lines.at[table->table], rows_by_value, values * sizeof(*rows_by_value));
	return rules_rows_write(rows, &build->lines, &table->rows);
}

static bool is_plain(const struct rules_values *values)
{
	return values->count == 1;
}

static void record_within(const struct rules_build *build, const struct rules_rule *rule,
			  struct rules_record *record)
{
	for (int i = 0; i < RULES_WIDE_COUNT; i++) {
		bool is_given = rule->given & 1u << i && is_plain(&rule->keys[i]);
		record->within[i].from = is_given ? (uint16_t)rule->keys[i].at[0].from : 0;
		record->within[i].to = is_given ? (uint16_t)rule->keys[i].at[0].to : 65535;
		if (is_given && build->checked & 1u << i)
			record->flags |= RULES_CHECKS;
	}
}

int rules_build_records(struct rules_build *build)
{
	const struct rules_plan *plan = build->plan;
	uint16_t limits = 0;
	int r = rules_lines_add(&build->lines, build->bits.words * 64 / 2, &build->root->records);
	struct rules_record *records =
		r < 0 ? NULL : (void *)&build->lines.at[build->root->records];
	for (uint32_t i = 0; records && i < build->bits.words * 64; i++)
		records[i].rank = RULES_NO_RANK;
	for (uint32_t i = 0; records && i < plan->count; i++) {
		const struct rules_rule *rule = &plan->rules[i];
		struct rules_record *record = &records[build->bits.position[i]];
		bool is_limit = rule->text->action == RULES_LIMIT;
		limits += is_limit && !rules_plan_goes_on(plan, i);
		*record = (struct rules_record){
			.rank = i,
			.row = (uint16_t)plan->rows[i],
			.limit = is_limit ? limits - 1 : 0,
			.mark = rule->mark,
			.last = build->bits.last[build->bits.position[i] / 64],
			.action = (uint8_t)rule->text->action,
			.reject = rule->text->action == RULES_REJECT ? WEIR_REJECT_DEFAULT : 0,
			.flags = (uint8_t)((rule->has_mark ? RULES_MARKS : 0) |
					   (rule->text->log || rule->text->action == RULES_LOG ?
						    RULES_TELLS :
						    0)),
		};
		record_within(build, rule, record);
	}
	return r;
}

/* A line each, in their order: records count them along. */
static int build_limits(struct rules_build *build)
{
	const struct rules_plan *plan = build->plan;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < plan->count; i++) {
		uint32_t line;
		if (plan->rules[i].text->action != RULES_LIMIT || rules_plan_goes_on(plan, i))
			continue;
		r = rules_lines_add(&build->lines, 1, &line);
		if (r < 0)
			return r;
		if (!build->root->limits)
			build->root->limits = line;
		memcpy(&build->lines.at[line], &plan->rules[i].limit, sizeof(plan->rules[i].limit));
	}
	return r;
}

static int build_dimensions(struct rules_build *build)
{
	int r = rules_build_addresses(build, RULES_SRC);
	if (r == 0)
		r = rules_build_addresses(build, RULES_DST);
	for (int i = RULES_WIDE_FIRST; r == 0 && i < RULES_IFACE; i++)
		r = rules_build_wide(build, (enum rules_dimension)i);
	if (r == 0)
		r = rules_build_mixes(build);
	if (r == 0)
		r = build_limits(build);
	return r ? r : rules_build_records(build);
}

static int build_section(struct rules_build *build)
{
	void *section = weir_image_section(build->compile->image, WEIR_SECTION_RULES,
					   (size_t)build->lines.count * WEIR_LINE_BYTES);
	if (!section)
		return -ENOMEM;
	memcpy(section, build->lines.at, (size_t)build->lines.count * WEIR_LINE_BYTES);
	return 0;
}

static int build_all(struct rules_build *build)
{
	int r = rules_bits_place(build->plan, &build->bits);
	if (r < 0)
		return r;
	build->root->words = build->bits.words;
	build->root->row_lines = rules_row_lines(build->bits.words);
	for (uint32_t i = 0; i < build->bits.words; i++)
		rules_bit_set(build->root->present, i);
	memcpy(build->root->of_pass, build->bits.of_pass, sizeof(build->root->of_pass));
	for (int i = 0; i < RULES_AGGREGATES; i++)
		build->root->has_effects |= build->bits.of_pass[RULES_EFFECT][i] != 0;
	if (build->bits.count)
		r = build_dimensions(build);
	if (r == 0)
		r = rules_build_ifaces(build);
	if (r == 0 && build->bits.count)
		r = build_section(build);
	return r;
}

/* Nothing to decide: no lines, and a root of zeroes. */
int rules_classes(struct weir_compile *compile)
{
	const struct rules_section *section = compile->section;
	struct rules_plan *plan = weir_image_kept(compile->image, &weir_rules);
	_cleanup_free_ struct rules_build *build = calloc(1, sizeof(*build));
	if (!build)
		return -ENOMEM;
	if (!plan->count && (!section->enabled || !section->policy_count))
		return 0;
	build->compile = compile;
	build->plan = plan;
	build->root = weir_image_root(compile->image, WEIR_ROOT_RULES);
	int r = build_all(build);
	rules_lines_done(&build->lines);
	rules_bits_done(&build->bits);
	return r;
}
