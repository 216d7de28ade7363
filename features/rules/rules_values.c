/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers. */
#include "features/rules/rules_values.h"

#include <errno.h>
#include <stdlib.h>

void rules_values_done(struct rules_values *values)
{
	free(values->at);
	*values = (struct rules_values){ 0 };
}

int rules_values_add(struct rules_values *values, uint32_t from, uint32_t to)
{
	if (values->count == values->capacity) {
		uint32_t capacity = values->capacity ? values->capacity * 2 : 4;
		struct rules_span *at = reallocarray(values->at, capacity, sizeof(*at));
		if (!at)
			return -ENOMEM;
		values->at = at;
		values->capacity = capacity;
	}
	values->at[values->count++] = (struct rules_span){ from, to };
	return 0;
}

static int span_compare(const void *a, const void *b)
{
	const struct rules_span *x = a, *y = b;
	return x->from < y->from ? -1 : x->from > y->from;
}

void rules_values_seal(struct rules_values *values)
{
	uint32_t kept = 0;
	if (!values->count)
		return;
	qsort(values->at, values->count, sizeof(values->at[0]), span_compare);
	for (uint32_t i = 1; i < values->count; i++) {
		struct rules_span *last = &values->at[kept], *next = &values->at[i];
		if (next->from > last->to + 1)
			values->at[++kept] = *next;
		else if (next->to > last->to)
			last->to = next->to;
	}
	values->count = kept + 1;
}

/* The parts of one span that are in none of `less`. */
static int span_subtract(struct rules_span span, const struct rules_values *less,
			 struct rules_values *values)
{
	for (uint32_t i = 0; i < less->count && less->at[i].from <= span.to; i++) {
		const struct rules_span *hole = &less->at[i];
		if (hole->to < span.from)
			continue;
		int r = hole->from > span.from ?
				rules_values_add(values, span.from, hole->from - 1) :
				0;
		if (r < 0 || hole->to >= span.to)
			return r;
		span.from = hole->to + 1;
	}
	return rules_values_add(values, span.from, span.to);
}

int rules_values_subtract(const struct rules_values *from, const struct rules_values *less,
			  struct rules_values *ret_values)
{
	_cleanup_values_ struct rules_values values = { 0 };
	for (uint32_t i = 0; i < from->count; i++) {
		int r = span_subtract(from->at[i], less, &values);
		if (r < 0)
			return r;
	}
	*ret_values = values;
	values = (struct rules_values){ 0 };
	return 0;
}

bool rules_values_has(const struct rules_values *values, uint32_t value)
{
	for (uint32_t i = 0; i < values->count; i++)
		if (value >= values->at[i].from && value <= values->at[i].to)
			return true;
	return false;
}

static bool span_is_covered(const struct rules_values *outer, const struct rules_span *span)
{
	for (uint32_t i = 0; i < outer->count; i++)
		if (span->from >= outer->at[i].from && span->to <= outer->at[i].to)
			return true;
	return false;
}

bool rules_values_cover(const struct rules_values *outer, const struct rules_values *inner)
{
	for (uint32_t i = 0; i < inner->count; i++)
		if (!span_is_covered(outer, &inner->at[i]))
			return false;
	return true;
}

bool rules_values_equal(const struct rules_values *a, const struct rules_values *b)
{
	return rules_values_cover(a, b) && rules_values_cover(b, a);
}
