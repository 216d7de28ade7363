/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which row of ctr_rule is which rule's, and what it has counted. A rule keeps its row while it
 * stands: through swaps, applies and restarts. The row is also its number in events and answers.
 */
#ifndef WEIR_RULES_HITS_H
#define WEIR_RULES_HITS_H

#include "abi/maps.h"
#include "core/map.h"
#include "features/rules/rules_index.h"
#include "features/rules/rules_order.h"

struct rules_hits {
	struct weir_map *counters; /* borrowed; NULL before an object is attached */
	struct rules_index rows;   /* by identity, of the live policy or as they were saved */
	/* When the row's rule went, 0: long ago. Packets under way may still count in it. */
	uint64_t gone_ns[RULES_ROWS];
	/*
	 * As read last, RULES_ROWS of them. Never moved: a worker that compiles zeroes rows it
	 * hands out while the loop reads; at worst one shows for a second what its last rule
	 * counted.
	 */
	struct weir_count *counts;
	uint32_t end;	       /* rows from here on are nobody's */
	uint64_t next_read_ns; /* with many rows: not before */
};

void rules_hits_done(struct rules_hits *hits);
/*
 * Gives each rule its row: the one it had, else the lowest that nobody uses, zeroed; 0 when there
 * is none. ret_rows: what will be known when the order is live. Worker; nothing of `hits` but the
 * counts of rows handed out is written. -ENOMEM.
 */
int rules_hits_number(struct rules_hits *hits, struct rules_order *order, uint64_t now_ns,
		      struct rules_index *ret_rows);
/* The order is live: takes the rows over, and the others rest a while. */
void rules_hits_adopt(struct rules_hits *hits, struct rules_index *rows, uint64_t now_ns);
/* Reads all rows in use, once a tick; more than 8,192 of them every five seconds. */
int rules_hits_read(struct rules_hits *hits, uint64_t now_ns);
/* Reads one row now. */
void rules_hits_refresh(struct rules_hits *hits, uint32_t row);
struct weir_count rules_hits_count(const struct rules_hits *hits, uint32_t row);
/* Whether both say the same. */
bool rules_rows_equal(const struct rules_index *a, const struct rules_index *b);

#endif
