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
}

static __always_inline bool proven_fetch(struct conn_work *work, const struct conntrack_flow *old)
{
	old_take(work, old);
	int index = conn_place_proven(work);

	if (index < 0 || !proven_write(work, old, index))
		return false;
	work->index = index;
	work->table = CONN_PROVEN;
	return true;
}

static __always_inline bool half_fetch(struct conn_work *work, const struct conntrack_flow *old)
{
	old_take(work, old);
	int index = conn_place_half(work);

	if (index < 0 || !half_write(work, old, index))
		return false;
	work->index = index;
	work->table = CONN_HALF;
	return true;
}

/* 1: the flow was there, and is here now. */
__noinline int conn_fetch(struct conn_work *work)
{
	if (!work)
		return 0;
	int index = proven_look(work, CONN_OLD_PROVEN);
	bool is_proven = index >= 0;

	if (index < 0)
		index = half_look(work, CONN_OLD_HALF);
	const struct conntrack_flow *old =
		index < 0 ? NULL : flow_at(is_proven ? CONN_OLD_PROVEN : CONN_OLD_HALF, index);

	if (!old || !(is_proven ? proven_fetch(work, old) : half_fetch(work, old)))
		return 0;
	conn_count(CONNTRACK_COUNT_MOVED);
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
