/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SYNs that may pass are answered with a cookie in the listener's place, and nothing is kept of
 * them. Who acknowledges the cookie is handed to the listener. docs/design/synproxy.md
 */
#ifndef WEIR_SYNPROXY_BPF_H
#define WEIR_SYNPROXY_BPF_H

#include "../../abi/reason.h"
#include "../../bpf/lib/cookie.h"
#include "../../bpf/lib/generation.h"
#include "../../bpf/lib/kfunc.h"
#include "../../bpf/lib/probe.h"
#include "../../bpf/lib/reject.h"
#include "../../bpf/lib/route.h"
#include "synproxy.h"

const volatile struct synproxy_constants synproxy_constants = {};

/*
 * writes: the data path
 * reads: the data path, features/synproxy/synproxy.c
 * full: cannot be: a row a service
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SYNPROXY_SERVICES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct synproxy_state);
} st_synproxy SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/synproxy/synproxy.c
 * full: cannot be: a row a counter
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SYNPROXY_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ctr_synproxy SEC(".maps");

static __always_inline void synproxy_count(const struct pkt *p, enum synproxy_counter counter)
{
	__u32 row = counter;
	__u64 *count = bpf_map_lookup_elem(&ctr_synproxy, &row);

	if (count && !p->probe)
		++*count;
}

/* Without a branch a span or a prefix, as limits are: the sign says it. */
static __always_inline __u64 service_has_port(const struct synproxy_service *service, __u64 port)
{
	__u64 inside = 0;

#pragma clang loop unroll(full)
	for (int i = 0; i < SYNPROXY_SPANS; i++)
		inside |= ~((port - service->port[i].from) | (service->port[i].to - port));
	return inside;
}

static __always_inline __u64 destination_is(const struct synproxy_destination *to,
					    const struct weir_addr *addr)
{
	__u64 other = ((addr->be64[0] ^ to->addr.be64[0]) & to->mask.be64[0]) |
		      ((addr->be64[1] ^ to->addr.be64[1]) & to->mask.be64[1]);

	return ~(other | -other);
}

/* Whether the service that begins at this near line is about the packet. */
__noinline int synproxy_is_of(const struct pkt *p, __u32 line)
{
	const struct synproxy_service *service = p ? near_at(line) : NULL;
	const struct synproxy_destination *a = near_at(line + 1), *b = near_at(line + 2);

	if (!p || !service || !a || !b)
		return 0;
	__u64 found = destination_is(&a[0], &p->dst) | destination_is(&a[1], &p->dst) |
		      destination_is(&b[0], &p->dst) | destination_is(&b[1], &p->dst);

	return (service_has_port(service, be16(p->dport)) & found) >> 63;
}

static __always_inline __u32 synproxy_first_line(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);
	__u32 first = head ? head->header.first_line[WEIR_SECTION_SYNPROXY] : 0;

	return first ? near_lines(p) + first : 0;
}

/* The number of the service a packet is for, or -1. */
__noinline int synproxy_find(const struct pkt *p)
{
	__u32 first = p ? synproxy_first_line(p) : 0;

	if (!first)
		return -1;
	LOOP_ROLLED
	for (__u32 i = 0; i < SYNPROXY_SERVICES_MAX && i < synproxy_constants.services; i++)
		if (synproxy_is_of(p, first + i * SYNPROXY_LINES_EACH))
			return i;
	return -1;
}

/*
 * A SYN more in its window; the SYN that makes it as many as it takes sets the time up to which
 * they are answered. So it ends by itself, whether or not anybody comes, and one word is all there
 * is to know. Two processors may both begin a window: then some SYNs of it are not counted.
 */
static __always_inline void state_count(struct synproxy_state *state,
					const struct synproxy_service *service, __u64 now)
{
	__u64 window = now >> SYNPROXY_WINDOW_SHIFT, seen = *(volatile __u64 *)&state->window;

	if (seen != window && __sync_val_compare_and_swap(&state->window, seen, window) == seen)
		*(volatile __u64 *)&state->count = 0;
	__u64 count = __sync_fetch_and_add(&state->count, 1) + 1;

	if (count == service->on || (count == service->off && now < state->on_until_ns))
		*(volatile __u64 *)&state->on_until_ns = now + service->hold_ns;
}

enum synproxy_phase {
	SYNPROXY_OFF,
	SYNPROXY_DRAINING, /* the last cookies are still under way */
	SYNPROXY_ON,
};

__noinline int synproxy_phase(const struct pkt *p, __u32 number)
{
	__u32 first = p ? synproxy_first_line(p) : 0;
	const struct synproxy_service *service =
		first ? near_at(first + number * SYNPROXY_LINES_EACH) : NULL;
	struct synproxy_state *state = bpf_map_lookup_elem(&st_synproxy, &number);

	if (!service || !state)
		return SYNPROXY_OFF;
	if (!service->on)
		return SYNPROXY_ON;
	__u64 now = clock_ns();

	if (p->tcp_flags & TCP_SYN && !p->probe)
		state_count(state, service, now);
	__u64 until = *(volatile __u64 *)&state->on_until_ns;

	if (!until || now >= until + SYNPROXY_COOKIE_NS)
		return SYNPROXY_OFF;
	return now < until ? SYNPROXY_ON : SYNPROXY_DRAINING;
}

