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

/* Judged as the SYN it stands for, whatever flow it was found to have. */
static __always_inline void conn_begin_as_syn(struct pkt *p, struct conn_work *work)
{
	work->is_over = work->table != CONN_NOWHERE;
	work->is_kept = true;
	p->pending = PKT_BEGINS;
	pkt_turn_back(p);
	p->state = WEIR_CONN_NEW;
	p->granted = false;
	pkt_turn(p, false);
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
	conn_begin_as_syn(p, work);
	return 0;
}

/*
 * The same where the server is still to be asked: the packet becomes the SYN that its sender would
 * have sent it, and the flow is what it is with that.
 */
__noinline int conn_begin_relayed(struct pkt *p)
{
	struct conn_work *work = conn_work();
	const struct cookie_work *cookie = cookie_work();
	struct relay_work *relay = relay_work();

	if (!cookie_constants.relays || !p || !work || !cookie || !relay)
		return 0;
	bool scales = cookie->told.scale != WEIR_COOKIE_NO_SCALE;
	__u32 window = (__u32)p->tcp_window << (scales ? cookie->told.scale & 15 : 0);

	syn_of(&work->segment, p, scales ? cookie->told.scale : -1);
	work->segment.window = window < 0xffff ? window : 0xffff;
	if (flow_begin(work, p) != CONN_ANSWER_NEW)
		return 0;
	work->flow.marks |= CONNTRACK_RELAYED | (work->side ? CONNTRACK_SECOND : 0);
	relay_shift_put(work->flow.side, 1 - p->tcp_ack);
	work->flow.side[1].scale = scales ? cookie_constants.scale << CONNTRACK_TOLD_SHIFT : 0;
	work->flow.again.max_end = cookie->told.echo;
	work->flow.again.relay = p->ifindex;
	relay->first = p->tcp_seq;
	p->relay = PKT_RELAY_SYN;
	conn_begin_as_syn(p, work);
	return 0;
}

/* What proves nothing is counted only now, where it may have. */
static __always_inline void conntrack_begin_shaken(struct pkt *p)
{
	if (!conntrack_constants.enabled || !cookie_constants.enabled)
		return;
	if (!p->shaken && p->state == WEIR_CONN_INVALID && conn_writes(p))
		conn_count(CONNTRACK_COUNT_INVALID);
	if (p->shaken == PKT_SHAKEN_HERE)
		conn_begin_shaken(p);
	if (cookie_constants.relays && p->shaken == PKT_SHAKEN_RELAY)
		conn_begin_relayed(p);
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
	/* A relayed one that is not over has been proven: only another proof begins it anew. */
	if (work->table != CONN_NOWHERE && (work->is_over || !conn_relays(work)))
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
