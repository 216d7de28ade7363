/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The path of a packet, one line a stage. Read this first.
 *
 *   entry (xdp.h, tc.h) -> parse -> this -> count, tell -> verdict
 *
 * A stage returns WEIR_PASS for "next" or the reason the packet ends with. It reads fields of
 * struct pkt, never bytes.
 */
#ifndef WEIR_BPF_PIPELINE_H
#define WEIR_BPF_PIPELINE_H

#include "../abi/reason.h"
#include "lib/alarm.h"
#include "lib/count.h"
#include "lib/emit.h"
#include "lib/generation.h"
#include "lib/probe.h"
#include "lib/reject.h"
#include "lib/remote.h"

#include "../features/attack/attack.bpf.h"
#include "../features/balance/balance_about.bpf.h"
#include "../features/balance/balance_check.bpf.h"
#include "../features/balance/balance_direct.bpf.h"
#include "../features/balance/balance_forward.bpf.h"
#include "../features/balance/balance_microflow.bpf.h"
#include "../features/balance/balance_nat.bpf.h"
#include "../features/balance/balance_onward.bpf.h"
#include "../features/balance/balance_shortcut.bpf.h"
#include "../features/block/block.bpf.h"
#include "../features/conntrack/conntrack_account.bpf.h"
#include "../features/conntrack/conntrack_hold.bpf.h"
#include "../features/conntrack/conntrack_served.bpf.h"
#include "../features/conntrack/conntrack_shaken.bpf.h"
#include "../features/limit/limit.bpf.h"
#include "../features/rules/rules.bpf.h"
#include "../features/sanity/sanity.bpf.h"
#include "../features/synproxy/synproxy_hand.bpf.h"
#include "../features/synproxy/synproxy_relay.bpf.h"

static __always_inline bool reason_is_drop(__u32 reason)
{
#define X(identifier, verdict, stage, name, help) REASON_##verdict(identifier)
#define REASON_PASS(identifier)
#define REASON_DROP(identifier) | 1ULL << identifier
	return (0ULL WEIR_REASONS(X)) >> (reason & 63) & 1;
#undef REASON_DROP
#undef REASON_PASS
#undef X
}

/* The end of the path, where nothing spoke. */
static __always_inline enum weir_reason default_policy(const struct pkt *p)
{
	return conntrack_granted(p) ?: rules_default(p);
}

/* Neither lists nor rules can be asked about a packet without addresses. */
static __always_inline enum weir_reason not_ip(struct pkt *p)
{
	if (p->seen & PKT_ARP)
		return WEIR_PASS_ARP;
	if (!(p->seen & PKT_MALFORMED))
		return WEIR_PASS_NOT_IP;
	return default_policy(p);
}

/* An error about a packet to a backend, or from one, belongs to the flow of its service. */
static __always_inline enum weir_reason served_stage(struct pkt *p, enum hook hook)
{
	if (served_constants.enabled && conntrack_is_error(p)) {
		balance_look_error(hook);
		conntrack_relate_served(p);
	}
	return WEIR_PASS;
}

/* Of what conntrack knows no flow of, some prove a connection that nothing was kept of. */
static __always_inline enum weir_reason proof_stage(struct pkt *p, void *ctx, enum hook hook)
{
	if (!cookie_constants.enabled)
		return WEIR_PASS;
	enum weir_reason reason = synproxy_stage(p, ctx, hook);

	conntrack_begin_shaken(p);
	return reason;
}

static __always_inline enum weir_reason pipeline_stages(struct pkt *p, void *ctx, enum hook hook)
{
	if (p->seen & PKT_TOO_DEEP)
		return WEIR_DROP_TOO_DEEP;
	if (!(p->seen & PKT_IP) && p->seen & PKT_UNREADABLE)
		return WEIR_DROP_UNREADABLE;
	if (served_constants.checks && balance_check_look(p, hook == HOOK_TC_OUT))
		return WEIR_PASS_CHECK;
	generation_read(p);
	enum weir_reason reason = sanity_stage(p);

	if (reason)
		return reason;
	if (!(p->seen & PKT_IP))
		return not_ip(p);
	if (p->seen & PKT_NEIGHBOUR)
		return WEIR_PASS_NEIGHBOUR;
	if (end_classify(p, END_REMOTE))
		return WEIR_PASS_NO_POLICY;

	/* One line a stage, in order: the first that gives a reason ends the packet. */
	/* clang-format off */
	return block_stage(p) ?:
	       source_stage(p, ctx, hook) ?:
	       limit_stage(p) ?:
	       conntrack_fragment_stage(p) ?:
	       balance_look_stage(p, hook) ?:
	       conntrack_stage(p, ctx, hook) ?:
	       served_stage(p, hook) ?:
	       proof_stage(p, ctx, hook) ?:
	       limit_begin_stage(p) ?:
	       rules_stage(p) ?:
	       default_policy(p);
	/* clang-format on */
}

/* A SYN that may pass, in whose place an answer goes back. */
static __always_inline enum weir_reason answer_stage(struct pkt *p, void *ctx, enum hook hook,
						     enum weir_reason reason)
{
	if (!synproxy_constants.services || reason_is_drop(reason))
		return reason;
	enum weir_reason other = synproxy_answers(p, ctx, hook);