static __always_inline __u32 synproxy_tuple(const struct pkt *p, struct bpf_sock_tuple *tuple)
{
	if (p->seen & PKT_IPV4) {
		tuple->ipv4.saddr = p->src.be32[3];
		tuple->ipv4.daddr = p->dst.be32[3];
		tuple->ipv4.sport = p->sport;
		tuple->ipv4.dport = p->dport;
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, &p->src, sizeof(p->src));
	__builtin_memcpy(tuple->ipv6.daddr, &p->dst, sizeof(p->dst));
	tuple->ipv6.sport = p->sport;
	tuple->ipv6.dport = p->dport;
	return sizeof(tuple->ipv6);
}

static __always_inline struct bpf_sock *synproxy_socket(void *ctx, const struct pkt *p)
{
	struct bpf_sock_tuple tuple = {};

	if (synproxy_tuple(p, &tuple) == sizeof(tuple.ipv4))
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

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
	return listens && suits && route_is_local(ctx, p);
}

__noinline int synproxy_listens_xdp(struct xdp_md *ctx, const struct pkt *p)
{
	return synproxy_constants.services && p && synproxy_listens(ctx, p);
}

__noinline int synproxy_listens_tc(struct __sk_buff *skb, const struct pkt *p)
{
	return synproxy_constants.services && p && synproxy_listens(skb, p);
}

static __always_inline bool synproxy_has_listener(void *ctx, const struct pkt *p, enum hook hook)
{
	return hook == HOOK_XDP ? synproxy_listens_xdp(ctx, p) : synproxy_listens_tc(ctx, p);
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

/* A listener would have it. */
static __always_inline enum weir_reason synproxy_judge(struct pkt *p, void *ctx, enum hook hook,
						       int phase)
{
	int kind = cookie_check(p);

	if (kind == COOKIE_OURS)
		p->shaken = hook == HOOK_XDP ? synproxy_told_xdp(ctx, p) : synproxy_told_tc(ctx, p);
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

	if (phase == SYNPROXY_OFF || !synproxy_has_listener(ctx, p, hook))
		return WEIR_PASS;
	return synproxy_judge(p, ctx, hook, phase);
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

/* WEIR_PASS: the SYN goes its way, as it does where no answer can be made. */
static __always_inline int synproxy_answer(struct pkt *p, void *ctx, enum hook hook)
{
	if (!synproxy_constants.services || !synproxy_is_about(p))
		return WEIR_PASS;
	int number = synproxy_find(p);

	if (number < 0 || synproxy_phase(p, number) != SYNPROXY_ON ||
	    !synproxy_has_listener(ctx, p, hook))
		return WEIR_PASS;
	p->reject = WEIR_REJECT_SYN_ACK;
	if (!answer_is_due(p)) { /* from a group, or nowhere: nobody is there to prove himself */
		synproxy_count(p, SYNPROXY_REFUSED);
		return WEIR_DROP_COOKIE;
	}
	if (!synproxy_makes_answer(p, ctx, hook)) {
		p->reject = WEIR_REJECT_NONE;
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

/* As the kernel has it since Linux 6.9 (include/net/tcp.h). */
struct bpf_tcp_req_attrs {
	__u32 rcv_tsval, rcv_tsecr;
	__u16 mss;
	__u8 rcv_wscale, snd_wscale;
	__u8 ecn_ok, wscale_ok, sack_ok, tstamp_ok, usec_ts_ok;
	__u8 reserved[3];
};

static __always_inline void synproxy_attributes(const struct cookie_work *work,
						struct bpf_tcp_req_attrs *attributes)
{
	const struct tcp_told *told = &work->told;
	bool scales = told->scale != WEIR_COOKIE_NO_SCALE;

	*attributes = (struct bpf_tcp_req_attrs){
		.rcv_tsval = told->stamp,
		.rcv_tsecr = told->echo,
		.mss = told->mss,
		.rcv_wscale = scales ? cookie_constants.scale : 0,
		.snd_wscale = scales ? told->scale : 0,
		.wscale_ok = scales,
		.sack_ok = told->sack,
		.tstamp_ok = told->time,
	};
}

/* The kernel makes the connection of it when it comes to the listener, as it does of its own
 * cookies. Where it refuses, the packet is one of no connection, and its sender is told so. */
__noinline int synproxy_hand_over(struct __sk_buff *skb, const struct pkt *p)
{
	const struct cookie_work *work = cookie_work();
	struct bpf_tcp_req_attrs attributes;
	long result = -1;

	if (!synproxy_constants.services || !p || !work)
		return 0;
	struct bpf_sock *sk = synproxy_socket(skb, p);

	if (!sk)
		return 0;
	if (sk->state == BPF_TCP_LISTEN) {
		void *listener = bpf_skc_to_tcp_sock(sk);

		synproxy_attributes(work, &attributes);
		if (listener)
			result = kfunc_sk_assign_tcp_reqsk(skb, listener, &attributes,
							   sizeof(attributes));
	}
	bpf_sk_release(sk);
	synproxy_count(p, result ? SYNPROXY_FAILED : SYNPROXY_HANDED);
	return 0;
}

#endif
