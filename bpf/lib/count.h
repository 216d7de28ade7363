/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Per-CPU counters: how packets ended, and hits of lists and entries. */
#ifndef WEIR_BPF_COUNT_H
#define WEIR_BPF_COUNT_H

#include "../../abi/account.h"
#include "../../abi/maps.h"
#include "cursor.h"
#include "pkt.h"

/*
 * writes: core/interfaces.c, before a program is attached there
 * reads: every packet
 * full: the interface is not attached, and the refusal says so
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_IFACE_CELLS);
	__type(key, __u32);
	__type(value, struct weir_iface_cell);
} cfg_iface SEC(".maps");

/*
 * writes: the data path, each CPU its own; attack_watch.c clears a row of flows that begin
 * reads: core/snapshot.c, attack_watch.c and conntrack_account.c, once a tick
 * full: cannot be: a row for every interface slot, direction and reason or account
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_COUNT_ROWS);
	__type(key, __u32);
	__type(value, struct weir_count);
} ctr_reason SEC(".maps");

const volatile struct weir_count_constants count_constants = { .counts_begun = 0 };

/*
 * writes: the data path, each CPU its own
 * reads: core/snapshot.c and `list` of features, by row
 * full: features hand out the rows; an entry that gets none is listed as not counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_HITS_MAX);
	__type(key, __u32);
	__type(value, struct weir_count);
} ctr_hit SEC(".maps");

static __always_inline void count_add(struct weir_count *count, __u32 bytes)
{
	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

static __always_inline const struct weir_iface_cell *iface_cell(__u32 ifindex)
{
	LOOP_ROLLED
	for (__u32 i = 0; i < WEIR_IFACE_PROBES; i++) {
		__u32 at = (ifindex + i) % WEIR_IFACE_CELLS;
		const struct weir_iface_cell *cell = bpf_map_lookup_elem(&cfg_iface, &at);

		if (cell && cell->ifindex == ifindex)
			return cell;
	}
	return NULL;
}

/* Row 0 is the shelter of packets from an interface that is being taken away: counted, and shown as
 * "other". */
static __always_inline __u32 iface_slot(__u32 ifindex)
{
	const struct weir_iface_cell *cell = iface_cell(ifindex);

	return cell ? cell->slot : 0;
}

static __always_inline void count_reason(const struct pkt *p, __u32 reason)
{
	__u32 row = WEIR_REASON_ROW(p->iface_slot, p->direction, reason);

	count_add(bpf_map_lookup_elem(&ctr_reason, &row), p->len);
}

/* As on the wire: a large packet that the kernel has put together, or will cut up, is several. */
struct wire {
	__u32 packets;
	__u32 bytes;
};

static __always_inline void count_account(const struct pkt *p, __u32 direction, __u32 account,
					  const struct wire *wire)
{
	__u32 row = WEIR_ACCOUNT_ROW(p->iface_slot, direction, account);
	struct weir_count *count = bpf_map_lookup_elem(&ctr_reason, &row);

	if (!count)
		return;
	count->packets += wire->packets;
	count->bytes += wire->bytes;
}

/* A packet that arrived begins a flow, whether it will be let in or not. */
static __always_inline void count_begun(const struct pkt *p)
{
	if (!count_constants.counts_begun)
		return;
	__u32 row = WEIR_BEGUN_ROW(p->iface_slot);
	struct weir_count *count = bpf_map_lookup_elem(&ctr_reason, &row);

	if (count) /* by arithmetic: ingress and not a probe are both 0 */
		count->packets += ((p->direction | p->probe) & 1) ^ 1;
}

static __always_inline void count_hit(const struct pkt *p)
{
	__u32 row = p->hit;

	if (row)
		count_add(bpf_map_lookup_elem(&ctr_hit, &row), p->len);
}

#endif
