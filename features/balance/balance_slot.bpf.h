/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which slot of its service a new connection gets (balance_scheduler.c). */
#ifndef WEIR_BALANCE_SLOT_BPF_H
#define WEIR_BALANCE_SLOT_BPF_H

#include "../../bpf/lib/pkt.h"
#include "balance.h"

/*
 * How many connections a service that takes turns has had, by its row in the policy. Where rows
 * move, a turn begins elsewhere.
 *
 * writes: the data path, all CPUs
 * reads: the data path
 * full: cannot be: a row a service, once one takes turns
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} st_balance_turn SEC(".maps");

/* Who only asks takes no turn. */
static __always_inline __u32 turn_take(const struct pkt *p, __u32 row, __u32 slots)
{
	__u64 *turn = bpf_map_lookup_elem(&st_balance_turn, &row);

	if (!turn)
		return 0;
	return (p->probe ? *turn : __sync_fetch_and_add(turn, 1)) % slots;
}

/* The first draw is the client's slot; more of them are slots of his as well. */
static __always_inline __u32 slot_of_client(const struct pkt *p,
					    const struct balance_service *service, __u32 draw)
{
	return balance_slot_of((p->src.be64[0] & service->mask.be64[0]) + draw,
			       p->src.be64[1] & service->mask.be64[1],
			       p->sport & service->port_mask, service->slots);
}

static __always_inline __u32 slot_choose(const struct pkt *p, __u32 row,
					 const struct balance_service *service, __u32 draw)
{
	return service->takes_turns ? turn_take(p, row, service->slots) :
				      slot_of_client(p, service, draw);
}

#endif
