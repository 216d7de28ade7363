/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorts the ends of all ranges and walks them once, keeping the set of labels that hold.
 */
#include "addr_sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"

#define END WEIR_LABELS_END /* bit of an event's label: the range has ended just before */
#define DIGIT_BITS 11
#define DIGITS (1U << DIGIT_BITS)

static void active_done(struct weir_active *active)
{
	weir_active_done(active);
}

static int active_change(struct weir_active *active, uint32_t label)
{
	if (!(label & END))
		return weir_active_add(active, label);
	weir_active_del(active, label & ~END);
	return 0;
}

/* Counts become the places where each digit's elements start. False: all elements have the same
 * digit. */
static bool digits_sum(uint32_t starts[DIGITS], uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < DIGITS; i++) {
		uint32_t here = starts[i];

		if (here == count)
			return false;
		starts[i] = sum;
		sum += here;
	}
	return true;
}

/* An event is its address in the high half and its label in the low one. Sorted by address alone;
 * returns where the result is. */
static uint64_t *events4_sort(uint64_t *events, uint64_t *other, uint32_t count)
{
	for (uint32_t shift = 32; shift < 64; shift += DIGIT_BITS) {
		uint32_t starts[DIGITS] = {};

		for (uint32_t i = 0; i < count; i++)
			starts[events[i] >> shift & (DIGITS - 1)]++;
		if (!digits_sum(starts, count))
			continue;
		for (uint32_t i = 0; i < count; i++)
			other[starts[events[i] >> shift & (DIGITS - 1)]++] = events[i];

		uint64_t *swap = events;

		events = other;
		other = swap;
	}
	return events;
}

static uint32_t events4_fill(const struct weir_range4 *ranges, uint32_t count, uint64_t *events)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		events[n++] = (uint64_t)ranges[i].from << 32 | ranges[i].label;
		if (ranges[i].to != UINT32_MAX)
			events[n++] = (uint64_t)(ranges[i].to + 1) << 32 | END | ranges[i].label;
	}
	return n;
}

/*
 * All beginnings before all ends would be needless: a label that ends and begins at one address may
 * pass through "not there" and back, but an end is never seen before its own beginning, which is at
 * a lower address.
 */
static int steps4_walk(const uint64_t *events, uint32_t count, struct weir_addr_classes *classes,
		       struct weir_step4 *steps, uint32_t *ret_count)
{
	_cleanup_(active_done) struct weir_active active = {};
	uint32_t n = 0, last = 0;

	for (uint32_t i = 0; i < count;) {
		uint32_t start = (uint32_t)(events[i] >> 32), class;
		int r = 0;

		for (; r == 0 && i < count && events[i] >> 32 == start; i++)
			r = active_change(&active, (uint32_t)events[i]);
		if (r == 0)
			r = weir_classes_get(classes, &active, &class);
		if (r < 0)
			return r;
		if (class == last)
			continue;
		steps[n++] = (struct weir_step4){ .start = start, .class = class };
		last = class;
	}
	*ret_count = n;
	return 0;
}

int weir_sweep4(const struct weir_range4 *ranges, uint32_t count, struct weir_addr_classes *classes,
		struct weir_step4 **ret_steps, uint32_t *ret_count)
{
	_cleanup_free_ uint64_t *events = malloc((2ULL * count + 1) * sizeof(*events));
	_cleanup_free_ uint64_t *other = malloc((2ULL * count + 1) * sizeof(*other));

	if (!events || !other)
		return -ENOMEM;

	uint32_t n = events4_fill(ranges, count, events), steps_count;
	uint64_t *sorted = events4_sort(events, other, n);
	_cleanup_free_ struct weir_step4 *steps = malloc((n + 1ULL) * sizeof(*steps));

	if (!steps)
		return -ENOMEM;

	int r = steps4_walk(sorted, n, classes, steps, &steps_count);

	if (r < 0)
		return r;
	*ret_steps = weir_take(steps);
	*ret_count = steps_count;
	return 0;
}

struct event6 {
	uint64_t high;
	uint64_t low;
	uint64_t label; /* a word, so that an event is three */
};

enum half {
	HALF_HIGH,
	HALF_LOW
};

static uint64_t event6_half(const struct event6 *event, enum half half)
{
	return half == HALF_HIGH ? event->high : event->low;
}

/* Stable, so that sorting by the low half and then by the high one sorts by both. */
static struct event6 *events6_sort_half(struct event6 *events, struct event6 *other, uint32_t count,
					enum half half)
{
	for (uint32_t shift = 0; shift < 64; shift += DIGIT_BITS) {
		uint32_t starts[DIGITS] = {};

		for (uint32_t i = 0; i < count; i++)
			starts[event6_half(&events[i], half) >> shift & (DIGITS - 1)]++;
		if (!digits_sum(starts, count))
			continue;
		for (uint32_t i = 0; i < count; i++)
			other[starts[event6_half(&events[i], half) >> shift & (DIGITS - 1)]++] =
				events[i];

		struct event6 *swap = events;

		events = other;
		other = swap;
	}
	return events;
}

static uint32_t events6_fill(const struct weir_range6 *ranges, uint32_t count,
			     struct event6 *events)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct weir_range6 *range = &ranges[i];

		events[n++] = (struct event6){ .high = range->from_high,
					       .low = range->from_low,
					       .label = range->label };
		if (range->to_high == UINT64_MAX && range->to_low == UINT64_MAX)
			continue;
		events[n++] = (struct event6){
			.high = range->to_high + (range->to_low == UINT64_MAX),
			.low = range->to_low + 1,
			.label = END | range->label,
		};
	}
	return n;
}

static int steps6_walk(const struct event6 *events, uint32_t count,
		       struct weir_addr_classes *classes, struct weir_step6 *steps,
		       uint32_t *ret_count)
{
	_cleanup_(active_done) struct weir_active active = {};
	uint32_t n = 0, last = 0;

	for (uint32_t i = 0; i < count;) {
		uint64_t high = events[i].high, low = events[i].low;
		uint32_t class;
		int r = 0;

		for (; r == 0 && i < count && events[i].high == high && events[i].low == low; i++)
			r = active_change(&active, (uint32_t)events[i].label);
		if (r == 0)
			r = weir_classes_get(classes, &active, &class);
		if (r < 0)
			return r;
		if (class == last)
			continue;
		steps[n++] = (struct weir_step6){ .high = high, .low = low, .class = class };
		last = class;
	}
	*ret_count = n;
	return 0;
}

int weir_sweep6(const struct weir_range6 *ranges, uint32_t count, struct weir_addr_classes *classes,
		struct weir_step6 **ret_steps, uint32_t *ret_count)
{
	_cleanup_free_ struct event6 *events = malloc((2ULL * count + 1) * sizeof(*events));
	_cleanup_free_ struct event6 *other = malloc((2ULL * count + 1) * sizeof(*other));

	if (!events || !other)
		return -ENOMEM;

	uint32_t n = events6_fill(ranges, count, events), steps_count;
	struct event6 *sorted = events6_sort_half(events, other, n, HALF_LOW);

	sorted = events6_sort_half(sorted, sorted == events ? other : events, n, HALF_HIGH);

	_cleanup_free_ struct weir_step6 *steps = malloc((n + 1ULL) * sizeof(*steps));

	if (!steps)
		return -ENOMEM;

	int r = steps6_walk(sorted, n, classes, steps, &steps_count);

	if (r < 0)
		return r;
	*ret_steps = weir_take(steps);
	*ret_count = steps_count;
	return 0;
}
