/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where packets go on, by the kernel's own routes and neighbours: its answers are remembered, since
 * to ask for each packet costs more than finding its flow. Of what changes of them, netlink tells
 * the daemon, which begins another generation; without a daemon to watch, nothing is remembered.
 */
#ifndef WEIR_BPF_WAY_H
#define WEIR_BPF_WAY_H

#include "../../abi/served.h"
#include "addr.h"
#include "clock.h"
#include "neighbour.h"
#include "route.h"
#include "scratch.h"
#include "wire.h"

/*
 * writes: features/balance/balance_ways.c
 * reads: the data path
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_way_watch);
} cfg_way SEC(".maps");

enum way_kind {
	WAY_BY_DESTINATION, /* `from` does not matter */
	WAY_BY_ENDS,
	WAY_WITH_SOURCE, /* `from` is not asked but told: what the route gives */
};

/* One line. */
struct way_cell {
	struct weir_addr from, to; /* v4 as ::ffff:a.b.c.d */
	__u64 generation;	   /* 0: it holds for one packet */
	struct route_way way;
	__u32 arrived; /* index of the interface */
	__u16 mtu;     /* longest IP packet */
	__u8 kind;     /* enum way_kind */
	__u8 spare;
};

_Static_assert(sizeof(struct way_cell) == 64, "one line");

/*
 * Each CPU its own, so that no cell is read half written; and small, so that it stays near.
 *
 * writes: the data path, each CPU its own
 * reads: the same
 * full: of two ways with the same place the later one is remembered
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WAY_CELLS);
	__type(key, __u32);
	__type(value, struct way_cell);
} tmp_way SEC(".maps");

SCRATCH_HOLDS(struct bpf_fib_lookup);

#define WAY_GOLDEN 0x9e3779b97f4a7c15ULL
#define WAY_ROUTE_SOURCE (1U << 4) /* BPF_FIB_LOOKUP_SRC: Linux 6.7, and later 6.1 and 6.6 */

static __always_inline struct way_cell *way_at(__u32 row)
{
	return bpf_map_lookup_elem(&tmp_way, &row);
}

static __always_inline bool way_addr_is(const struct weir_addr *a, const struct weir_addr *b)
{
	return !((a->be64[0] ^ b->be64[0]) | (a->be64[1] ^ b->be64[1]));
}

/* A source that the route gives takes the place of the one that was not asked with. */
static __always_inline void way_learn_source(struct way_cell *cell,
					     const struct bpf_fib_lookup *fib)
{
	if (addr_is_v4(&cell->to)) {
		cell->from.be32[2] = be32(0xffff);
		cell->from.be32[3] = fib->ipv4_src;
		return;
	}
	for (int i = 0; i < 4; i++)
		cell->from.be32[i] = fib->ipv6_src[i];
}

/* The kernel's answer for a packet of so many bytes. What it is to be asked stands in the cell. */
static __always_inline int way_ask(void *ctx, __u32 row, __u32 bytes)
{
	struct way_cell *cell = way_at(row);
	struct bpf_fib_lookup *fib = scratch(SCRATCH_WAY);

	if (!cell || !fib)
		return 0;
	bool wants = cell->kind == WAY_WITH_SOURCE;
	__u64 generation = cell->generation;

	cell->generation = 0;
	*fib = (struct bpf_fib_lookup){ .ifindex = cell->arrived,
					.tot_len = bytes > 0xffff ? 0xffff : bytes };
	route_ends(fib, addr_is_v4(&cell->to), &cell->from, &cell->to);
	if (bpf_fib_lookup(ctx, fib, sizeof(*fib), wants ? WAY_ROUTE_SOURCE : 0))
		return 0;
	cell->mtu = fib->mtu_result;
	cell->way.ifindex = fib->ifindex;
	__builtin_memcpy(cell->way.link, fib->dmac, ROUTE_LINK_ADDRESS);
	__builtin_memcpy(cell->way.link + ROUTE_LINK_ADDRESS, fib->smac, ROUTE_LINK_ADDRESS);
	if (wants)
		way_learn_source(cell, fib);
	cell->generation = generation;
	return 1;
}

