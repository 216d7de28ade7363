/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting the entries of one index word into buckets of equal width, and choosing how many. Private
 * to the address table's compiler.
 */
#ifndef WEIR_CORE_ADDR_SPLIT_H
#define WEIR_CORE_ADDR_SPLIT_H

#include "addr_node.h"

/* The entries, and the bits of the window that their keys are in. */
struct weir_split {
	struct weir_entries entries;
	uint32_t window_bits;
};

/* The bits by which to cut, 0 to WEIR_ADDR_INDEX_BITS_MAX: what look-ups cost weighed against
 * lines. */
uint32_t weir_split_choose(const struct weir_tree *tree, const struct weir_split *split);

/* Build the 2^bits buckets of a cut, from `line` on. */
int weir_split_build(struct weir_tree *tree, const struct weir_split *split, uint32_t bits,
		     uint32_t line);

#endif
