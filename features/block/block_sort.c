/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least-significant-digit radix sort of 64-bit keys. An IPv4 range is one key; an IPv6 range is
 * sorted by the upper half of its start, and the few that share a /64 are put in order by
 * comparison.
 */
#include "features/block/block_sort.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
#define PASSES 6 /* 66 bits >= 64 */

struct sort_item {
	uint64_t key;
	uint32_t index; /* where it stood */
};

static bool pass_is_needed(const size_t *histogram, size_t count)
{
	for (size_t digit = 0; digit < DIGITS; digit++)
		if (histogram[digit])
			return histogram[digit] != count;
	return false;
}

static void pass_run(const struct sort_item *from, struct sort_item *to, size_t count,
		     size_t *histogram, unsigned shift)
{
	size_t start = 0;
	for (size_t digit = 0; digit < DIGITS; digit++) {
		size_t n = histogram[digit];
		histogram[digit] = start;
		start += n;
	}
	for (size_t i = 0; i < count; i++)
		to[histogram[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
}

/* Stable. Returns which of the two buffers holds the result; NULL when out of memory. */
static struct sort_item *items_sort(struct sort_item *items, struct sort_item *spare, size_t count)
{
	_cleanup_free_ size_t *histograms = calloc((size_t)PASSES * DIGITS, sizeof(*histograms));
	if (!histograms)
		return NULL;
	for (size_t i = 0; i < count; i++)
		for (unsigned pass = 0; pass < PASSES; pass++)
			histograms[pass * DIGITS +
				   (items[i].key >> pass * DIGIT_BITS & (DIGITS - 1))]++;

	for (unsigned pass = 0; pass < PASSES; pass++) {
		size_t *histogram = histograms + (size_t)pass * DIGITS;
		if (!pass_is_needed(histogram, count))
			continue;
		pass_run(items, spare, count, histogram, pass * DIGIT_BITS);
		struct sort_item *sorted = spare;
		spare = items;
		items = sorted;
	}
	return items;
}

/* Notes follow their ranges. */
static int notes_permute(uint32_t *notes, const struct sort_item *order, size_t count)
{
	if (!notes)
		return 0;
	_cleanup_free_ uint32_t *moved = malloc(count * sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		moved[i] = notes[order[i].index];
	memcpy(notes, moved, count * sizeof(*moved));
	return 0;
}

/* The end is complemented so that of two ranges with one start the larger comes first. */
static uint64_t v4_key(const struct block_v4 *range)
{
	return (uint64_t)range->from << 32 | (uint32_t)~range->to;
}

static bool v4_is_sorted(const struct block_v4 *ranges, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (v4_key(&ranges[i - 1]) > v4_key(&ranges[i]))
			return false;
	return true;
}

int block_sort_v4(struct block_v4 *ranges, uint32_t *notes, size_t count)
{
	if (v4_is_sorted(ranges, count))
		return 0;
	_cleanup_free_ struct sort_item *items = malloc(count * sizeof(*items));
	_cleanup_free_ struct sort_item *spare = malloc(count * sizeof(*spare));
	if (!items || !spare)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		items[i] = (struct sort_item){ v4_key(&ranges[i]), (uint32_t)i };

	const struct sort_item *order = items_sort(items, spare, count);
	if (!order || notes_permute(notes, order, count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct block_v4){ (uint32_t)(order[i].key >> 32),
					       ~(uint32_t)order[i].key };
	return 0;
}

static bool v6_is_sorted(const struct weir_range *ranges, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (weir_range_compare(&ranges[i - 1], &ranges[i]) > 0)
			return false;
	return true;
}

static int run_compare(const void *a, const void *b, void *ranges)
{
	const struct sort_item *x = a, *y = b;
	const struct weir_range *all = ranges;
	int order = weir_range_compare(&all[x->index], &all[y->index]);
	if (order)
		return order;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void runs_sort(struct sort_item *order, size_t count, struct weir_range *ranges)
{
	for (size_t start = 0, end; start < count; start = end) {
		for (end = start + 1; end < count && order[end].key == order[start].key;)
			end++;
		if (end - start > 1)
			qsort_r(order + start, end - start, sizeof(*order), run_compare, ranges);
	}
}

int block_sort_v6(struct weir_range *ranges, uint32_t *notes, size_t count)
{
	if (v6_is_sorted(ranges, count))
		return 0;
	_cleanup_free_ struct sort_item *items = malloc(count * sizeof(*items));
	_cleanup_free_ struct sort_item *spare = malloc(count * sizeof(*spare));
	_cleanup_free_ struct weir_range *moved = malloc(count * sizeof(*moved));
	if (!items || !spare || !moved)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		items[i] = (struct sort_item){ be64toh(ranges[i].from.be64[0]), (uint32_t)i };

	struct sort_item *order = items_sort(items, spare, count);
	if (!order)
		return -ENOMEM;
	runs_sort(order, count, ranges);
	if (notes_permute(notes, order, count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		moved[i] = ranges[order[i].index];
	memcpy(ranges, moved, count * sizeof(*moved));
	return 0;
}