/* One a kind of context. */
__noinline int way_fill_xdp(struct xdp_md *ctx, __u32 row, __u32 bytes)
{
	return way_ask(ctx, row, bytes);
}

__noinline int way_fill_tc(struct __sk_buff *skb, __u32 row, __u32 bytes)
{
	return way_ask(skb, row, bytes);
}

static __always_inline __u32 way_row(const struct pkt *p, const struct weir_addr *from,
				     const struct weir_addr *to, bool by_ends)
{
	__u64 hash = to->be64[0] ^ to->be64[1];

	if (by_ends)
		hash = hash * WAY_GOLDEN ^ from->be64[0] ^ from->be64[1];
	hash ^= hash >> 32 ^
		p->ifindex; /* the last bytes of an address stand in the highest bits */
	return hash * WAY_GOLDEN >> (64 - WAY_CELL_BITS);
}

/* The generation that something may be remembered for; 0: none. Read before the kernel is asked:
 * what changes meanwhile ends it. */
static __always_inline __u64 way_generation(void)
{
	__u32 zero = 0;
	const volatile struct weir_way_watch *watch = bpf_map_lookup_elem(&cfg_way, &zero);

	if (!watch)
		return 0;
	__u64 generation = watch->generation;

	return watch->until_ns > clock_ns() ? generation : 0;
}

/* Whether TC may go by what is remembered, which is found by addresses alone. */
static __always_inline bool way_is_plain(void)
{
	__u32 zero = 0;
	const volatile struct weir_way_watch *watch = bpf_map_lookup_elem(&cfg_way, &zero);

	return watch && watch->onwards;
}

/* Which is the last change that netlink told of; 0: nobody watches. */
static __always_inline __u32 way_changed(void)
{
	__u32 zero = 0;
	const volatile struct weir_way_watch *watch = bpf_map_lookup_elem(&cfg_way, &zero);
	__u32 changed = watch ? watch->changed : 0;

	return watch && watch->until_ns > clock_ns() ? changed : 0;
}

static __always_inline bool way_holds(const struct way_cell *cell, const struct pkt *p,
				      const struct weir_addr *from, const struct weir_addr *to,
				      __u64 generation)
{
	return generation && cell->generation == generation && cell->arrived == p->ifindex &&
	       way_addr_is(&cell->to, to) &&
	       (cell->kind != WAY_BY_ENDS || way_addr_is(&cell->from, from));
}

/*
 * Where a packet of so many bytes goes on. WAY_BY_DESTINATION: by both ends where routes go by the
 * source. NULL: the kernel has no way for it, or another answer; and now and then, when it is asked
 * anew, NULL for the sake of the neighbour (neighbour.h).
 */
static __always_inline struct way_cell *way_look(void *ctx, enum hook hook, const struct pkt *p,
						 const struct weir_addr *from,
						 const struct weir_addr *to, __u32 bytes,
						 enum way_kind kind)
{
	__u64 generation = way_generation();

	if (kind == WAY_BY_DESTINATION && (!generation || generation & WEIR_WAYS_BY_SOURCE))
		kind = WAY_BY_ENDS;
	__u32 row = way_row(p, from, to, kind == WAY_BY_ENDS);
	struct way_cell *cell = way_at(row);

	if (!cell)
		return NULL;
	if (way_holds(cell, p, from, to, generation) && cell->kind == kind && bytes <= cell->mtu)
		return cell;
	cell->from = *from;
	cell->to = *to;
	cell->generation = generation;
	cell->arrived = p->ifindex;
	cell->kind = kind;
	int found = hook == HOOK_XDP ? way_fill_xdp(ctx, row, bytes) : way_fill_tc(ctx, row, bytes);

	return found && !neighbour_is_due(&cell->way) ? cell : NULL;
}

#endif
