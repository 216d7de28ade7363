/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of flows by what they have in common, and the largest of them. */
#ifndef WEIR_CONNTRACK_TOP_H
#define WEIR_CONNTRACK_TOP_H

#include "features/conntrack/conntrack_view.h"

/* Kept apart, at the most: 128 MiB. Flows of further ones are counted as crowded. */
#define CONNTRACK_GROUPS_MOST (1U << 20)

/* X(identifier, name, help) */
#define CONNTRACK_GROUPS(X)                                          \
	X(SRC, "src", "address of who began it, or its prefix")      \
	X(DST, "dst", "address of the other side, or its prefix")    \
	X(HOST, "host", "each of both addresses, or their prefix")   \
	X(SPORT, "sport", "port of who began it")                    \
	X(DPORT, "dport", "port of the other side, with protocol")   \
	X(PROTO, "proto", "protocol")                                \
	X(STATE, "state", "state")                                   \
	X(INTERFACE, "interface", "each where it was let in or out") \
	X(SERVICE, "service", "service of the balancer")             \
	X(BACKEND, "backend", "service/address:port of the balancer")

enum conntrack_group_kind {
#define X(identifier, name, help) CONNTRACK_GROUP_##identifier,
	CONNTRACK_GROUPS(X)
#undef X
	CONNTRACK_GROUP_KINDS,
};

/* X(identifier, name) */
#define CONNTRACK_MEASURES(X) X(BYTES, "bytes") X(PACKETS, "packets") X(FLOWS, "flows")

enum conntrack_measure {
#define X(identifier, name) CONNTRACK_BY_##identifier,
	CONNTRACK_MEASURES(X)
#undef X
	CONNTRACK_BY_COUNT,
};

/* Index 0: sent by the address of the group, or by who began the flow; 1: what came back. */
struct conntrack_totals {
	uint64_t flows, packets[2], bytes[2];
};

struct conntrack_group {
	struct weir_addr addr; /* of a prefix, the first */
	uint32_t number;       /* whatever else tells groups of one kind apart */
	bool is_used;
	struct conntrack_totals totals;
};

struct conntrack_groups {
	enum conntrack_group_kind kind;
	unsigned length[2]; /* of prefixes: IPv4, IPv6 */
	struct conntrack_group *at;
	size_t count, room; /* room: a power of two, or 0 */
	const char **names; /* of services and backends; the number of a group is an index */
	size_t name_count;
	void *names_found;			/* the same, a tree of search.h, which owns them */
	struct conntrack_totals total, crowded; /* all that passed; those in no group for room */
};

void conntrack_groups_done(struct conntrack_groups *groups);
#define _cleanup_groups_ __attribute__((cleanup(conntrack_groups_done)))
/* Adds the flow wherever it belongs: to none, one or both of its ends' groups. -ENOMEM. */
int conntrack_groups_add(struct conntrack_groups *groups, const struct conntrack_view *view);
uint64_t conntrack_totals_of(const struct conntrack_totals *totals, enum conntrack_measure by);
/* The largest first; equal ones by their keys. Afterwards nothing more can be added. */
void conntrack_groups_sort(struct conntrack_groups *groups, enum conntrack_measure by);
/* What those behind the first so many carried, and the crowded. Sorted. */
struct conntrack_totals conntrack_groups_rest(const struct conntrack_groups *groups, size_t shown);
/* Its key as a text: "10.0.0.0/24", "443/tcp", "established", "web/10.0.0.1:80". */
void conntrack_group_name(const struct conntrack_groups *groups,
			  const struct conntrack_group *group, struct weir_buf *text);

#endif
