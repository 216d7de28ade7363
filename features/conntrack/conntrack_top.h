/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of flows by what they have in common, and the largest of them. */
#ifndef WEIR_CONNTRACK_TOP_H
#define WEIR_CONNTRACK_TOP_H

#include "base/rank.h"
#include "features/conntrack/conntrack_tally.h"

struct conntrack_group {
	struct conntrack_group_key key; /* of a name: its index, as number */
	struct conntrack_totals totals;
	uint64_t live;	 /* of its flows */
	uint64_t missed; /* so much more at the most, of what is asked for, by ended flows */
};

/* What a row of the tally has by flows that are no more. */
struct conntrack_told_group {
	uint64_t flows, missed;
};

struct conntrack_groups {
	enum conntrack_group_kind kind;
	unsigned length[2];	    /* of prefixes: IPv4, IPv6 */
	struct weir_engine *engine; /* who knows names of backends; NULL: nobody */
	struct conntrack_tally tally;
	struct conntrack_told_group *told; /* of its first rows; what ended is added first */
	size_t told_count, told_room;
	struct weir_rank rank;
	const char **names; /* of services and backends; the number of a group is an index */
	size_t name_count;
	void *names_found;		/* the same, a tree of search.h, which owns them */
	struct conntrack_totals total;	/* all that passed */
	struct conntrack_totals listed; /* of the rows that are ranked */
	/* What ended flows carried that no group has, and what one that is met from now on may have
	 * of it at the most. */
	struct conntrack_totals gone;
	uint64_t missed;
};

void conntrack_groups_done(struct conntrack_groups *groups);
#define _cleanup_groups_ __attribute__((cleanup(conntrack_groups_done)))
/* Adds the flow wherever it belongs: to none, one or both of its ends' groups. -ENOMEM. */
int conntrack_groups_add(struct conntrack_groups *groups, const struct conntrack_view *view);
/* Adds to one group, not to the total: what flows carried that are no more, and may have carried
 * besides. Before any flow is added. -ENOMEM. */
int conntrack_groups_put(struct conntrack_groups *groups, const struct conntrack_share *share,
			 uint64_t missed);
/* Finds so many that are the largest; equal ones are told apart by their keys. Afterwards nothing
 * more can be added. -ENOMEM. */
int conntrack_groups_rank(struct conntrack_groups *groups, enum conntrack_measure by, size_t most);
/* Those that were found, groups->rank.count of them, from the largest on; how many there are. */
struct conntrack_group conntrack_groups_at(const struct conntrack_groups *groups, size_t place);
size_t conntrack_groups_count(const struct conntrack_groups *groups);
/* What found no group, as there are so many. */
const struct conntrack_totals *conntrack_groups_crowded(const struct conntrack_groups *groups);
/* What all others carried, the crowded, and those of ended flows that are not kept apart. */
struct conntrack_totals conntrack_groups_rest(const struct conntrack_groups *groups);
/* Its key as a text: "10.0.0.0/24", "443/tcp", "established", "web/10.0.0.1:80". */
void conntrack_group_name(const struct conntrack_groups *groups,
			  const struct conntrack_group *group, struct weir_buf *text);

#endif
