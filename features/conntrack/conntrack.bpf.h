/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The conntrack stage, and what comes of it once the packet is judged. A flow that was let in skips
 * the rules while the policy is the same; otherwise they judge it as its initiator would send it,
 * so that one rule serves both directions. docs/design/conntrack.md
 */
#ifndef WEIR_CONNTRACK_BPF_H
#define WEIR_CONNTRACK_BPF_H

#include "../../abi/reason.h"
#include "../../bpf/lib/cookie.h"
#include "../../bpf/lib/count.h"
#include "../../bpf/lib/reject.h"
#include "../../bpf/lib/route.h"
#include "conntrack_help.bpf.h"
#include "conntrack_relay.bpf.h"

/* Ends swapped, direction turned: where the flow's own first packet would meet this interface. */
static __always_inline void pkt_swap(struct pkt *p)
{
	struct weir_addr addr = p->src;
	__be16 port = p->sport;

	p->src = p->dst;
	p->dst = addr;
	p->sport = p->dport;
	p->dport = port;
	p->direction = p->direction == WEIR_INGRESS ? WEIR_EGRESS : WEIR_INGRESS;
}

/* For the rules: as the flow began. */
static __always_inline void pkt_turn(struct pkt *p, bool is_answer)
{
	p->own_flags = p->tcp_flags;
	p->tcp_flags = TCP_SYN;
	p->turned = PKT_TURNED_FLAGS;
	if (is_answer) {
		pkt_swap(p);
		p->turned = PKT_TURNED;
	}
}

static __always_inline void pkt_turn_back(struct pkt *p)
{
	if (p->turned == PKT_TURNED)
		pkt_swap(p);
	if (p->turned)
		p->tcp_flags = p->own_flags;
	p->turned = PKT_AS_SENT;
}

static __always_inline void segment_of(struct conn_work *work, const struct pkt *p)
{
	struct conn_segment *s = &work->segment;

	s->seq = p->tcp_seq;
	/* What a reset carries is no data. */
	s->end = p->tcp_flags & TCP_RST ? p->tcp_seq :
					  p->tcp_seq + p->tcp_bytes + !!(p->tcp_flags & TCP_SYN) +
						  !!(p->tcp_flags & TCP_FIN);
	s->ack = p->tcp_ack;
	s->window = p->tcp_window;
	s->flags = p->tcp_flags;
}

/* What fits no flow may still prove one where cookies are sent (conntrack_begin_shaken()), and an
 * error be about one of a backend's (conntrack_relate_served()). */
static __always_inline bool is_undecided(const struct pkt *p)
{
	return cookie_constants.enabled ||
	       (served_constants.enabled && p->seen & PKT_ICMP && icmp_is_error(p));
}

static __always_inline enum weir_reason conn_is_invalid(struct pkt *p)
{
	p->state = WEIR_CONN_INVALID;
	if (!is_undecided(p) && conn_writes(p))
		conn_count(CONNTRACK_COUNT_INVALID);
	return WEIR_PASS;
}

/* The first packet of a flow, or the first again. */
static __always_inline enum conn_answer flow_begin(struct conn_work *work, const struct pkt *p)
{
	struct conn_tcp *flow = &work->flow;

	*flow = (struct conn_tcp){};
	if (p->seen & PKT_ICMP && p->icmp_type != icmp_request(p))
		return CONN_ANSWER_INVALID;
	if (p->proto == PROTO_SCTP && p->seen & PKT_PORTS)
		return sctp_begin(flow, p, conntrack_constants.picks_up);
	if (!(p->seen & PKT_TCP))
		return p->proto == PROTO_TCP ? CONN_ANSWER_INVALID : CONN_ANSWER_NEW;
	work->segment.side = 0;
	if (!conntrack_constants.checks_windows || served_is_one_way())
		flow->side[0].flags = CONNTRACK_SIDE_LOST;
	return tcp_begin(flow, &work->segment, conntrack_constants.picks_up,
			 conntrack_constants.is_asymmetric || served_is_one_way());
}

__noinline int conn_begin(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!p || !work)
		return WEIR_PASS;
	if (flow_begin(work, p) == CONN_ANSWER_INVALID)
		return conn_is_invalid(p);
	work->flow.marks |= work->side ? CONNTRACK_SECOND : 0;
	work->is_kept = true;
	p->pending = PKT_BEGINS;
	p->state = WEIR_CONN_NEW;
	count_begun(p);
	if (conntrack_constants.helps && conn_is_expected(p)) {
		work->flow.marks |= CONNTRACK_GRANTED;
		p->state = WEIR_CONN_RELATED;
		p->granted = true;
	}
	return WEIR_PASS;
}

