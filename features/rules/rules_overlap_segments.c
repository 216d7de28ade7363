/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as numbers of segments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "features/rules/rules_overlap_shape.h"

static unsigned __int128 addr_number(const struct weir_addr *addr)
{
	unsigned __int128 number = 0;
	for (int i = weir_addr_is_v4(addr) ? 12 : 0; i < 16; i++)
		number = number << 8 | addr->bytes[i];
	return number;
}

static int v4_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static int v6_compare(const void *a, const void *b)
{
	unsigned __int128 x = *(const unsigned __int128 *)a, y = *(const unsigned __int128 *)b;
	return (x > y) - (x < y);
}

/* Where a range begins and where it is over; the last address of a family has none behind it. */
static void cut_range(struct rules_segments *segments, const struct weir_range *range)
{
	unsigned __int128 from = addr_number(&range->from), behind = addr_number(&range->to) + 1;
	if (weir_addr_is_v4(&range->from)) {
		segments->v4[segments->v4_count++] = (uint32_t)from;
		segments->v4[segments->v4_count++] = (uint32_t)behind;
	} else {
		segments->v6[segments->v6_count++] = from;
		segments->v6[segments->v6_count++] = behind;
	}
}

static void cut_addresses(struct rules_segments *segments, const struct rules_addresses *addresses)
{
	for (uint32_t i = 0; i < addresses->range_count; i++)
		cut_range(segments, &addresses->ranges[i]);
}

static uint32_t end_ranges(const struct rules_end *end)
{
	return end->in.range_count + end->out.range_count;
}

/* Sorts, keeps one of equal ones, and returns how many there are then. */
static uint32_t sort_once(void *at, uint32_t count, size_t size,
			  int (*compare)(const void *, const void *))
{
	char *bytes = at;
	uint32_t kept = 1;
	qsort(at, count, size, compare);
	for (uint32_t i = 1; i < count; i++)
		if (compare(bytes + i * size, bytes + (kept - 1) * size) > 0)
			memmove(bytes + kept++ * size, bytes + i * size, size);
	return kept;
}

/* One family's space begins at 0 whatever is asked for: the arrays begin with that. */
static int segments_alloc(struct rules_segments *segments, size_t ranges)
{
	*segments = (struct rules_segments){ .v4_count = 1, .v6_count = 1 };
	segments->v4 = calloc(2 * ranges + 1, sizeof(*segments->v4));
	segments->v6 = calloc(2 * ranges + 1, sizeof(*segments->v6));
	return segments->v4 && segments->v6 ? 0 : -ENOMEM;
}

static void cut_rule(struct rules_segments *segments, const struct rules_rule *rule)
{
	cut_addresses(segments, &rule->src.in);
	cut_addresses(segments, &rule->src.out);
	cut_addresses(segments, &rule->dst.in);
	cut_addresses(segments, &rule->dst.out);
}

int rules_segments_init(struct rules_segments *segments, const struct rules_rule *rules,
			uint32_t rule_count, const struct rules_addresses *sets, uint32_t set_count)
{
	size_t ranges = 0;
	for (uint32_t i = 0; i < rule_count; i++)
		ranges += end_ranges(&rules[i].src) + end_ranges(&rules[i].dst);
	for (uint32_t i = 0; i < set_count; i++)
		ranges += sets[i].range_count;
	if (segments_alloc(segments, ranges))
		return -ENOMEM;
	for (uint32_t i = 0; i < rule_count; i++)
		cut_rule(segments, &rules[i]);
	for (uint32_t i = 0; i < set_count; i++)
		cut_addresses(segments, &sets[i]);
	segments->v4_count =
		sort_once(segments->v4, segments->v4_count, sizeof(*segments->v4), v4_compare);
	segments->v6_count =
		sort_once(segments->v6, segments->v6_count, sizeof(*segments->v6), v6_compare);
	return 0;
}

void rules_segments_done(struct rules_segments *segments)
{
	free(segments->v4);
	free(segments->v6);
	*segments = (struct rules_segments){ 0 };
}

/* The segment that holds the address. */
static uint32_t segment_of(const struct rules_segments *segments, const struct weir_addr *addr)
{
	unsigned __int128 number = addr_number(addr);
	bool v4 = weir_addr_is_v4(addr);
	uint32_t low = 0, high = v4 ? segments->v4_count : segments->v6_count;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		unsigned __int128 first = v4 ? segments->v4[middle] : segments->v6[middle];
		if (first <= number)
			low = middle;
		else
			high = middle;
	}
	return v4 ? low : segments->v4_count + low;
}

int rules_segments_add(const struct rules_segments *segments, const struct rules_addresses *from,
		       struct rules_values *values)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < from->range_count; i++)
		r = rules_values_add(values, segment_of(segments, &from->ranges[i].from),
				     segment_of(segments, &from->ranges[i].to));
	return r;
}
