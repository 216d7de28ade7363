/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet goes on from where it arrived, past the rest of the kernel: which may, and where to, by
 * the kernel's own routes and neighbours. Whoever is in doubt leaves the packet to the kernel.
 */
#ifndef WEIR_BPF_SHORTCUT_H
#define WEIR_BPF_SHORTCUT_H

#include "../../abi/served.h"
#include "count.h"
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

/* At TC each sends, but what it is handed has a link header. Whoever is not watched has let nothing
 * out, and is not asked. */
static __always_inline bool shortcut_takes_tc(__u32 ifindex)
{
	const struct weir_iface_cell *cell = iface_cell(ifindex);

	return cell && !cell->raw_ip;
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

/* *way says where the packet, or each of so many bytes, goes on from an address to another, and it
 * may; or NULL. */
static __always_inline const struct way_cell *shortcut_look(void *ctx, enum hook hook,
							    const struct pkt *p,
							    const struct weir_addr *from,
							    const struct weir_addr *to, __u32 bytes,
							    struct route_way *way)
{
	const struct way_cell *cell = way_look(ctx, hook, p, from, to, bytes, WAY_BY_DESTINATION);

	if (!cell || !(hook == HOOK_XDP ? shortcut_takes(cell->way.ifindex) :
					  shortcut_takes_tc(cell->way.ifindex)))
		return NULL;
	*way = cell->way;
	return cell;
}

#endif
