/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who is sent to past the kernel stands in its table of neighbours unused: nobody asks whether the
 * address is still there, and one that has moved would be sent to for ever. So now and then a
 * packet to each goes by the kernel, which asks when it has to.
 */
#ifndef WEIR_BPF_NEIGHBOUR_H
#define WEIR_BPF_NEIGHBOUR_H

#include "clock.h"
#include "route.h"

#define NEIGHBOUR_CELLS 1024
#define NEIGHBOUR_SHIFT 30 /* of nanoseconds: 1.07 s */

/*
 * When a packet to a neighbour last went by the kernel, by a hash of its link address.
 *
 * writes: the data path
 * reads: the data path
 * full: neighbours share a cell, and of those the one with more packets is asked about more often
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NEIGHBOUR_CELLS);
	__type(key, __u32);
	__type(value, __u32);
} tmp_neighbour SEC(".maps");

/* Whether it is time that the kernel sends something to who is at that link address. */
static __always_inline bool neighbour_is_due(const struct route_way *way)
{
	__u32 tail, now = clock_ns() >> NEIGHBOUR_SHIFT;

	__builtin_memcpy(&tail, way->link + ROUTE_LINK_ADDRESS - sizeof(tail), sizeof(tail));
	__u32 row = (tail * 0x9e3779b1U + way->ifindex) >> 16 & (NEIGHBOUR_CELLS - 1);
	__u32 *last = bpf_map_lookup_elem(&tmp_neighbour, &row);

	if (!last || *last == now)
		return false;
	*last = now;
	return true;
}

#endif
