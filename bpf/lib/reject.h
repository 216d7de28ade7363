/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whether a rejected packet is answered, and the answer: between the pipeline, which only says that
 * it should be, and the hooks, which send it. Where no rule rejects, nothing of this runs.
 */
#ifndef WEIR_BPF_REJECT_H
#define WEIR_BPF_REJECT_H

#include "../../abi/reason.h"
#include "../../abi/reject.h"
#include "answer.h"
#include "clock.h"
#include "cookie.h"
#include "rewrite.h"

#define NS_PER_SECOND 1000000000ULL

const volatile struct weir_reject_constants reject_constants = {
	.enabled = 0,
	.per_second = 1000,
	.burst = 100,
};

/*
 * writes: the data path, each CPU its own: the time up to which its answers are paid for, ns
 * reads: the data path
 * full: cannot be: one entry; over the rate, packets end as drop_reject_capped
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} tmp_reject SEC(".maps");

/*
 * A bucket of `burst` answers, filled at `per_second`, kept as one number (GCRA, ITU-T I.371): each
 * answer pays for 1/per_second of time, and no more than the burst may be paid for ahead. The clock
 * goes in ticks, so fewer than a tick's worth in the bucket would let out less than the rate. A
 * nested program on the same CPU may have one answer too many or too few sent: it is a rate cap.
 */
static __always_inline bool reject_admit(void)
{
	__u32 zero = 0;
	__u64 *paid_ns = bpf_map_lookup_elem(&tmp_reject, &zero);

	if (!paid_ns || !reject_constants.per_second)
		return false;
	__u64 answer_ns = NS_PER_SECOND / reject_constants.per_second, now = clock_ns();
	__u64 paid = *paid_ns > now ? *paid_ns : now;

	if (paid - now + answer_ns > answer_ns * reject_constants.burst)
		return false;
	*paid_ns = paid + answer_ns;
	return true;
}

/* A seam of its own: what is rejected is the slow path. Leaves p->reject set when there is an
 * answer to send, and gives the reason the packet ends with. */
__noinline int reject_judge(struct pkt *p, __u32 reason)
{
	if (!p)
		return reason;
	if (!answer_is_due(p)) {
		p->reject = WEIR_REJECT_NONE;
		return reason;
	}
	if (reject_admit())
		return reason;
	p->reject = WEIR_REJECT_NONE;
	return WEIR_DROP_REJECT_CAPPED;
}

static __always_inline bool answers_are_sent(void)
{
	return reject_constants.enabled;
}

/* The reason a packet ends with, once its answer is decided on. Not for probes: they use up
 * nobody's answers. */
static __always_inline __u32 reject_settle(struct pkt *p, __u32 reason)
{
	if (!answers_are_sent())
		return reason;
	if (reason == WEIR_DROP_REJECT || reason == WEIR_DROP_NO_BACKEND)
		return reject_judge(p, reason);
	if (reason != WEIR_PASS_SYN_ANSWERED)
		p->reject = WEIR_REJECT_NONE;
	return reason;
}

/* For the hooks, once the pipeline is done. */
static __always_inline bool reject_is_wanted(const struct pkt *p)
{
	return answers_are_sent() && p->reject && !p->probe;
}

__noinline int reject_make(const struct pkt *p, struct answer *a)
{
	return p && a && answer_make(p, a);
}

/*
 * Scratch, and not on the stack, of which a packet's functions have 512 bytes together. One a CPU
 * is enough: the programs run with softirqs off, so none begins before another of the same CPU
 * ended.
 *
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct answer);
} tmp_answer SEC(".maps");

static __always_inline struct answer *answer_new(void)
{
	__u32 zero = 0;
	struct answer *a = bpf_map_lookup_elem(&tmp_answer, &zero);

	if (a)
		*a = (struct answer){};
	return a;
}

/* The answer to a SYN was made when it was decided on: where it cannot be, the SYN goes its way. */
static __always_inline const struct answer *answer_made(const struct pkt *p)
{
	__u32 zero = 0;

	if (!cookie_constants.enabled || p->reject != WEIR_REJECT_SYN_ACK)
		return NULL;
	return bpf_map_lookup_elem(&tmp_answer, &zero);
}

/* What the options of a packet say, into cookie_work(); nothing, where they cannot be read. */
__noinline int reject_told_skb(struct __sk_buff *skb, const struct pkt *p)
{
	struct cookie_work *work = cookie_work();
	struct answer *a = answer_new();

	if (work)
		work->told = (struct tcp_told){};
	return p && a && work && rewrite_skb_take(skb, p, a) && cookie_read_told(p, a, &work->told);
}

/* The answer to a SYN, left in tmp_answer. In line, for want of stack. */
static __always_inline bool reject_make_syn_xdp(struct xdp_md *ctx, const struct pkt *p)
{
	struct answer *a = answer_new();

	return p && a && rewrite_xdp_take(ctx, p, a) && cookie_answer(p, a);
}

static __always_inline bool reject_make_syn_skb(struct __sk_buff *skb, const struct pkt *p)
{
	struct answer *a = answer_new();

	return p && a && rewrite_skb_take(skb, p, a) && cookie_answer(p, a);
}

/* 1: the packet is its own answer now, and on its way back wherever the hook sends it. */
__noinline int reject_xdp(struct xdp_md *ctx, const struct pkt *p)
{
	const struct answer *made = p ? answer_made(p) : NULL;

	if (made)
		return rewrite_xdp_put(ctx, p, made);
	struct answer *a = answer_new();

	return p && a && rewrite_xdp_take(ctx, p, a) && reject_make(p, a) &&
	       rewrite_xdp_put(ctx, p, a);
}

__noinline int reject_skb(struct __sk_buff *skb, const struct pkt *p)
{
	const struct answer *made = p ? answer_made(p) : NULL;

	if (made)
		return rewrite_skb_put(skb, p, made);
	struct answer *a = answer_new();

	return p && a && rewrite_skb_take(skb, p, a) && reject_make(p, a) &&
	       rewrite_skb_put(skb, p, a);
}

#endif
