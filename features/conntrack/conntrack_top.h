/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of flows by what they have in common, and the largest of them. */
#ifndef WEIR_CONNTRACK_TOP_H
#define WEIR_CONNTRACK_TOP_H

#include "features/conntrack/conntrack_group.h"

/* Kept apart, at the most: 160 MiB. Flows of further ones are counted as crowded. */
#define CONNTRACK_GROUPS_MOST (1U << 20)

struct conntrack_group {
	struct conntrack_group_key key; /* of a name: its index, as number */
	struct conntrack_totals totals;
	uint64_t missed; /* so much more at the most, of what is asked for, by ended flows */
	bool is_used;
};

struct conntrack_groups {
	enum conntrack_group_kind kind;
	unsigned length[2];	    /* of prefixes: IPv4, IPv6 */
	struct weir_engine *engine; /* who knows names of backends; NULL: nobody */
	struct conntrack_group *at;
	size_t count, room; /* room: a power of two, or 0 */
	const char **names; /* of services and backends; the number of a group is an index */
	size_t name_count;
	void *names_found;			/* the same, a tree of search.h, which owns them */
	struct conntrack_totals total, crowded; /* all that passed; those in no group for room */
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
 * besides. -ENOMEM. */
int conntrack_groups_put(struct conntrack_groups *groups, const struct conntrack_share *share,
			 uint64_t missed);
/* The largest first; equal ones by their keys. Afterwards nothing more can be added. */
void conntrack_groups_sort(struct conntrack_groups *groups, enum conntrack_measure by);
/* What those behind the first so many carried, the crowded, and those of ended flows that are not
 * kept apart. Sorted. */
struct conntrack_totals conntrack_groups_rest(const struct conntrack_groups *groups, size_t shown);
/* Its key as a text: "10.0.0.0/24", "443/tcp", "established", "web/10.0.0.1:80". */
void conntrack_group_name(const struct conntrack_groups *groups,
			  const struct conntrack_group *group, struct weir_buf *text);

#endif