/* Of a flow without TCP's marks. */
static __always_inline enum conn_answer plain_judge(struct conn_work *work)
{
	struct conn_tcp *flow = &work->flow;

	if (work->segment.side)
		flow->marks |= CONNTRACK_ANSWERED;
	else if (served_is_one_way())
		flow->marks |= CONNTRACK_ANSWERED | CONNTRACK_AGAIN;
	else if (flow->marks & CONNTRACK_ANSWERED)
		flow->marks |= CONNTRACK_AGAIN;
	return flow->marks & CONNTRACK_ANSWERED ? CONN_ANSWER_ESTABLISHED : CONN_ANSWER_NEW;
}

static __always_inline struct conn_tcp_options options_of(const struct conn_work *work)
{
	/* Packets that were under way when flows began to be fetched are not in the copies. */
	bool may_lack = old_state.exists && work->has_turned;

	return (struct conn_tcp_options){
		.notes_windows = conntrack_constants.checks_windows,
		.checks_windows = conntrack_constants.checks_windows && !may_lack,
		.is_asymmetric = conntrack_constants.is_asymmetric || served_is_one_way(),
		.is_one_way = served_is_one_way(),
	};
}

/* Global, as the next, so that the verifier walks it once, and what comes after it not once for
 * each way through it. */
__noinline int conn_judge_tcp(struct conn_work *work)
{
	if (!work)
		return CONN_ANSWER_INVALID;
	struct conn_tcp_options options = options_of(work);

	return tcp_judge(&work->flow, &work->segment, &options);
}

__noinline int conn_judge_sctp(const struct conntrack_flow *flow, struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!flow || !p || !work)
		return CONN_ANSWER_INVALID;
	struct conn_tcp_options options = options_of(work);

	work->flow.side[0] = flow->side[0];
	work->flow.side[1] = flow->side[1];
	return sctp_judge(&work->flow, p, work->segment.side & 1, &options, &work->has_sides);
}

static __always_inline int flow_judge(struct conn_work *work, const struct conntrack_flow *flow,
				      struct pkt *p)
{
	if (p->seen & PKT_TCP)
		return conn_judge_tcp(work);
	/* Of a later fragment there is nothing to see. */
	if (p->proto == PROTO_TCP || (p->proto == PROTO_SCTP && !p->l4_offset))
		return tcp_stands(&work->flow, &work->segment);
	return p->proto == PROTO_SCTP ? conn_judge_sctp(flow, p) : plain_judge(work);
}

/* Let in before, by this policy, and at this place: the rules need not be asked. */
static __always_inline bool flow_is_let_in(const struct conntrack_flow *flow, const struct pkt *p,
					   __u32 side)
{
	__u64 let_in = *(volatile __u64 *)&flow->let_in;

	return let_in >> 32 == p->generation &&
	       (__u16)(let_in >> let_in_shift(p, side)) == let_in_place(p);
}

/* Both sides' numbers are another cache line: those who open, close, move or check windows read it.
 */
static __always_inline bool sides_matter(const struct conn_work *work, const struct pkt *p)
{
	__u32 opened = CONNTRACK_SYN_ACKED * CONNTRACK_BOTH, fins = CONNTRACK_FIN * CONNTRACK_BOTH;

	return p->seen & PKT_TCP &&
	       (conntrack_constants.checks_windows || table_is_half(work->table) ||
		p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST) ||
		(work->word & (opened | fins)) != opened);
}

#define CONN_HAS_LEFT -1

