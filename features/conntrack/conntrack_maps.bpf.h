/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where flows lie. Two tables: those that have proven themselves, and the half-open ones, which are
 * all that a flood can fill. Around a reload that gives them another size there are two of each;
 * a program that has no old ones has nothing of them in it.
 */
#ifndef WEIR_CONNTRACK_MAPS_BPF_H
#define WEIR_CONNTRACK_MAPS_BPF_H

#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/old_state.h"
#include "conntrack_sctp.bpf.h"

const volatile struct conntrack_constants conntrack_constants = {};
const volatile struct conntrack_timeouts conntrack_timeouts = {};
const volatile struct conntrack_sizes conntrack_sizes = { .proven = 1, .half = 1 };

/*
 * writes: the data path, by compare-and-swap; conntrack_table.c (sweep, flush, adoption) likewise
 * reads: every packet that has a flow
 * full: a flow that proves itself takes the place of one that is over, else is refused and counted;
 * the last two places of a set are for those that have shaken hands
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_WAYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_flow);
} st_flow SEC(".maps");

/*
 * writes: with st_flow
 * reads: every packet
 * full: with st_flow
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_set);
} st_flow_set SEC(".maps");

/*
 * writes: the data path, by compare-and-swap; conntrack_table.c (sweep, flush, adoption) likewise
 * reads: packets without a proven flow
 * full: the oldest of a set makes room, and is counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_WAYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_flow);
} st_half SEC(".maps");

/*
 * writes: with st_half
 * reads: packets without a proven flow
 * full: with st_half
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_set);
} st_half_set SEC(".maps");

/*
 * writes: features/conntrack/conntrack.c, at start and around a reload
 * reads: every packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct conntrack_shared);
} cfg_conntrack SEC(".maps");

/*
 * writes: features/conntrack/conntrack.c, when a policy goes live
 * reads: features/conntrack/conntrack.c, at start: what the run before knew
 * full: cannot be: one row; the oldest timeouts in it go
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct conntrack_past);
} cfg_conn_past SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/conntrack/conntrack.c
 * full: cannot be: a row a counter
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CONNTRACK_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ctr_conntrack SEC(".maps");

/*
 * writes: the program before, whose st_flow it is, until every interface has gone over
 * reads: packets whose flow is not found; features/conntrack/conntrack_move.c
 * full: cannot be: nothing is added
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_WAYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_flow);
} st_old_flow SEC(".maps");

/*
 * writes: with st_old_flow
 * reads: with st_old_flow
 * full: with st_old_flow
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_set);
} st_old_flow_set SEC(".maps");

/*
 * writes: as st_old_flow, of st_half
 * reads: with st_old_flow
 * full: with st_old_flow
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_WAYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_flow);
} st_old_half SEC(".maps");

/*
 * writes: with st_old_half
 * reads: with st_old_half
 * full: with st_old_flow
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_set);
} st_old_half_set SEC(".maps");

enum conn_table {
	CONN_NOWHERE,
	CONN_PROVEN,
	CONN_HALF,
	CONN_OLD_PROVEN,
	CONN_OLD_HALF,
};

/* A row of a map, whose look-up stays this one's: clang would make one call of all of them, with
 * the map in a register, and the kernel could not put the look-up in place of the call (20 ns). */
#define ROW_OF(map, row, number)                                   \
	({                                                         \
		void *found = bpf_map_lookup_elem(&(map), &(row)); \
		__asm__ volatile("" : "+r"(found) : "i"(number));  \
		found;                                             \
	})

static __always_inline struct conntrack_flow *flow_at(__u32 table, __u32 index)
{
	if (old_state.exists && table == CONN_OLD_PROVEN)
		return ROW_OF(st_old_flow, index, CONN_OLD_PROVEN);
	if (old_state.exists && table == CONN_OLD_HALF)
		return ROW_OF(st_old_half, index, CONN_OLD_HALF);
	return table == CONN_PROVEN ? ROW_OF(st_flow, index, CONN_PROVEN) :
				      ROW_OF(st_half, index, CONN_HALF);
}

static __always_inline struct conntrack_set *set_at(__u32 table, __u32 number)
{
	if (old_state.exists && table == CONN_OLD_PROVEN)
		return ROW_OF(st_old_flow_set, number, CONN_OLD_PROVEN);
	if (old_state.exists && table == CONN_OLD_HALF)
		return ROW_OF(st_old_half_set, number, CONN_OLD_HALF);
	return table == CONN_PROVEN ? ROW_OF(st_flow_set, number, CONN_PROVEN) :
				      ROW_OF(st_half_set, number, CONN_HALF);
}

/* How many sets a table has; an old one says so in its first. */
static __always_inline __u32 table_sets(__u32 table)
{
	if (old_state.exists && (table == CONN_OLD_PROVEN || table == CONN_OLD_HALF)) {
		const struct conntrack_set *first = set_at(table, 0);

		return first ? first->sets : 0;
	}
	return table == CONN_PROVEN ? conntrack_sizes.proven : conntrack_sizes.half;
}

#endif
