/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers. */
#include "features/rules/rules_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	if (values->count < 2)
		return;
	qsort(values->at, values->count, sizeof(values->at[0]), span_compare);
	for (uint32_t i = 1; i < values->count; i++) {
		struct rules_span *last = &values->at[kept], *next = &values->at[i];
		if (next->from > last->to && next->from - last->to > 1)
			values->at[++kept] = *next;
		else if (next->to > last->to)
			last->to = next->to;
	}
	values->count = kept + 1;
}

/* The parts of one span that are in none of `less`, whose spans before `first` end before it. */
static int span_subtract(struct rules_span span, const struct rules_values *less, uint32_t first,
			 struct rules_values *values)
{
	for (uint32_t i = first; i < less->count && less->at[i].from <= span.to; i++) {
		const struct rules_span *hole = &less->at[i];
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
	uint32_t first = 0;
	for (uint32_t i = 0; i < from->count; i++) {
		while (first < less->count && less->at[first].to < from->at[i].from)
			first++;
		int r = span_subtract(from->at[i], less, first, &values);
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

/* Both ascend, so each is walked once. */
bool rules_values_cover(const struct rules_values *outer, const struct rules_values *inner)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < inner->count; i++) {
		const struct rules_span *span = &inner->at[i];
		while (at < outer->count && outer->at[at].to < span->from)
			at++;
		if (at == outer->count || span->from < outer->at[at].from ||
		    span->to > outer->at[at].to)
			return false;
	}
	return true;
}

/* What does not touch has one form only. */
bool rules_values_equal(const struct rules_values *a, const struct rules_values *b)
{
	return a->count == b->count &&
	       (!a->count || memcmp(a->at, b->at, a->count * sizeof(*a->at)) == 0);
}
