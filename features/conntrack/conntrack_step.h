/* SPDX-License-Identifier: Apache-2.0 */
/* The single steps at a place of a table, each whole, whoever else is at it. For the files that
 * walk tables and place flows. */
#ifndef WEIR_CONNTRACK_STEP_H
#define WEIR_CONNTRACK_STEP_H

#include "features/conntrack/conntrack_table.h"

static inline uint16_t tag_at(const struct conntrack_set *set, uint32_t way)
{
	uint64_t tags = __atomic_load_n(&set->tags[way / 4], __ATOMIC_ACQUIRE);

	return (uint16_t)(tags >> (way % 4 * 16));
}

static inline void tag_put(struct conntrack_set *set, uint32_t way, uint16_t tag)
{
	__u64 *word = &set->tags[way / 4], old = __atomic_load_n(word, __ATOMIC_RELAXED), new;
	uint32_t shift = way % 4 * 16;

	do {
		new = (old & ~(0xffffULL << shift)) | (__u64)tag << shift;
	} while (!__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
}

static inline bool word_change(struct conntrack_flow *flow, uint32_t old, uint32_t new)
{
	return __atomic_compare_exchange_n(&flow->word, &old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

/* Whole when the place held one flow all the time: then its turn is the same before and after. */
static inline bool flow_copy(const struct conntrack_flow *flow, struct conntrack_flow *ret_copy)
{
	uint32_t before = __atomic_load_n(&flow->word, __ATOMIC_ACQUIRE);

	*ret_copy = *flow;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ret_copy->word = __atomic_load_n(&flow->word, __ATOMIC_RELAXED);
	return before & CONNTRACK_LIVE && !((before ^ ret_copy->word) & ~CONNTRACK_MARKS);
}

/* A flow is there, and still the one that had the word `before`. */
static inline bool is_of_turn(uint32_t word, uint32_t before)
{
	return word & CONNTRACK_LIVE && !((word ^ before) & ~CONNTRACK_MARKS);
}

#endif