/* A packet of a flow that is there; CONN_HAS_LEFT: where it was found it is no more. */
__noinline int conn_go_on(struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!p || !work || !flow)
		return WEIR_PASS;
	work->word = *(volatile __u32 *)&flow->word;
	if (!(work->word & CONNTRACK_LIVE))
		return CONN_HAS_LEFT;
	work->flow.marks = work->word & CONNTRACK_MARKS;
	work->has_sides = sides_matter(work, p);
	if (work->has_sides) {
		work->flow.side[0] = flow->side[0];
		work->flow.side[1] = flow->side[1];
	}
	if (p->tcp_flags & (TCP_SYN | TCP_RST))
		work->flow.again = flow->again;
	work->segment.side = work->side != !!(work->word & CONNTRACK_SECOND);
	if (conn_relays(work))
		conn_relay_look(p);
	int answer = flow_judge(work, flow, p);

	if (conn_relays(work))
		conn_relay_note(p, answer);
	if (answer == CONN_ANSWER_ANEW) {
		work->is_over = true;
		return conn_begin(p);
	}
	if (answer == CONN_ANSWER_INVALID)
		return conn_is_invalid(p);
	p->state = answer;
	if (work->word & CONNTRACK_MARKED && is_of_policy(flow, p)) {
		p->mark = flow->mark;
		p->has_mark = true;
	}
	if (answer == CONN_ANSWER_ESTABLISHED && flow_is_let_in(flow, p, work->segment.side)) {
		if (conn_writes(p))
			flow_keep(flow, p, work);
		return WEIR_PASS_ESTABLISHED;
	}
	work->is_kept = true;
	p->pending = PKT_CHANGES;
	p->granted = !!(work->word & CONNTRACK_GRANTED);
	if (p->granted && answer == CONN_ANSWER_NEW)
		p->state = WEIR_CONN_RELATED; /* at the next hook it meets */
	pkt_turn(p, work->segment.side);
	return WEIR_PASS;
}

/* It may have left the half-open ones, or the old table, just when it was looked for there, and
 * have been among the others since. A SYN comes before the first. */
static __always_inline bool conn_has_moved(const struct pkt *p, struct conn_work *work)
{
	return (old_state.exists || !(p->tcp_flags & TCP_SYN)) && conn_catch(work);
}

static __always_inline bool conn_search(const struct pkt *p, struct conn_work *work)
{
	return conn_find_or_fetch(p, work) || conn_has_moved(p, work);
}

/* A seam: before Linux 6.2, conn_judge() has no stack to spare. Of a flow that was picked up, the
 * first answer seen here is not the first. */
__noinline int conn_owner_note(const struct conntrack_flow *flow)
{
	return flow &&
	       served_own(flow->backend, flow->word & (CONNTRACK_ANSWERED | CONNTRACK_PICKED_UP));
}

static __always_inline bool conn_is_owned(const struct conn_work *work)
{
	const struct conntrack_flow *flow = flow_at(work->table, work->index);

	return flow && conn_owner_note(flow);
}

/* A packet that bears a backend's address, among the flows of its service. 0: it has none there,
 * and is as it was. */
static __always_inline int conn_search_turned(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!p || !work || !served_turn(p))
		return 0;
	if (key_of(work, p) && conn_search(p, work) && conn_is_owned(work))
		return 1;
	served_turn_back(p);
	return 0;
}

__noinline int conn_judge(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!p || !work)
		return WEIR_PASS;
	bool is_turned = served_constants.enabled && conn_search_turned(p);

	if (!is_turned && !key_of(work, p))
		return WEIR_PASS;
	if (p->seen & PKT_TCP)
		segment_of(work, p);
	bool has_flow = is_turned || conn_search(p, work);

	if (served_constants.enabled && !is_turned && served_is_early(p, has_flow))
		return WEIR_DROP_EARLY;
	if (!has_flow)
		return conn_begin(p);
	if (served_constants.enabled && !is_turned)
		conn_is_owned(work);
	int reason = conn_go_on(p);

	if (reason == CONN_HAS_LEFT && conn_catch(work))
		reason = conn_go_on(p);
	if (old_state.exists && reason == CONN_HAS_LEFT && conn_catch(work))
		reason = conn_go_on(p); /* from an old table it has gone on to the proven ones */
	return reason == CONN_HAS_LEFT ? conn_begin(p) : reason;
}

/* An ICMP error about a flow passes where no rule speaks. */
__noinline int conn_relate(struct pkt *p, int has_key)
{
	struct conn_work *work = conn_work();

	if (!p || !work)
		return WEIR_PASS;
	if (!has_key || !(conn_find_or_fetch(p, work) || conn_catch(work)))
		return conn_is_invalid(p);
	p->state = WEIR_CONN_RELATED;
	p->granted = true;
	if (served_constants.enabled)
		conn_is_owned(work);
	if (cookie_constants.relays)
		conn_relay_quote(p);
	if (conn_writes(p))
		conn_count(CONNTRACK_COUNT_RELATED);
	return WEIR_PASS;
}

/* One a kind of context, like those of the sanity stage. */
__noinline int conn_embedded_xdp(struct xdp_md *ctx, struct pkt *p)
{
	struct pkt *inner = p ? embedded_new(p) : NULL;

	return p && inner && parse_embedded_xdp(ctx, inner, p) && embedded_key(inner, p);
}

