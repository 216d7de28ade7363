/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Looking for a flow that has left the place where it was found. */
#ifndef WEIR_CONNTRACK_FOLLOW_BPF_H
#define WEIR_CONNTRACK_FOLLOW_BPF_H

#include "conntrack_table.bpf.h"

/* Looks for a flow where it may have gone to: from the half-open ones to the proven, from the old
 * tables to the new. */
static __always_inline bool conn_look_again(struct conn_work *work)
{
	__u8 in_old = work->in_old;

	if (!old_state.exists)
		return conn_find(work);
	work->in_old = false;
	/* Twice: it may move on to the proven ones behind the first look. */
	if (conn_find(work) || conn_find(work))
		return true;
	work->in_old = in_old;
	return in_old && conn_find(work);
}

/* A seam of it. */
__noinline int conn_catch(struct conn_work *work)
{
	return work && conn_look_again(work);
}

/* 1: the flow has left its place since it was found, and is known again by where it is now; 0: it
 * is gone, or its ends have begun another. */
__noinline int conn_follow(struct conn_work *work)
{
	const struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;
	__u32 born = flow ? flow->born : 0;

	if (!work || !conn_look_again(work))
		return 0;
	flow = flow_at(work->table, work->index);
	return flow && flow->born == born;
}

#endif
