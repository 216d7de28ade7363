/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets of equal width: how many are worth their memory, and building them.
 */
#include "addr_split.h"

#define LINES_PER_LEAF \
	4 /* so many buckets there may be for each leaf that the entries would fill */
#define STEPS_PER_LINE 8 /* a further line for one entry in so many is as dear as a bucket */

/* The entries of one bucket, cut off the front of `rest`. */
static struct weir_entries bucket_cut(struct weir_entries *rest, uint64_t bucket, uint32_t shift)
{
	struct weir_entries cut = { .entry = rest->entry, .before = rest->before };

	while (cut.count < rest->count && rest->entry[cut.count].key >> shift == bucket)
		cut.count++;
	rest->entry += cut.count;
	rest->count -= cut.count;
	if (cut.count)
		rest->before = cut.entry[cut.count - 1].after;
	return cut;
}

/* Lines from the root of a bucket of n entries down to an answer, leaves taken as three quarters
 * full. */
static uint32_t depth_guess(const struct weir_tree *tree, uint32_t n)
{
	uint32_t depth = 2;

	for (uint64_t holds = (uint64_t)tree->format->keys * tree->format->keys * 3 / 4; holds < n;
	     depth++)
		holds *= tree->format->keys + 1;
	return depth;
}

struct overflow {
	uint32_t entries; /* in buckets that need more than their one line */
	uint64_t lines;	  /* sum over all entries of the lines to an answer */
};

static struct overflow overflow_count(const struct weir_tree *tree, const struct weir_split *split,
				      uint32_t bits)
{
	struct weir_entries rest = split->entries;
	uint32_t shift = split->window_bits - bits;
	struct overflow overflow = {};

	while (rest.count) {
		struct weir_entries cut = bucket_cut(&rest, rest.entry->key >> shift, shift);
		bool fits = weir_tree_leaf_take(tree, &cut) == cut.count;

		overflow.entries += fits ? 0 : cut.count;
		overflow.lines +=
			fits ? cut.count : (uint64_t)cut.count * depth_guess(tree, cut.count);
	}
	return overflow;
}

/*
 * The first cut, from the coarsest, that leaves at most an eighth of the entries in need of a
 * second line. Where they are so clustered that the ceiling forbids it, the cheapest.
 */
uint32_t weir_split_choose(const struct weir_tree *tree, const struct weir_split *split)
{
	uint32_t n = split->entries.count, keys = tree->format->keys, best = 0;
	uint32_t ceiling = LINES_PER_LEAF * ((n + keys - 1) / keys) + 1;
	uint64_t least = UINT64_MAX;

	for (uint32_t bits = 0; bits <= WEIR_ADDR_INDEX_BITS_MAX && 1U << bits <= ceiling; bits++) {
		/* Twice as many entries as the lines can hold never fit: no need to count. */
		if (bits && (uint64_t)(keys << bits) * 2 < n)
			continue;

		struct overflow overflow = overflow_count(tree, split, bits);
		uint64_t cost = overflow.lines * STEPS_PER_LINE + (1ULL << bits);

		if (overflow.entries <= n / 8)
			return bits;
		if (cost < least) {
			least = cost;
			best = bits;
		}
	}
	return best;
}

int weir_split_build(struct weir_tree *tree, const struct weir_split *split, uint32_t bits,
		     uint32_t line)
{
	struct weir_entries rest = split->entries;

	for (uint32_t bucket = 0; bucket < 1U << bits; bucket++) {
		struct weir_entries cut = bucket_cut(&rest, bucket, split->window_bits - bits);
		int r = weir_tree_bucket(tree, &cut, line + bucket);

		if (r < 0)
			return r;
	}
	return 0;
}