__noinline int conn_embedded_tc(struct __sk_buff *skb, struct pkt *p)
{
	struct pkt *inner = p ? embedded_new(p) : NULL;

	return p && inner && parse_embedded_skb(skb, inner, p) && embedded_key(inner, p);
}

__noinline int conn_scale_xdp(struct xdp_md *ctx, struct pkt *p)
{
	return p ? parse_window_scale_xdp(ctx, p) : -1;
}

__noinline int conn_scale_tc(struct __sk_buff *skb, struct pkt *p)
{
	return p ? parse_window_scale_skb(skb, p) : -1;
}

__noinline int conn_chunk_xdp(struct xdp_md *ctx, struct pkt *p)
{
	if (p)
		parse_chunk_xdp(ctx, p);
	return 0;
}

__noinline int conn_chunk_tc(struct __sk_buff *skb, struct pkt *p)
{
	if (p)
		parse_chunk_skb(skb, p);
	return 0;
}

static __always_inline enum weir_reason conn_run(struct pkt *p, void *ctx, enum hook hook)
{
	struct conn_work *work = conn_work();

	if (!work)
		return WEIR_PASS;
	work->is_kept = work->is_over = work->is_added = work->is_refreshed = false;
	if (p->seen & PKT_ICMP && icmp_is_error(p))
		return conn_relate(p, hook == HOOK_XDP ? conn_embedded_xdp(ctx, p) :
							 conn_embedded_tc(ctx, p));
	if (p->seen & PKT_TCP && p->tcp_flags & TCP_SYN) {
		work->segment.scale =
			hook == HOOK_XDP ? conn_scale_xdp(ctx, p) : conn_scale_tc(ctx, p);
		if (cookie_constants.relays && hook == HOOK_TC_OUT && p->tcp_flags & TCP_ACK)
			reject_told_skb(ctx, p);
	}
	if (p->proto == PROTO_SCTP && p->l4_offset)
		hook == HOOK_XDP ? conn_chunk_xdp(ctx, p) : conn_chunk_tc(ctx, p);
	return conn_judge(p);
}

/* Behind XDP, which has judged the packet: what it left to be done to a relayed one. */
__noinline int conntrack_relayed(struct __sk_buff *skb, struct pkt *p)
{
	if (!cookie_constants.relays || !p)
		return 0;
	if (!(p->seen & PKT_ICMP))
		conn_relay_again(p);
	else if (icmp_is_error(p) && conn_embedded_tc(skb, p))
		conn_relay_quote_again(p);
	return p->relay;
}

/* Later fragments get the ports of their first, by which they are known from here on. */
static __always_inline enum weir_reason conntrack_fragment_stage(struct pkt *p)
{
	if (!conntrack_constants.enabled || !(p->seen & PKT_FRAGMENT) || !conn_fragment(p))
		return WEIR_PASS;
	if (conn_writes(p))
		conn_count(CONNTRACK_COUNT_EARLY);
	return WEIR_PASS_FRAGMENT;
}

static __always_inline enum weir_reason conntrack_stage(struct pkt *p, void *ctx, enum hook hook)
{
	return conntrack_constants.enabled ? conn_run(p, ctx, hook) : WEIR_PASS;
}

/* Where no rule spoke: what belongs to a flow that was let in passes. */
static __always_inline enum weir_reason conntrack_granted(const struct pkt *p)
{
	if (!conntrack_constants.enabled || !p->granted)
		return WEIR_PASS;
	return p->state == WEIR_CONN_RELATED ? WEIR_PASS_RELATED : WEIR_PASS_ESTABLISHED;
}

/* The packet is judged: only what passes begins a flow, or changes it. */
static __always_inline void conntrack_settle(struct pkt *p, bool passes)
{
	pkt_turn_back(p);
	if (passes)
		conn_settle(p);
	if (passes && conntrack_constants.helps && p->state == WEIR_CONN_RELATED)
		expected_settle(p);
}

static __always_inline bool conntrack_is_pending(const struct pkt *p)
{
	return conntrack_constants.enabled && p->pending;
}

/* What passes on a connection with a helper is told. */
static __always_inline void conntrack_help(struct pkt *p, void *ctx, enum hook hook, bool passes)
{
	if (conntrack_constants.helps && passes && p->state != WEIR_CONN_UNTRACKED)
		conn_help(p, ctx, hook);
}

#endif