	if (!other)
		return reason;
	conntrack_forget_answered(p);
	return other;
}

static __always_inline bool is_handed(const struct pkt *p, enum weir_reason reason)
{
	return cookie_constants.hands && p->shaken == PKT_SHAKEN_HERE && !p->probe &&
	       !reason_is_drop(reason);
}

/* What comes of the flow of a packet that is judged, and of a SYN. Seams, for those few packets
 * that begin a flow or change one: the verifier walks it once for each program. */
__noinline int settle_xdp(struct xdp_md *ctx, struct pkt *p, __u32 judged)
{
	if (!p)
		return judged;
	enum weir_reason reason = answer_stage(p, ctx, HOOK_XDP, judged);

	if (p->pending)
		conntrack_settle(p, !reason_is_drop(reason));
	if (is_handed(p, reason))
		rewrite_xdp_mark(ctx, p, proof_mark());
	return reason;
}

__noinline int settle_tc(struct __sk_buff *skb, struct pkt *p, __u32 judged, __u32 hook)
{
	if (!p)
		return judged;
	enum weir_reason reason =
		hook == HOOK_TC_IN ? answer_stage(p, skb, HOOK_TC_IN, judged) : judged;

	if (p->pending)
		conntrack_settle(p, !reason_is_drop(reason));
	if (is_handed(p, reason))
		synproxy_hand_over(skb, p);
	return reason;
}

/* Counts a packet that has ended or, for a probe, tells about it. True: drop it, or send the answer
 * to it (reject_is_wanted()). */
static __always_inline bool pipeline_end(struct pkt *p, __u32 reason)
{
	bool drop = reason_is_drop(reason);

	if (p->probe) {
		probe_tell(p, reason);
		return drop;
	}
	reason = reject_settle(p, reason);
	count_reason(p, reason);
	count_hit(p);
	if (drop)
		emit_event(p, WEIR_EVENT_DROP, reason);
	return drop;
}

/* What is dropped that no stage but one has seen. */
__noinline int pipeline_dropped(struct pkt *p, __u32 reason)
{
	if (!p)
		return 0;
	conntrack_account(p, NULL, HOOK_XDP, reason, true);
	return pipeline_end(p, reason);
}

/* What lists and limits have against a packet where it would be sent on to: a reason, or 0. They
 * see what stands on the wire there, and so does *p from here on. */
__noinline int pipeline_holds_back(struct pkt *p)
{
	const struct served *served = served_work();

	if (!served_sends_on() || !p || !served)
		return 0;
	served_put_end(p, &served->backend, served->kind == SERVED_FROM_BACKEND);
	p->direction = WEIR_EGRESS;
	p->ifindex = served->way.ifindex;
	p->iface_slot = iface_slot(p->ifindex);
	p->allowed = false;
	p->hit = 0;
	enum weir_reason reason = end_classify(p, END_REMOTE) ? WEIR_PASS :
				  block_stage(p)	      ?:
								limit_stage(p);

	if (!reason)
		count_hit(p);
	return reason;
}

/* What Weir sends itself, or has sent on, which is judged no more. No flow gets the latter again.
 */
static __always_inline void pipeline_told(struct pkt *p, struct __sk_buff *skb, __u32 reason)
{
	conntrack_account(p, skb, p->direction == WEIR_EGRESS ? HOOK_TC_OUT : HOOK_TC_IN,
			  reason == WEIR_PASS_ESTABLISHED ? WEIR_PASS_DIRECT : reason, false);
	pipeline_end(p, reason);
}

/* Before anything counts it or remembers: a fragment ahead of its first, without whose ports nobody
 * knows which backend it is for. True: it is held, and comes again. */
static __always_inline bool pipeline_holds(struct pkt *p, void *ctx, enum hook hook)
{
	if (!served_constants.enabled || !conntrack_constants.enabled ||
	    !(p->seen & PKT_LATER_FRAGMENT) || p->probe || !balance_is_about(p))
		return false;
	return hook == HOOK_XDP ? served_constants.behind_xdp && conn_hold_xdp(ctx, p) :
				  conn_hold_tc(ctx, p);
}

/* Judges a parsed packet of a known interface. True: drop it. */
static __always_inline bool pipeline_run(struct pkt *p, void *ctx, enum hook hook)
{
	attack_note(p, hook);
	served_begin();
	enum weir_reason reason = pipeline_stages(p, ctx, hook);

	if (served_constants.enabled && !reason_is_drop(reason)) {
		conntrack_note_time();
		conntrack_note_end(p);
		conntrack_note_refresh(p);
		reason = balance_stage(p, hook, reason);
		conntrack_own(p);
		served_note_reason(reason);
	}
	if (conntrack_is_pending(p))
		reason = hook == HOOK_XDP ? settle_xdp(ctx, p, reason) :
					    settle_tc(ctx, p, reason, hook);
	conntrack_help(p, ctx, hook, !reason_is_drop(reason));
	conntrack_account(p, ctx, hook, reason, reason_is_drop(reason));
	return pipeline_end(p, reason);
}

#endif
