/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From overlapping labelled ranges in any order to the disjoint steps of a sorted address space,
 * each with its class.
 */
#ifndef WEIR_CORE_ADDR_SWEEP_H
#define WEIR_CORE_ADDR_SWEEP_H

#include "addr_classes.h"
#include "addr_tree.h"

/* Both ends belong to it; label below WEIR_LABELS_END. */
struct weir_range4 {
	uint32_t from;
	uint32_t to;
	uint32_t label;
};

struct weir_range6 {
	uint64_t from_high, from_low;
	uint64_t to_high, to_low;
	uint32_t label;
};

#define WEIR_LABELS_END 0x80000000U

/*
 * Steps ascend and neighbours differ in class; the caller frees them. Errors: those of
 * weir_classes_get(). Time O(ranges), times the labels that overlap at one address.
 */
int weir_sweep4(const struct weir_range4 *ranges, uint32_t count, struct weir_addr_classes *classes,
		struct weir_step4 **ret_steps, uint32_t *ret_count);
int weir_sweep6(const struct weir_range6 *ranges, uint32_t count, struct weir_addr_classes *classes,
		struct weir_step6 **ret_steps, uint32_t *ret_count);

#endif
