/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Around a reload: once no packet works in the program before, a flow that is not found is looked
 * for in the old tables, and brought over by its own packet. Nothing of this is in a program that
 * has no such tables.
 */
#ifndef WEIR_CONNTRACK_OLD_BPF_H
#define WEIR_CONNTRACK_OLD_BPF_H

#include "conntrack_keep.bpf.h"

/* Takes the flow as it was into work, and finds it a place as if it were new. */
static __always_inline void old_take(struct conn_work *work, const struct conntrack_flow *old)
{
	work->flow.marks = old->word & CONNTRACK_MARKS & ~CONNTRACK_MOVING;
	work->flow.side[0] = old->side[0];
	work->flow.side[1] = old->side[1];
	if (!conntrack_constants.checks_windows)
		work->flow.side[0].flags |= CONNTRACK_SIDE_LOST;
}

static __always_inline bool old_bring(struct conn_work *work, const struct conntrack_flow *old,
				      bool is_proven)
{
	old_take(work, old);
	/* It has its place already, and was counted when it could not get one. */
	work->word = old->word;
	work->is_weak = false;
	if (!(is_proven ? proven_write(work, old) : half_write(work, old)))
		return false;
	conn_count(CONNTRACK_COUNT_MOVED);
	return true;
}

/*
 * 1: the flow was there, and is here now. Whoever puts the mark MOVING on it brings it over, alone,
 * or it would be here twice. Who comes while that is done, or finds no place, works with it where
 * it was, and follows it once it has gone (conn_follow()); settling takes along the rest. A table
 * that kept its size is its own old one: what is found there came since it was looked for, and
 * stays.
 */
__noinline int conn_fetch(struct conn_work *work)
{
	if (!work)
		return 0;
	int index = proven_look(work, CONN_OLD_PROVEN);
	bool is_proven = index >= 0;

	if (index < 0)
		index = half_look(work, CONN_OLD_HALF);
	__u32 table = is_proven ? CONN_OLD_PROVEN : CONN_OLD_HALF;
	struct conntrack_flow *old = index < 0 ? NULL : flow_at(table, index);

	if (!old)
		return 0;
	if (old == flow_at(is_proven ? CONN_PROVEN : CONN_HALF, index))
		return conn_find(work);
	__u32 word = *(volatile __u32 *)&old->word, moving = word | CONNTRACK_MOVING;

	/* Without LIVE it has left since it was found: nothing is there to be brought over. */
	if ((word & (CONNTRACK_MOVING | CONNTRACK_LIVE)) == CONNTRACK_LIVE &&
	    __sync_val_compare_and_swap(&old->word, word, moving) == word) {
		if (old_bring(work, old, is_proven)) {
			/* Whoever looks there once more must not find what it was. */
			tag_put(table, index, 0);
			sums_move(work, table, index, moving);
			conn_leave(flow_at(is_proven ? CONN_PROVEN : CONN_HALF, work->index), old,
				   moving);
			return 1;
		}
		__sync_val_compare_and_swap(&old->word, moving, word);
	} else if (conn_find(work)) {
		return 1;
	}
	work->in_old = true;
	work->table = table;
	work->index = index;
	return 1;
}

/* The flow of work->key, wherever it is. */
static __always_inline bool conn_find_or_fetch(const struct pkt *p, struct conn_work *work)
{
	if (conn_find(work))
		return true;
	return old_state.exists && !work->in_old && conn_writes(p) && conn_fetch(work);
}

#endif
