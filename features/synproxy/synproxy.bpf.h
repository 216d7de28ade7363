/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SYNs that may pass are answered with a cookie in the listener's place, and nothing is kept of
 * them. Who acknowledges the cookie is handed to the listener. docs/design/synproxy.md
 */
#ifndef WEIR_SYNPROXY_BPF_H
#define WEIR_SYNPROXY_BPF_H

#include "../../abi/reason.h"
#include "../../bpf/lib/cookie.h"
#include "../../bpf/lib/probe.h"
#include "../../bpf/lib/reject.h"
#include "../../bpf/lib/relay_work.h"
#include "../../bpf/lib/route.h"
#include "synproxy_service.bpf.h"

/* Whether a listener would get it: neither a connection, nor one that is being made, nor nobody. */
static __always_inline bool synproxy_listens(void *ctx, const struct pkt *p)
{
	struct bpf_sock *sk = synproxy_socket(ctx, p);

	if (!sk)
		return false;
	bool listens = sk->state == BPF_TCP_LISTEN, suits = !bpf_skc_to_mptcp_sock(sk);

	bpf_sk_release(sk);
	if (listens && !suits && p->tcp_flags & TCP_SYN)
		synproxy_count(p, SYNPROXY_UNSUITED);
	return listens && suits;
}

/*
 * How a connection of this service would come about, as enum pkt_shaken. One that is relayed must
 * leave by the interface it came by, or its way back would not be seen; and behind XDP a program
 * must stand that can write.
 */
static __always_inline int synproxy_way(void *ctx, const struct pkt *p, __u32 number,
					bool may_relay)
{
	enum route_place place = route_place(ctx, p);
	__u32 where = synproxy_where(p, number);

	may_relay = may_relay && cookie_constants.relays;
	if (place == ROUTE_HERE && where & SYNPROXY_HERE && synproxy_listens(ctx, p))
		return cookie_constants.hands ? PKT_SHAKEN_HERE :
		       may_relay	      ? PKT_SHAKEN_RELAY :
						PKT_NOT_SHAKEN;
	if (!may_relay || place != ROUTE_AWAY || !(where & SYNPROXY_BEHIND))
		return PKT_NOT_SHAKEN;
	if (route_back(ctx, p) == (int)p->ifindex)
		return PKT_SHAKEN_RELAY;
	if (p->tcp_flags & TCP_SYN)
		synproxy_count(p, SYNPROXY_UNSUITED);
	return PKT_NOT_SHAKEN;
}

__noinline int synproxy_way_xdp(struct xdp_md *ctx, const struct pkt *p, __u32 number)
{
	return synproxy_constants.services && p ?
		       synproxy_way(ctx, p, number, cookie_constants.behind_xdp) :
		       PKT_NOT_SHAKEN;
}

__noinline int synproxy_way_tc(struct __sk_buff *skb, const struct pkt *p, __u32 number)
{
	return synproxy_constants.services && p ? synproxy_way(skb, p, number, true) :
						  PKT_NOT_SHAKEN;
}

static __always_inline int synproxy_way_of(void *ctx, const struct pkt *p, __u32 number,
					   enum hook hook)
{
	return hook == HOOK_XDP ? synproxy_way_xdp(ctx, p, number) :
				  synproxy_way_tc(ctx, p, number);
}

/* Of every namespace. What a host says to itself is no attack, and would meet its own answers. */
#define LOOPBACK_IFINDEX 1

/*
 * Whether it is a whole TCP segment with these flags of SYN, ACK and RST, as it was sent. One
 * comparison: the verifier walks each branch with all that comes before. A capture that is replayed
 * was not meant for the listeners there are.
 */
static __always_inline bool synproxy_looks_at(const struct pkt *p, __u32 flags)
{
	__u32 as_begun = -(__u32)(p->turned & PKT_TURNED_FLAGS);
	__u32 own = p->tcp_flags ^ ((p->tcp_flags ^ p->own_flags) & as_begun);
	__u32 odd = (own ^ flags) & (TCP_SYN | TCP_ACK | TCP_RST);

	odd |= (p->seen ^ PKT_TCP) & (PKT_TCP | PKT_FRAGMENT | PKT_MALFORMED | PKT_MPLS);
	odd |= p->turned & PKT_TURNED;
	return !odd;
}

static __always_inline bool synproxy_is_about(const struct pkt *p)
{
	return p->ifindex != LOOPBACK_IFINDEX && !(p->probe && probe_constants.learns);
}

/* What the acknowledgement says of options, which its cookie has no room for. */
__noinline int synproxy_told_xdp(struct xdp_md *ctx, const struct pkt *p)
{
	struct answer *a = answer_new();

	return p && a && rewrite_xdp_take(ctx, p, a) && cookie_told(p, a);
}

__noinline int synproxy_told_tc(struct __sk_buff *skb, const struct pkt *p)
{
	struct answer *a = answer_new();

	return p && a && rewrite_skb_take(skb, p, a) && cookie_told(p, a);
}

static __always_inline bool synproxy_told(void *ctx, const struct pkt *p, enum hook hook)
{
	return hook == HOOK_XDP ? synproxy_told_xdp(ctx, p) : synproxy_told_tc(ctx, p);
}

/* A client whose server refused, and who has not heard of it, asks with the number before that
 * which proved it. */
