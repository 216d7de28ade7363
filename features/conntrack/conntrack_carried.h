/* SPDX-License-Identifier: Apache-2.0 */
/* What flows have carried, from user space: read in place, and taken along or counted as ended when
 * a flow leaves its place. */
#ifndef WEIR_CONNTRACK_CARRIED_H
#define WEIR_CONNTRACK_CARRIED_H

#include "features/conntrack/conntrack_table.h"

/* Of a flow; by side, the initiator's first. */
struct conntrack_carried {
	uint64_t packets[2], bytes[2];
	uint64_t first_ns, last_ns[2]; /* CLOCK_MONOTONIC */
	uint8_t flags[2];	       /* of TCP, all that were seen */
	uint32_t vlan;		       /* conntrack_vlan_of(); 0: not known */
};

/* Where what a flow carried goes on. */
struct conntrack_heir {
	struct conntrack_table *table;
	struct conntrack_place place;
	/* It has left that place, too, by a packet: where it is now. NULL: nobody knows. */
	bool (*find)(struct conntrack_heir *heir);
	const void *arg;
};

/* For a table that is open. Where flows are not counted it has no sums; -ENOENT: no such maps. */
int conntrack_sums_open(struct weir_map *sums, struct weir_map *ended,
			struct conntrack_table *table);
/* Of the flow that was found there with that word. False: flows are not counted. */
bool conntrack_carried_get(const struct conntrack_table *table, uint32_t index, uint32_t word,
			   struct conntrack_carried *ret_carried);
/* How a place comes to be the caller's. */
struct conntrack_leaving {
	uint32_t before, next; /* the word it had, and has now */
	enum conntrack_cause cause;
	struct conntrack_heir *heir; /* who has what the flow carried from now on; NULL: nobody */
};

/* The place is the caller's: whatever stands there goes to the heir, or is counted as ended, and a
 * record of it is kept, where there is none. */
void conntrack_sum_end(struct conntrack_table *table, uint32_t index,
		       const struct conntrack_leaving *leaving);
/* A table that nobody works in any more: all that it still has is counted as ended. */
void conntrack_sums_close(struct conntrack_table *table, enum conntrack_cause cause);

#endif
