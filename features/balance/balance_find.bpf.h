/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the policy has at an address and port: by hash, and what has several ports by its address
 * and then by the port. docs/design/balancer.md */
#ifndef WEIR_BALANCE_FIND_BPF_H
#define WEIR_BALANCE_FIND_BPF_H

#include "../../bpf/lib/cursor.h"
#include "../../bpf/lib/served.h"
#include "balance_lines.bpf.h"

/* Bits, not a chain of comparisons: the verifier walks each branch. */
static __always_inline bool cell_is(const struct balance_cell *cell, const struct balance_cell *key)
{
	const __u64 *a = (const __u64 *)cell, *b = (const __u64 *)key;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (cell->port ^ key->port) |
		 (cell->proto ^ key->proto) | (cell->kind ^ key->kind));
}

/* A line of cells, and whether there may be more behind it. */
#define BALANCE_GO_ON -1

__noinline int balance_find_at(const struct pkt *p, const struct balance_cell *key, __u32 at)
{
	const struct balance_head *head = p && key ? balance_head(p) : NULL;
	const struct balance_cell *cell =
		head ? balance_line(p, head->cells + (at & (head->lines - 1))) : NULL;

	if (!cell)
		return 0;
	if (cell_is(&cell[0], key))
		return cell[0].row + 1;
	if (cell_is(&cell[1], key))
		return cell[1].row + 1;
	return cell[1].kind == BALANCE_EMPTY ? 0 : BALANCE_GO_ON;
}

/* 1 + the row of what has the key; 0: nothing has. Where a line is full it may be in the next. */
__noinline int balance_find(const struct pkt *p, const struct balance_cell *key)
{
	if (!p || !key)
		return 0;
	__u32 at = balance_hash(&key->addr, key->port, key->proto, key->kind);
	int found = balance_find_at(p, key, at);

	if (found == BALANCE_GO_ON)
		found = balance_find_at(p, key, at + 1);
	if (found == BALANCE_GO_ON)
		found = balance_find_at(p, key, at + 2);
	if (found == BALANCE_GO_ON)
		found = balance_find_at(p, key, at + 3);
	return found > 0 ? found : 0;
}

/* Among eight ranges: 1 + the row of the one that has the port. Bits, as cell_is(). */
static __always_inline __u32 leaf_find(const struct balance_range *ranges, __u32 port)
{
	__u32 found = 0;

	LOOP_ROLLED
	for (int i = 0; i < BALANCE_RANGES_EACH; i++) {
		__u32 outside = (port - ranges[i].first) | (ranges[i].last - port);

		found |= (ranges[i].row + 1) & ~(__u32)((__s32)outside >> 31);
	}
	return found;
}

/* 1 + the row of what has the port (host byte order) among others, at the line `at`; 0: nothing. */
__noinline int balance_find_wide(const struct pkt *p, __u32 at, __u32 port)
{
	const struct balance_wide *wide = p ? balance_line(p, at) : NULL;
	__u32 leaf = 0;

	if (!wide || !port)
		return 0;
	LOOP_ROLLED /* side by side its numbers take more stack than there is */
		for (int i = 0; i < BALANCE_LEAVES; i++) leaf +=
		1 - ((port - wide->firsts[i]) >> 31);
	__u32 all = wide->all, leaves = wide->leaves, first = wide->leaf;

	leaf = leaf < leaves ? leaf : leaves;
	const struct balance_range *ranges = leaf ? balance_line(p, first + leaf - 1) : NULL;

	return (ranges ? leaf_find(ranges, port) : 0) ?: all;
}

/* What has no port of its own among the cells may have several. */
static __always_inline int wide_find(const struct pkt *p, struct balance_cell *key)
{
	__u32 port = be16(key->port);

	key->port = 0;
	key->kind += BALANCE_WIDE_SERVICE - BALANCE_SERVICE;
	int found = balance_find(p, key);

	return found ? balance_find_wide(p, found - 1, port) : 0;
}

static __always_inline int end_find(const struct pkt *p, bool is_dst, enum balance_kind kind)
{
	struct balance_cell key = {
		.addr = is_dst ? p->dst : p->src,
		.port = is_dst ? p->dport : p->sport,
		.proto = p->proto,
		.kind = kind,
	};
	int found = balance_find(p, &key);

	return found || !served_constants.wide ? found : wide_find(p, &key);
}

/* A port of the service from one of the backend's, and back. */
static __always_inline __be16 port_shift(__be16 port, __u32 by)
{
	return be16((__u16)(be16(port) + by));
}

#endif
