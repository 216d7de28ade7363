/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of runs of numbers. */
#include "cli/import_spans.h"

#include <stdlib.h>

struct import_spans import_spans_one(struct import_arena *arena, uint32_t from, uint32_t to)
{
	struct import_span *span = from <= to ? import_alloc(arena, 1, sizeof(*span)) : NULL;

	if (!span)
		return (struct import_spans){ 0 };
	*span = (struct import_span){ .from = from, .to = to };
	return (struct import_spans){ .at = span, .count = 1 };
}

/* Appends in order of `from`; what touches the last run becomes part of it. */
static size_t span_append(struct import_span *runs, size_t count, struct import_span next)
{
	struct import_span *last = count ? &runs[count - 1] : NULL;

	if (!last || (next.from > last->to && next.from - last->to > 1)) {
		runs[count] = next;
		return count + 1;
	}
	if (next.to > last->to)
		last->to = next.to;
	return count;
}

static int span_compare(const void *a, const void *b)
{
	const struct import_span *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

struct import_spans import_spans_from(struct import_span *runs, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(runs, count, sizeof(*runs), span_compare);
	for (size_t i = 0; i < count; i++)
		kept = span_append(runs, kept, runs[i]);
	return (struct import_spans){ .at = runs, .count = kept };
}

struct import_spans import_spans_union(struct import_arena *arena, struct import_spans a,
				       struct import_spans b)
{
	struct import_span *runs = import_alloc(arena, a.count + b.count, sizeof(*runs));
	size_t count = 0, i = 0, j = 0;

	if (!runs)
		return (struct import_spans){ 0 };
	while (i < a.count || j < b.count) {
		bool is_a = j == b.count || (i < a.count && a.at[i].from <= b.at[j].from);
		count = span_append(runs, count, is_a ? a.at[i++] : b.at[j++]);
	}
	return (struct import_spans){ .at = runs, .count = count };
}

struct import_spans import_spans_both(struct import_arena *arena, struct import_spans a,
				      struct import_spans b)
{
	struct import_span *runs = import_alloc(arena, a.count + b.count, sizeof(*runs));
	size_t count = 0, i = 0, j = 0;

	if (!runs)
		return (struct import_spans){ 0 };
	while (i < a.count && j < b.count) {
		uint32_t from = a.at[i].from > b.at[j].from ? a.at[i].from : b.at[j].from;
		uint32_t to = a.at[i].to < b.at[j].to ? a.at[i].to : b.at[j].to;
		if (from <= to)
			runs[count++] = (struct import_span){ .from = from, .to = to };
		if (a.at[i].to < b.at[j].to)
			i++;
		else
			j++;
	}
	return (struct import_spans){ .at = runs, .count = count };
}

struct import_spans import_spans_not(struct import_arena *arena, struct import_spans spans,
				     uint32_t max)
{
	struct import_span *runs = import_alloc(arena, spans.count + 1, sizeof(*runs));
	size_t count = 0;
	uint32_t from = 0;

	if (!runs)
		return (struct import_spans){ 0 };
	for (size_t i = 0; i < spans.count; i++) {
		if (spans.at[i].from > from)
			runs[count++] = (struct import_span){ from, spans.at[i].from - 1 };
		from = spans.at[i].to + 1;
	}
	if (from <= max)
		runs[count++] = (struct import_span){ from, max };
	return (struct import_spans){ .at = runs, .count = count };
}

bool import_spans_equal(struct import_spans a, struct import_spans b)
{
	for (size_t i = 0; i < a.count && i < b.count; i++)
		if (a.at[i].from != b.at[i].from || a.at[i].to != b.at[i].to)
			return false;
	return a.count == b.count;
}

bool import_spans_has(struct import_spans spans, uint32_t number)
{
	for (size_t i = 0; i < spans.count; i++)
		if (number >= spans.at[i].from && number <= spans.at[i].to)
			return true;
	return false;
}

bool import_spans_within(struct import_arena *arena, struct import_spans part,
			 struct import_spans whole)
{
	return import_spans_equal(import_spans_both(arena, part, whole), part);
}
