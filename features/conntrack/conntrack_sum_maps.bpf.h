/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where it stands what flows have carried: beside the tables of flows, a row for each place. */
#ifndef WEIR_CONNTRACK_SUM_MAPS_BPF_H
#define WEIR_CONNTRACK_SUM_MAPS_BPF_H

#include "conntrack_maps.bpf.h"

/*
 * writes: the data path, by compare-and-swap; conntrack_table.c (sweep, flush, moving) likewise
 * reads: flow list, in place
 * full: with st_flow: a row for each of its places, and one that is nobody's
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_sum);
} st_flow_sum SEC(".maps");

/*
 * writes: as st_flow_sum
 * reads: as st_flow_sum
 * full: with st_half, likewise
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_sum);
} st_half_sum SEC(".maps");

/*
 * writes: with st_old_flow
 * reads: with st_old_flow
 * full: cannot be: nothing is added
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_sum);
} st_old_flow_sum SEC(".maps");

/*
 * writes: with st_old_half
 * reads: with st_old_half
 * full: cannot be: nothing is added
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_sum);
} st_old_half_sum SEC(".maps");

/*
 * writes: conntrack_table.c, of what ends in user space; the data path has no part in it
 * reads: features/conntrack/conntrack_account.c, once a tick
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_ended);
} st_ended SEC(".maps");

static __always_inline struct conntrack_sum *sum_at(__u32 table, __u32 index)
{
	__u32 row = CONNTRACK_SUM_ROW(index);

	if (old_state.exists && table == CONN_OLD_PROVEN)
		return ROW_OF(st_old_flow_sum, row, CONN_OLD_PROVEN);
	if (old_state.exists && table == CONN_OLD_HALF)
		return ROW_OF(st_old_half_sum, row, CONN_OLD_HALF);
	return table == CONN_PROVEN ? ROW_OF(st_flow_sum, row, CONN_PROVEN) :
				      ROW_OF(st_half_sum, row, CONN_HALF);
}

/* Asks for the line before it is needed: where a flow is looked at, both are waited for at once,
 * and not one after the other (100 ns of a table that is larger than the cache). */
static __always_inline void sum_expect(__u32 table, __u32 index)
{
	const struct conntrack_sum *sum =
		conntrack_constants.accounts ? sum_at(table, index) : NULL;

	if (sum)
		*(const volatile __u64 *)&sum->words[0];
}

#endif