static __always_inline void synproxy_take_first(struct pkt *p)
{
	const struct relay_work *relay = relay_work();

	if (cookie_constants.relays && relay && p->relay == PKT_RELAY_ASKS)
		p->tcp_seq = relay->first;
}

/* It would reach somebody, the way that is given. */
static __always_inline enum weir_reason synproxy_judge(struct pkt *p, void *ctx, enum hook hook,
						       int phase, int way)
{
	synproxy_take_first(p);
	int kind = cookie_check(p);

	if (kind == COOKIE_OURS && synproxy_told(ctx, p, hook))
		p->shaken = way;
	if (p->shaken)
		synproxy_count(p, SYNPROXY_PROVEN);
	else if (kind == COOKIE_KERNELS)
		synproxy_count(p, SYNPROXY_KERNELS);
	else if (phase == SYNPROXY_ON) {
		synproxy_count(p, SYNPROXY_REFUSED);
		return WEIR_DROP_COOKIE;
	}
	return WEIR_PASS;
}

static __always_inline int synproxy_prove(struct pkt *p, void *ctx, enum hook hook)
{
	if (!synproxy_constants.services || !synproxy_is_about(p))
		return WEIR_PASS;
	int number = synproxy_find(p);
	int phase = number < 0 ? SYNPROXY_OFF : synproxy_phase(p, number);

	int way = phase == SYNPROXY_OFF ? PKT_NOT_SHAKEN : synproxy_way_of(ctx, p, number, hook);

	if (way == PKT_NOT_SHAKEN)
		return WEIR_PASS;
	return synproxy_judge(p, ctx, hook, phase, way);
}

__noinline int synproxy_prove_xdp(struct xdp_md *ctx, struct pkt *p)
{
	return p ? synproxy_prove(p, ctx, HOOK_XDP) : WEIR_PASS;
}

__noinline int synproxy_prove_tc(struct __sk_buff *skb, struct pkt *p)
{
	return p ? synproxy_prove(p, skb, HOOK_TC_IN) : WEIR_PASS;
}

/* A packet that belongs to no flow, or does not fit the one it has: does it acknowledge a cookie?
 * Behind conntrack, ahead of the rules, which judge it as they judged the SYN. */
static __always_inline enum weir_reason synproxy_stage(struct pkt *p, void *ctx, enum hook hook)
{
	if (hook == HOOK_TC_OUT || !synproxy_looks_at(p, TCP_ACK) || p->turned)
		return WEIR_PASS;
	return hook == HOOK_XDP ? synproxy_prove_xdp(ctx, p) : synproxy_prove_tc(ctx, p);
}

static __always_inline bool synproxy_makes_answer(const struct pkt *p, void *ctx, enum hook hook)
{
	return hook == HOOK_XDP ? reject_make_syn_xdp(ctx, p) : reject_make_syn_skb(ctx, p);
}

/* Where a connection is relayed, the client must wait for the server: it gets no room yet. And one
 * that is established ends by its server's word, not by a SYN that anybody can send. */
static __always_inline bool synproxy_may_answer(const struct pkt *p, int way)
{
	struct cookie_work *work = cookie_work();

	if (!work || (way == PKT_SHAKEN_RELAY && p->state == WEIR_CONN_ESTABLISHED))
		return false;
	work->answer.is_closed = way == PKT_SHAKEN_RELAY;
	return true;
}

/* WEIR_PASS: the SYN goes its way, as it does where no answer can be made. */
static __always_inline int synproxy_answer(struct pkt *p, void *ctx, enum hook hook)
{
	if (!synproxy_constants.services || !synproxy_is_about(p))
		return WEIR_PASS;
	int number = synproxy_find(p);

	if (number < 0 || synproxy_phase(p, number) != SYNPROXY_ON)
		return WEIR_PASS;
	int way = synproxy_way_of(ctx, p, number, hook);

	if (way == PKT_NOT_SHAKEN || !synproxy_may_answer(p, way))
		return WEIR_PASS;
	p->reject = WEIR_REJECT_SYN_ACK;
	if (!answer_is_due(p)) { /* from a group, or nowhere: nobody is there to prove himself */
		synproxy_count(p, SYNPROXY_REFUSED);
		return WEIR_DROP_COOKIE;
	}
	if (!synproxy_makes_answer(p, ctx, hook)) {
		p->reject = WEIR_REJECT_NONE;
		synproxy_count(p, SYNPROXY_UNSUITED);
		return WEIR_PASS;
	}
	synproxy_count(p, SYNPROXY_ANSWERED);
	return WEIR_PASS_SYN_ANSWERED;
}

__noinline int synproxy_answer_xdp(struct xdp_md *ctx, struct pkt *p)
{
	return p ? synproxy_answer(p, ctx, HOOK_XDP) : WEIR_PASS;
}

__noinline int synproxy_answer_tc(struct __sk_buff *skb, struct pkt *p)
{
	return p ? synproxy_answer(p, skb, HOOK_TC_IN) : WEIR_PASS;
}

/* A SYN that may pass: what becomes of it in place of that, if anything. */
static __always_inline enum weir_reason synproxy_answers(struct pkt *p, void *ctx, enum hook hook)
{
	if (hook == HOOK_TC_OUT || !synproxy_looks_at(p, TCP_SYN))
		return WEIR_PASS;
	return hook == HOOK_XDP ? synproxy_answer_xdp(ctx, p) : synproxy_answer_tc(ctx, p);
}

#endif
