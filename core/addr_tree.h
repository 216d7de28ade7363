/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the steps of a sorted address space to lines: index, leaves and B+-trees for both families.
 * Knows classes as numbers only; the single IPv6 addresses are addr_hosts.c's.
 */
#ifndef WEIR_CORE_ADDR_TREE_H
#define WEIR_CORE_ADDR_TREE_H

#include "addr_lines.h"

/* From `start` (up to the next step's start) addresses are of this class. Below the first step the
 * class is 0. */
struct weir_step4 {
	uint32_t start;
	uint32_t class;
};

struct weir_step6 {
	uint64_t high;
	uint64_t low;
	uint32_t class;
};

/*
 * Steps ascend strictly and neighbours differ in class. Fill the index, WEIR_ADDR_INDEX_LINES from
 * line `index` on, and append nodes to `lines`. -E2BIG when out of line numbers, -EOVERFLOW when a
 * tree would be deeper than the look-up follows (by their limits neither can happen below some ten
 * million steps), -ENOMEM.
 */
int weir_tree4_build(struct weir_lines *lines, uint32_t index, const struct weir_step4 *steps,
		     uint32_t count);
int weir_tree6_build(struct weir_lines *lines, uint32_t index, const struct weir_step6 *steps,
		     uint32_t count);

#endif
