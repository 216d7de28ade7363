/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* By which policy, rule and interface a flow was let in, and what is not written for those who only
 * ask. */
#ifndef WEIR_CONNTRACK_LET_IN_BPF_H
#define WEIR_CONNTRACK_LET_IN_BPF_H

#include "../../bpf/lib/cookie.h"
#include "../../bpf/lib/served.h"
#include "../../bpf/lib/probe.h"
#include "conntrack_key.bpf.h"

/* A probe only asks, but for those of a private copy. */
static __always_inline bool conn_writes(const struct pkt *p)
{
	return !p->probe || probe_constants.learns;
}

/*
 * Where a flow was let in: by which interface its initiator's packets arrive, and by which they
 * leave; an answer stands for the other. Fifteen bits of the interface's index each: of one with a
 * higher index every packet is judged by the rules.
 */
static __always_inline __u32 let_in_shift(const struct pkt *p, __u32 side)
{
	return (p->direction == WEIR_INGRESS) != side ? CONNTRACK_PLACE_IN : CONNTRACK_PLACE_OUT;
}

static __always_inline __u16 let_in_place(const struct pkt *p)
{
	return p->ifindex > CONNTRACK_PLACE_INDEX ? CONNTRACK_PLACE_NONE :
						    p->ifindex | CONNTRACK_PLACE;
}

/* One store: a packet judged by another policy at the same time at worst has the rules asked once
 * more. */
static __always_inline void let_in_note(struct conntrack_flow *flow, const struct pkt *p,
					__u32 side)
{
	__u64 old = *(volatile __u64 *)&flow->let_in;
	__u32 shift = let_in_shift(p, side);
	__u64 places = old >> 32 == p->generation ? old & 0xffffffff : 0;

	if (let_in_place(p) != CONNTRACK_PLACE_NONE)
		places = (places & ~(0xffffULL << shift)) | (__u64)let_in_place(p) << shift;
	*(volatile __u64 *)&flow->let_in = (__u64)p->generation << 32 | places;
}

/* What the flow has of a rule, it has by the policy that judges this packet. */
static __always_inline bool is_of_policy(const struct conntrack_flow *flow, const struct pkt *p)
{
	return *(volatile __u64 *)&flow->let_in >> 32 == p->generation;
}

static __always_inline void flow_note(struct conntrack_flow *flow, const struct pkt *p, __u32 side)
{
	/* Judged as new just before the answer was seen elsewhere: the mark that the answer got
	 * stays, or all that skip the rules from now on would bear this one. */
	bool is_late = p->state == WEIR_CONN_NEW && flow->word & CONNTRACK_ANSWERED;

	if (p->has_mark && !is_late)
		flow->mark = p->mark;
	if (p->state == WEIR_CONN_INVALID || p->briefly)
		return;
	__u16 rule = p->rule ?: p->allowed ? CONNTRACK_RULE_ALLOWED : 0;

	if (p->rule || !flow->rule || !is_of_policy(flow, p))
		flow->rule = rule;
	let_in_note(flow, p, side);
}

#endif
