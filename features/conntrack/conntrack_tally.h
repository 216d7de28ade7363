/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums by key, of a million flows and more: rows lie one behind the other, and an index of four
 * bytes a place says where, with a part of the hash. What is added waits for some more of its kind,
 * so that memory is asked for all of them at once and not for one after the other: for a place in
 * the index when it comes, for its row when as many wait behind it.
 */
#ifndef WEIR_CONNTRACK_TALLY_H
#define WEIR_CONNTRACK_TALLY_H

#include "features/conntrack/conntrack_group.h"

/* Rows at the most: 64 MiB, and 8 of index. */
#define CONNTRACK_TALLY_MOST (1U << 20)
#define CONNTRACK_TALLY_BATCH 32
#define CONNTRACK_TALLY_NONE UINT32_MAX

struct conntrack_tally {
	struct conntrack_share *at;   /* `count` rows; NULL: none yet */
	uint32_t *index;	      /* row + 1, and above it a part of the hash; 0: free */
	uint32_t count, room;	      /* places of the index: a power of two, or 0 */
	unsigned shift;		      /* of a hash, to the place where it is looked for first */
	uint64_t seed;		      /* drawn: who sends packets must not choose the places */
	struct conntrack_totals none; /* what found no row, as there are so many already */
	unsigned filling;	      /* which batch is; the other waits for its rows */
	struct conntrack_batch {
		unsigned count;
		uint64_t hashes[CONNTRACK_TALLY_BATCH];
		struct conntrack_share shares[CONNTRACK_TALLY_BATCH];
	} batches[2];
};

void conntrack_tally_done(struct conntrack_tally *tally);
/* Where the next shares, CONNTRACK_SHARES_MAX at the most, are to be written … */
struct conntrack_share *conntrack_tally_next(struct conntrack_tally *tally);
/* … and so many were: their rows have them after conntrack_tally_settle(). -ENOMEM. */
int conntrack_tally_take(struct conntrack_tally *tally, unsigned count);
int conntrack_tally_settle(struct conntrack_tally *tally);
/* At once, and tells which row: CONNTRACK_TALLY_NONE where there is no room. Nothing waits. */
int conntrack_tally_add(struct conntrack_tally *tally, const struct conntrack_share *share,
			uint32_t *ret_row);

#endif
