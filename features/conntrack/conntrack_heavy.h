/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heaviest groups of a stream, in fixed memory: Space-Saving (Metwally, Agrawal, El Abbadi:
 * ICDT 2005) by bytes. Whoever comes when all places are taken has that of the lightest. What is
 * told of a group is what it carried since it has its place, which is exact; and how much it may
 * have carried before, at the most. It lies in one piece of memory without pointers, so that it can
 * be shared with the run after this one.
 */
#ifndef WEIR_CONNTRACK_HEAVY_H
#define WEIR_CONNTRACK_HEAVY_H

#include "features/conntrack/conntrack_group.h"

struct conntrack_heavy_entry {
	struct conntrack_group_key key;
	struct conntrack_totals seen;	     /* since it has its place */
	uint64_t missed[CONNTRACK_BY_COUNT]; /* at the most so much before that, by measure */
	uint32_t heap;			     /* where it stands there */
	uint32_t next; /* of those that share a bucket, index + 1; 0: it is the last */
};

struct conntrack_heavy {
	uint32_t room, count;
	uint64_t seed;
	struct conntrack_totals all, gone; /* all that came; of it what no entry has any more */
	uint64_t most_missed[CONNTRACK_BY_COUNT]; /* what a group without a place carried at most */
};

size_t conntrack_heavy_bytes(uint32_t room);
/* Memory of so many bytes, aligned for 64 bits. */
void conntrack_heavy_init(struct conntrack_heavy *heavy, uint32_t room, uint64_t seed);
/* Memory of a run before this one, which may have been killed at any step: makes what can be made
 * anew of its entries. False: it is none of that room. */
bool conntrack_heavy_mend(struct conntrack_heavy *heavy, uint32_t room);
/* One that is fresh takes over what another has, the heaviest first. */
void conntrack_heavy_take(struct conntrack_heavy *heavy, const struct conntrack_heavy *from);
/* All that came is in no group from now on. */
void conntrack_heavy_forget(struct conntrack_heavy *heavy);
void conntrack_heavy_add(struct conntrack_heavy *heavy, const struct conntrack_share *share);
/* From 0 to heavy->count - 1, in no order. */
const struct conntrack_heavy_entry *conntrack_heavy_at(const struct conntrack_heavy *heavy,
						       uint32_t index);

#endif
