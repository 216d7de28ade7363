/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts the address space by its top 16 bits, each part by as many further bits as it is worth, and
 * hands each bucket to addr_node.c.
 */
#include "addr_tree.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/cleanup.h"
#include "addr_node.h"
#include "addr_split.h"

#define PARTS 65536

static void trees_done(struct weir_tree *tree)
{
	weir_tree_done(tree);
}

/* One part is one word of the index: no entries, or the buckets it is cut into. */
static int part_build(struct weir_tree *tree, const struct weir_split *part, uint32_t *ret_word)
{
	if (!part->entries.count) {
		*ret_word = (uint32_t)WEIR_ADDR_INDEX_CLASS << WEIR_ADDR_INDEX_SHIFT |
			    part->entries.before;
		return 0;
	}

	uint32_t bits = weir_split_choose(tree, part), line;
	int r = weir_lines_add(tree->lines, 1U << bits, &line);

	if (r == 0)
		r = weir_split_build(tree, part, bits, line);
	if (r == 0)
		*ret_word = bits << WEIR_ADDR_INDEX_SHIFT | line;
	return r;
}

static void index_set(struct weir_lines *lines, uint32_t index, uint32_t part, uint32_t word)
{
	struct weir_line *line = weir_lines_at(lines, index + part / 16);

	line->u32[part % 16] = word;
}

/*
 * The entries of a part, from step *at on. A step of one address and the step after it make one
 * entry. A step at the part's first address is what the part begins with, and no entry.
 */
static void part4_gather(const struct weir_step4 *steps, uint32_t count, uint32_t part,
			 uint32_t *at, struct weir_entry *scratch, struct weir_entries *entries)
{
	uint32_t i = *at, n = 0;

	while (i < count && steps[i].start >> 16 == part) {
		uint64_t key = steps[i].start & 0xffff;
		uint16_t class = (uint16_t)steps[i++].class, after = class;

		if (key != 0xffff && i < count && steps[i].start == steps[i - 1].start + 1)
			after = (uint16_t)steps[i++].class;
		else if (key == 0) {
			entries->before = class;
			continue;
		}
		scratch[n++] = (struct weir_entry){ .key = key, .at = class, .after = after };
	}
	entries->entry = scratch;
	entries->count = n;
	*at = i;
}

int weir_tree4_build(struct weir_lines *lines, uint32_t index, const struct weir_step4 *steps,
		     uint32_t count)
{
	_cleanup_(trees_done) struct weir_tree tree = { .lines = lines,
							.format = &weir_node4_format };
	struct weir_split part = { .window_bits = 16 };
	uint32_t at = 0;
	int r = 0;

	tree.scratch = malloc(PARTS * sizeof(*tree.scratch));
	if (!tree.scratch)
		return -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < PARTS; i++) {
		uint32_t word = 0;

		part4_gather(steps, count, i, &at, tree.scratch, &part.entries);
		r = part_build(&tree, &part, &word);
		if (r == 0)
			index_set(lines, index, i, word);
		if (part.entries.count)
			part.entries.before = part.entries.entry[part.entries.count - 1].after;
	}
	return r;
}

static int scratch_reserve(struct weir_tree *tree, uint32_t n)
{
	if (n < tree->scratch_capacity)
		return 0;

	uint32_t capacity = tree->scratch_capacity ? 2 * tree->scratch_capacity : 4096;
	struct weir_entry *grown = realloc(tree->scratch, capacity * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	tree->scratch = grown;
	tree->scratch_capacity = capacity;
	return 0;
}

/* Steps within one /64 become the entries of a tail, keyed by the low half. */
static int tail_build(struct weir_tree *top, const struct weir_entry *owner, uint16_t before,
		      uint32_t line)
{
	const struct weir_step6 *steps = top->steps + owner->tail;
	struct weir_tree *tree = top->tails;
	struct weir_entries entries = { .before = before };

	for (uint32_t i = 0; i < owner->tail_count;) {
		int r = scratch_reserve(tree, entries.count);

		if (r < 0)
			return r;

		uint64_t key = steps[i].low;
		uint16_t class = (uint16_t)steps[i++].class, after = class;

		if (i < owner->tail_count && steps[i].low == key + 1)
			after = (uint16_t)steps[i++].class;
		tree->scratch[entries.count++] =
			(struct weir_entry){ .key = key, .at = class, .after = after };
	}
	entries.entry = tree->scratch;
	return weir_tree_bucket(tree, &entries, line);
}

/* The steps that lie in one /64, from `from` on. */
static uint32_t same_high_count(const struct weir_step6 *steps, uint32_t count, uint32_t from)
{
	uint32_t i = from;

	while (i < count && steps[i].high == steps[from].high)
		i++;
	return i - from;
}

/* A whole /64 whose class differs from what follows is one entry, so is a /64 with steps inside,
 * which is a tail. */
static int part6_gather(struct weir_tree *tree, uint32_t count, uint32_t part, uint32_t *at,
			struct weir_entries *entries)
{
	const struct weir_step6 *steps = tree->steps;
	uint32_t i = *at, n = 0;

	while (i < count && steps[i].high >> 48 == part) {
		int r = scratch_reserve(tree, n);

		if (r < 0)
			return r;

		uint64_t high = steps[i].high;
		uint32_t here = same_high_count(steps, count, i);
		struct weir_entry entry = { .key = high & 0xffffffffffffULL,
					    .tail = i,
					    .tail_count = here };

		entry.after = (uint16_t)steps[i + here - 1].class;
		entry.at = here == 1 && steps[i].low == 0 ? entry.after : WEIR_ADDR_MARK;
		i += here;

		bool ends = entry.key != 0xffffffffffffULL && i < count &&
			    steps[i].high == high + 1 && steps[i].low == 0 &&
			    same_high_count(steps, count, i) == 1;

		if (ends)
			entry.after = (uint16_t)steps[i++].class;
		else if (entry.key == 0 && entry.at != WEIR_ADDR_MARK) {
			entries->before = entry.after;
			continue;
		}
		tree->scratch[n++] = entry;
	}
	entries->entry = tree->scratch;
	entries->count = n;
	*at = i;
	return 0;
}

int weir_tree6_build(struct weir_lines *lines, uint32_t index, const struct weir_step6 *steps,
		     uint32_t count)
{
	_cleanup_(trees_done) struct weir_tree tails = { .lines = lines,
							 .format = &weir_tail6_format };
	_cleanup_(trees_done) struct weir_tree tree = {
		.lines = lines,
		.format = &weir_node6_format,
		.build_tail = tail_build,
		.steps = steps,
		.tails = &tails,
	};
	struct weir_split part = { .window_bits = 48 };
	uint32_t at = 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < PARTS; i++) {
		uint32_t word = 0;

		r = part6_gather(&tree, count, i, &at, &part.entries);
		if (r == 0)
			r = part_build(&tree, &part, &word);
		if (r < 0)
			break;
		index_set(lines, index, i, word);
		if (part.entries.count)
			part.entries.before = part.entries.entry[part.entries.count - 1].after;
	}
	return r;
}
