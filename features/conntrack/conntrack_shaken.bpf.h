/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Flows that begin with the acknowledgement of a cookie, since nothing was kept of their SYNs. */
#ifndef WEIR_CONNTRACK_SHAKEN_BPF_H
#define WEIR_CONNTRACK_SHAKEN_BPF_H

#include "../../bpf/lib/cookie.h"
#include "conntrack.bpf.h"

/* The SYN that a cookie answered, and the answer, of which nothing was kept. */
static __always_inline void syn_of(struct conn_segment *s, const struct pkt *p, int scale)
{
	*s = (struct conn_segment){
		.seq = p->tcp_seq - 1,
		.end = p->tcp_seq,
		.window = p->tcp_window,
		.scale = scale,
		.flags = TCP_SYN,
	};
}

static __always_inline void syn_ack_of(struct conn_segment *s, const struct pkt *p, int scale)
{
	*s = (struct conn_segment){
		.seq = p->tcp_ack - 1,
		.end = p->tcp_ack,
		.ack = p->tcp_seq,
		.window = ANSWER_SYN_WINDOW,
		.scale = scale,
		.flags = TCP_SYN | TCP_ACK,
		.side = 1,
	};
}

/*
 * The packet has shown that its sender got the answer to its SYN: the flow is what it would be had
 * both been seen, and rules judge it as they judge a SYN. What was found there is forgotten: no
 * socket knows of it.
 */
__noinline int conn_begin_shaken(struct pkt *p)
{
	struct conn_work *work = conn_work();
	const struct cookie_work *cookie = cookie_work();

	if (!cookie_constants.enabled || !p || !work || !cookie)
		return 0;
	bool scales = cookie->told.scale != WEIR_COOKIE_NO_SCALE;

	syn_of(&work->segment, p, scales ? cookie->told.scale : -1);
	if (flow_begin(work, p) != CONN_ANSWER_NEW)
		return 0;
	syn_ack_of(&work->segment, p, scales ? cookie_constants.scale : -1);
	conn_judge_tcp(work);
	segment_of(work, p);
	work->segment.side = 0;
	conn_judge_tcp(work);
	work->flow.marks |= work->side ? CONNTRACK_SECOND : 0;
	work->is_over = work->table != CONN_NOWHERE;
	work->is_kept = true;
	p->pending = PKT_BEGINS;
	pkt_turn_back(p);
	p->state = WEIR_CONN_NEW;
	p->granted = false;
	pkt_turn(p, false);
	return 0;
}

static __always_inline void conntrack_begin_shaken(struct pkt *p)
{
	if (conntrack_constants.enabled && cookie_constants.enabled && p->shaken)
		conn_begin_shaken(p);
}

/* A SYN that a cookie answers leaves nothing behind; and a listener would have had it, so a flow
 * that was there is no socket's any more. */
__noinline int conn_forget_answered(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!cookie_constants.enabled || !p || !work || !conn_writes(p))
		return 0;
	if (p->pending)
		pkt_turn_back(p);
	p->pending = PKT_CHANGES_NOTHING;
	if (work->table != CONN_NOWHERE)
		flow_forget(work);
	if (old_state.exists && work->has_turned)
		conn_forget_old(work);
	return 0;
}

static __always_inline void conntrack_forget_answered(struct pkt *p)
{
	if (conntrack_constants.enabled && p->state != WEIR_CONN_UNTRACKED)
		conn_forget_answered(p);
}

#endif
