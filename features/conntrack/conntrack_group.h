/* SPDX-License-Identifier: Apache-2.0 */
/* What flows can have in common: addresses, networks, ports, interfaces, whom they are for. */
#ifndef WEIR_CONNTRACK_GROUP_H
#define WEIR_CONNTRACK_GROUP_H

#include "features/conntrack/conntrack_view.h"

/* X(identifier, name, help) */
#define CONNTRACK_GROUPS(X)                                            \
	X(SRC, "src", "address of who began it, or its prefix")        \
	X(DST, "dst", "address of the other side, or its prefix")      \
	X(HOST, "host", "each of both addresses, or their prefix")     \
	X(PREFIX, "prefix", "each of both networks, as of the totals") \
	X(SPORT, "sport", "port of who began it")                      \
	X(DPORT, "dport", "port of the other side, with protocol")     \
	X(PORT, "port", "each of both ports")                          \
	X(PROTO, "proto", "protocol")                                  \
	X(INTERFACE, "interface", "each where it was let in or out")   \
	X(BACKEND, "backend", "service/address:port of the balancer")  \
	X(PROCESS, "process", "each of this host that has an end")     \
	X(CONTAINER, "container", "likewise, by its identifier")       \
	X(VLAN, "vlan", "tags of its first packet: 10, 10.20, none")   \
	X(SERVICE, "service", "service of the balancer")               \
	X(STATE, "state", "state")

enum conntrack_group_kind {
#define X(identifier, name, help) CONNTRACK_GROUP_##identifier,
	CONNTRACK_GROUPS(X)
#undef X
	CONNTRACK_GROUP_KINDS,
};

/* Services are told by their backends, and a flow that has ended has no state. */
#define CONNTRACK_LEDGER_KINDS CONNTRACK_GROUP_SERVICE

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

uint64_t conntrack_totals_of(const struct conntrack_totals *totals, enum conntrack_measure by);
static inline void conntrack_totals_add(struct conntrack_totals *totals,
					const struct conntrack_totals *more)
{
	totals->flows += more->flows;
	for (int side = 0; side < 2; side++) {
		totals->packets[side] += more->packets[side];
		totals->bytes[side] += more->bytes[side];
	}
}

/* Of one kind; all bytes of it count. */
struct conntrack_group_key {
	struct weir_addr addr; /* of a prefix, the first; or a name */
	uint32_t number;       /* whatever else tells groups of the kind apart */
	uint32_t backend;      /* its number in its service */
};

static inline bool conntrack_key_is(const struct conntrack_group_key *key,
				    const struct conntrack_group_key *other)
{
	return key->addr.be64[0] == other->addr.be64[0] &&
	       key->addr.be64[1] == other->addr.be64[1] && key->number == other->number &&
	       key->backend == other->backend;
}

/* A group that a flow belongs to, and what it has of the flow. */
struct conntrack_share {
	struct conntrack_group_key key;
	struct conntrack_totals totals;
};

#define CONNTRACK_SHARES_MAX 2

/* None, one or both of its ends'. `length`: of prefixes, IPv4 and IPv6. Any thread; whose an end is
 * asks view->engine, which loop, or a worker in its turn, may, and others leave NULL. */
unsigned conntrack_shares_of(enum conntrack_group_kind kind, const unsigned length[2],
			     const struct conntrack_view *view,
			     struct conntrack_share ret_shares[CONNTRACK_SHARES_MAX]);
/* "10.0.0.0/24", "443/tcp", "established", "web/10.0.0.1:80". Loop, or a worker in its turn. */
void conntrack_group_key_name(enum conntrack_group_kind kind, const unsigned length[2],
			      struct weir_engine *engine, const struct conntrack_group_key *key,
			      struct weir_buf *text);

#endif
