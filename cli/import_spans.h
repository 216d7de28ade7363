/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of small numbers (ports, protocols, lengths …) as the runs they consist of. */
#ifndef WEIR_CLI_IMPORT_SPANS_H
#define WEIR_CLI_IMPORT_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/import_arena.h"

struct import_span {
	uint32_t from, to; /* both belong to it */
};

/* In order, neither touching nor overlapping; count 0 is the empty set. */
struct import_spans {
	const struct import_span *at;
	size_t count;
};

struct import_spans import_spans_one(struct import_arena *arena, uint32_t from, uint32_t to);
/* Runs in any order, some of them perhaps overlapping; sorts `runs` in place and keeps it. */
struct import_spans import_spans_from(struct import_span *runs, size_t count);
struct import_spans import_spans_union(struct import_arena *arena, struct import_spans a,
				       struct import_spans b);
struct import_spans import_spans_both(struct import_arena *arena, struct import_spans a,
				      struct import_spans b);
/* All of 0 to max but these. */
struct import_spans import_spans_not(struct import_arena *arena, struct import_spans spans,
				     uint32_t max);
bool import_spans_equal(struct import_spans a, struct import_spans b);
bool import_spans_has(struct import_spans spans, uint32_t number);
/* Whether every number of `part` is in `whole`. */
bool import_spans_within(struct import_arena *arena, struct import_spans part,
			 struct import_spans whole);

#endif
