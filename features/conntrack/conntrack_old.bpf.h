/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Tables of before a reload: a flow that is not found is looked for there, and brought over by its
 * own packet. Nothing of this is in a program that has no such tables.
 */
#ifndef WEIR_CONNTRACK_OLD_BPF_H
#define WEIR_CONNTRACK_OLD_BPF_H

#include "conntrack_keep.bpf.h"

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

__noinline int conn_look_old_proven(struct conn_work *work, __u32 number)
{
	const struct conntrack_set *set = bpf_map_lookup_elem(&st_old_flow_set, &number);

	return work ? flow_set_look(work, &st_old_flow, set, number) : -1;
}

__noinline int conn_look_old_half(struct conn_work *work, __u32 number)
{
	const struct conntrack_set *set = bpf_map_lookup_elem(&st_old_half_set, &number);

	return work ? flow_set_look(work, &st_old_half, set, number) : -1;
}

/* Takes the flow as it was into work, and puts it where it belongs now. */
static __always_inline bool old_bring(struct conn_work *work, const struct conntrack_flow *old)
{
	work->flow.marks = old->word & CONNTRACK_MARKS & ~CONNTRACK_MOVING;
	work->flow.side[0] = old->side[0];
	work->flow.side[1] = old->side[1];
	int index = conn_place_proven(work);

	if (index < 0 || !proven_write(work, old, index))
		return false;
	work->index = index;
	work->table = CONN_PROVEN;
	conn_count(CONNTRACK_COUNT_MOVED);
	return true;
}

static __always_inline bool old_bring_half(struct conn_work *work, const struct conntrack_flow *old)
{
	work->flow.marks = old->word & CONNTRACK_MARKS & ~CONNTRACK_MOVING;
	work->flow.side[0] = old->side[0];
	work->flow.side[1] = old->side[1];
	int index = conn_place_half(work);

	if (index < 0 || !half_write(work, old, index))
		return false;
	work->index = index;
	work->table = CONN_HALF;
	conn_count(CONNTRACK_COUNT_MOVED);
	return true;
}

/* 1: the flow was there, and is here now. */
__noinline int conn_fetch(struct conn_work *work)
{
	__u32 zero = 0;
	const struct conntrack_shared *shared = bpf_map_lookup_elem(&cfg_conntrack, &zero);

	if (!work || !shared)
		return 0;
	int index = conn_look_old_proven(work, conntrack_first_set(work->hash, shared->old_proven));

	if (index < 0)
		index = conn_look_old_proven(work,
					     conntrack_second_set(work->hash, shared->old_proven));
	if (index >= 0) {
		const struct conntrack_flow *old = bpf_map_lookup_elem(&st_old_flow, &index);

		return old && old_bring(work, old);
	}
	index = conn_look_old_half(work, conntrack_first_set(work->hash, shared->old_half));
	const struct conntrack_flow *old =
		index < 0 ? NULL : bpf_map_lookup_elem(&st_old_half, &index);

	return old && old_bring_half(work, old);
}

/* The flow of work->key, wherever it is. */
static __always_inline bool conn_find_or_fetch(const struct pkt *p, struct conn_work *work)
{
	if (conn_find(work))
		return true;
	return old_state.exists && conn_writes(p) && conn_fetch(work);
}

#endif
