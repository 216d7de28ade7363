/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet goes on from where it arrived, past the rest of the kernel: which may, and where to, by
 * the kernel's own routes and neighbours. Whoever is in doubt leaves the packet to the kernel.
 */
#ifndef WEIR_BPF_SHORTCUT_H
#define WEIR_BPF_SHORTCUT_H

#include "../../abi/served.h"
#include "way.h"

/*
 * Indices of interfaces that send what XDP hands them, each at its own modulo the size.
 *
 * writes: features/balance/balance_shortcut.c
 * reads: the data path
 * full: one whose place is taken is forwarded to by the kernel, as without
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHORTCUT_CELLS);
	__type(key, __u32);
	__type(value, __u32);
} cfg_shortcut SEC(".maps");

static __always_inline bool shortcut_takes(__u32 ifindex)
{
	__u32 row = ifindex & (SHORTCUT_CELLS - 1);
	__u32 *cell = bpf_map_lookup_elem(&cfg_shortcut, &row);

	return cell && *cell == ifindex;
}

/* Headers as they mostly are: what has options, tags, fragments, or a life that ends here is for
 * the kernel. */
static __always_inline bool shortcut_may(const struct pkt *p)
{
	__u32 l3 = p->seen & PKT_IPV4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);

	return p->l3_offset == sizeof(struct eth_header) && p->l4_offset == p->l3_offset + l3 &&
	       p->seen & PKT_PORTS && !(p->seen & PKT_FRAGMENT) && p->ttl > 1 && !p->has_mark &&
	       (p->proto == PROTO_TCP || p->proto == PROTO_UDP);
}

/* *way says where the packet goes on, from an address to another, and it may; or NULL. */
static __always_inline const struct way_cell *shortcut_look(struct xdp_md *ctx, const struct pkt *p,
							    const struct weir_addr *from,
							    const struct weir_addr *to,
							    struct route_way *way)
{
	const struct way_cell *cell = way_look(ctx, p, from, to, p->ip_len, WAY_BY_DESTINATION);

	if (!cell || !shortcut_takes(cell->way.ifindex))
		return NULL;
	*way = cell->way;
	return cell;
}

#endif
