/* SPDX-License-Identifier: Apache-2.0 */
/* Rows by address class: which rules' sources, or destinations, the addresses of a class are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_tables.h"

static bool asks_end(const struct rules_rule *rule, const void *arg)
{
	enum rules_dimension dimension = *(const enum rules_dimension *)arg;
	return dimension == RULES_SRC ? rule->src.is_given : rule->dst.is_given;
}

/* Only "not": such a rule matches where nothing of it is found. */
static bool is_only_negative(const struct rules_end *end)
{
	return end->is_given && !end->in.range_count && !end->in.set_count;
}

/* Bits of one class while they are gathered. */
struct gathering {
	const struct rules_build *build;
	enum rules_dimension dimension;
	const __u64 *start; /* rules that do not ask, and those that only say not */
	__u64 words[RULES_WORDS_MAX];
	__u64 not_words[RULES_WORDS_MAX];
};

static void gather_atom(struct gathering *gathering, const struct rules_atom *atom)
{
	for (uint32_t i = 0; i < atom->use_count; i++) {
		const struct rules_use *use = &atom->uses[i];
		if (use->dimension == gathering->dimension)
			rules_bit_set(use->is_negated ? gathering->not_words : gathering->words,
				      gathering->build->bits.position[use->rank]);
	}
}

static const struct rules_atom *atom_of(const struct rules_plan *plan,
					const struct weir_label_view *label)
{
	if (label->owner == &weir_rules)
		return &plan->atoms[label->tag];
	return label->set && label->set < plan->named_count ? &plan->named[label->set] : NULL;
}

static void gather_class(struct gathering *gathering, uint32_t class_id)
{
	const struct rules_build *build = gathering->build;
	const struct weir_label_view *labels;
	size_t bytes = build->bits.words * sizeof(__u64);
	size_t count = weir_image_class_labels(build->compile->image, class_id, &labels);
	memcpy(gathering->words, gathering->start, bytes);
	memset(gathering->not_words, 0, bytes);
	for (size_t i = 0; i < count; i++) {
		const struct rules_atom *atom = atom_of(build->plan, &labels[i]);
		if (atom)
			gather_atom(gathering, atom);
	}
	for (uint32_t i = 0; i < build->bits.words; i++)
		gathering->words[i] &= ~gathering->not_words[i];
}

static int gather_all(struct gathering *gathering, uint16_t *row_of, struct rules_rows *rows)
{
	uint32_t count = weir_image_class_count(gathering->build->compile->image);
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		uint32_t row = 0;
		gather_class(gathering, i);
		r = rules_rows_get(rows, gathering->words, &row);
		row_of[i] = (uint16_t)row;
	}
	return r;
}

int rules_build_addresses(struct rules_build *build, enum rules_dimension dimension)
{
	_cleanup_free_ struct gathering *gathering = calloc(1, sizeof(*gathering));
	uint32_t classes = weir_image_class_count(build->compile->image);
	_cleanup_free_ uint16_t *row_of = calloc(classes + 1, sizeof(*row_of));
	_cleanup_free_ __u64 *start = calloc(RULES_WORDS_MAX, sizeof(*start));
	struct rules_rows rows;
	rules_build_ask(build, dimension, asks_end, &dimension);
	if (!gathering || !row_of || !start)
		return -ENOMEM;
	if (!(build->root->used & 1u << dimension))
		return 0;
	memcpy(start, build->base[dimension], RULES_WORDS_MAX * sizeof(*start));
	for (uint32_t i = 0; i < build->bits.count; i++) {
		const struct rules_rule *rule = &build->plan->rules[i];
		if (is_only_negative(dimension == RULES_SRC ? &rule->src : &rule->dst))
			rules_bit_set(start, build->bits.position[i]);
	}
	*gathering = (struct gathering){ .build = build, .dimension = dimension, .start = start };
	rules_rows_init(&rows, build->root->wild[dimension], build->bits.words);
	int r = gather_all(gathering, row_of, &rows);
	if (r == 0)
		r = rules_build_table(build, dimension, row_of, classes, &rows);
	rules_rows_done(&rows);
	return r;
}
