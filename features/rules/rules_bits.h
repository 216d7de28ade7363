/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each rule stands in the bit vectors. Rules that ask for the same dimensions stand together,
 * in their order, from a word of their own: a word in which no rule asks for a dimension is not
 * stored in its rows, and one in which all ask is nearly always zero.
 */
#ifndef WEIR_RULES_BITS_H
#define WEIR_RULES_BITS_H

#include "features/rules/rules_plan.h"

struct rules_bits {
	uint32_t count;
	uint32_t words;
	uint32_t *position;			       /* by rank */
	uint8_t last[RULES_WORDS_MAX];		       /* by word: the last word of its group */
	__u64 of_pass[RULES_PASSES][RULES_AGGREGATES]; /* words */
};

int rules_bits_place(const struct rules_plan *plan, struct rules_bits *ret_bits);
void rules_bits_done(struct rules_bits *bits);

static inline void rules_bit_set(__u64 *words, uint32_t position)
{
	words[position / 64] |= 1ULL << position % 64;
}

static inline void rules_bit_clear(__u64 *words, uint32_t position)
{
	words[position / 64] &= ~(1ULL << position % 64);
}

static inline bool rules_bit_test(const __u64 *words, uint32_t position)
{
	return words[position / 64] >> position % 64 & 1;
}

#endif
