/* SPDX-License-Identifier: Apache-2.0 */
/* Grouping rules by what they ask for. */
#include "features/rules/rules_bits.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define PASS_SHIFT 30 /* above the dimensions */

/* Dimensions that make groups, the most telling first: where groups would take more words than
 * there are, the last are given up. */
static const enum rules_dimension grouping[] = { RULES_SRC,   RULES_DST,  RULES_DPORT,
						 RULES_SPORT, RULES_VLAN, RULES_LENGTH };

static bool rule_asks(const struct rules_rule *rule, enum rules_dimension dimension)
{
	if (dimension == RULES_SRC)
		return rule->src.is_given;
	if (dimension == RULES_DST)
		return rule->dst.is_given;
	return rule->given & 1u << RULES_KEY_WIDE(dimension);
}

struct placed {
	uint32_t group;
	uint32_t rank;
};

static enum rules_pass rule_pass(const struct rules_rule *rule)
{
	if (rule->text->action == RULES_LIMIT)
		return RULES_HOLD;
	return rule->text->action >= RULES_COUNT ? RULES_EFFECT : RULES_DECIDE;
}

/* Limits are one group, whatever they ask for, so that they are charged in their order. */
static uint32_t rule_group(const struct rules_rule *rule, size_t dimensions)
{
	enum rules_pass pass = rule_pass(rule);
	uint32_t group = (uint32_t)pass << PASS_SHIFT;
	for (size_t i = 0; pass != RULES_HOLD && i < dimensions; i++)
		if (rule_asks(rule, grouping[i]))
			group |= 1u << i;
	return group;
}

static int placed_compare(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->rank < y->rank ? -1 : 1;
}

/* Fills in positions; returns the words they take. */
static uint32_t place(const struct rules_plan *plan, size_t dimensions, struct placed *placed,
		      uint32_t *position)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < plan->count; i++)
		placed[i] = (struct placed){ rule_group(&plan->rules[i], dimensions), i };
	qsort(placed, plan->count, sizeof(*placed), placed_compare);
	for (uint32_t i = 0; i < plan->count; i++) {
		if (i && placed[i].group != placed[i - 1].group)
			at = (at + 63) / 64 * 64;
		position[placed[i].rank] = at++;
	}
	return (at + 63) / 64;
}

static void groups_end(const struct placed *placed, const uint32_t *position,
		       struct rules_bits *bits)
{
	uint8_t last = 0;
	for (uint32_t i = bits->count; i-- > 0;) {
		uint32_t word = position[placed[i].rank] / 64;
		if (i + 1 == bits->count || placed[i].group != placed[i + 1].group)
			last = (uint8_t)word;
		bits->last[word] = last;
	}
}

int rules_bits_place(const struct rules_plan *plan, struct rules_bits *ret_bits)
{
	_cleanup_free_ struct placed *placed = calloc(plan->count + 1, sizeof(*placed));
	_cleanup_free_ uint32_t *position = calloc(plan->count + 1, sizeof(*position));
	size_t dimensions = WEIR_ARRAY_SIZE(grouping);
	struct rules_bits bits = { .count = plan->count };
	if (!placed || !position)
		return -ENOMEM;
	while ((bits.words = place(plan, dimensions, placed, position)) > RULES_WORDS_MAX)
		dimensions--;
	groups_end(placed, position, &bits);
	for (uint32_t i = 0; i < plan->count; i++)
		rules_bit_set(bits.of_pass[rule_pass(&plan->rules[i])], position[i] / 64);
	bits.position = weir_take(position);
	*ret_bits = bits;
	return 0;
}

void rules_bits_done(struct rules_bits *bits)
{
	free(bits->position);
}
