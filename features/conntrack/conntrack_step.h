/* SPDX-License-Identifier: Apache-2.0 */
/* The single steps at a place of a table, each whole, whoever else is at it. For the files that
 * walk tables and place flows. */
#ifndef WEIR_CONNTRACK_STEP_H
#define WEIR_CONNTRACK_STEP_H

#include <stddef.h>
#include <string.h>

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

/* Its first line alone, likewise; the rest of it may be copied by flow_copy_rest(). */
static inline bool flow_copy_first(const struct conntrack_flow *flow,
				   struct conntrack_flow *ret_copy)
{
	uint32_t before = __atomic_load_n(&flow->word, __ATOMIC_ACQUIRE);

	memcpy(ret_copy, flow, offsetof(struct conntrack_flow, side));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ret_copy->word = __atomic_load_n(&flow->word, __ATOMIC_RELAXED);
	return before & CONNTRACK_LIVE && !((before ^ ret_copy->word) & ~CONNTRACK_MARKS);
}

/* False: the place has gone to another flow since the first line was copied. */
static inline bool flow_copy_rest(const struct conntrack_flow *flow, struct conntrack_flow *copy)
{
	const size_t first = offsetof(struct conntrack_flow, side);

	memcpy((char *)copy + first, (const char *)flow + first, sizeof(*flow) - first);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !((copy->word ^ __atomic_load_n(&flow->word, __ATOMIC_RELAXED)) & ~CONNTRACK_MARKS);
}

/* Which places of a set have a flow, a bit each: tags are odd. */
static inline unsigned set_taken(const struct conntrack_set *set)
{
	const uint64_t odd = 0x0001000100010001ULL;
	unsigned taken = 0;

	for (unsigned i = 0; i < CONNTRACK_WAYS / 4; i++) {
		uint64_t tags = __atomic_load_n(&set->tags[i], __ATOMIC_ACQUIRE) & odd;

		taken |= (unsigned)((tags | tags >> 15 | tags >> 30 | tags >> 45) & 15) << i * 4;
	}
	return taken;
}

/* A flow is there, and still the one that had the word `before`. */
static inline bool is_of_turn(uint32_t word, uint32_t before)
{
	return word & CONNTRACK_LIVE && !((word ^ before) & ~CONNTRACK_MARKS);
}

#endif
