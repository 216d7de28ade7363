/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs that do nothing but parse a packet and translate it, by what a map says. For
 * tests/datapath/nat_*_test.py only.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/rewrite_microflow.h"
#include "bpf/lib/rewrite_nat.h"
#include "bpf/lib/rewrite_onward.h"

enum nat_what {
	NAT_NOTHING, /* it is parsed, for comparison */
	NAT_PACKET,
	NAT_ERROR,	/* what an ICMP error holds, and the error itself */
	NAT_ERROR_HELD, /* what it holds alone */
};

struct nat_task {
	struct nat_change outer, embedded;
	struct weir_addr of; /* live programs: only packets whose end is this */
	__u64 what;
};

/*
 * writes: the tests
 * reads: the programs
 * full: cannot be: the second row is for the way back, or the other end
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct nat_task);
} nat_tasks SEC(".maps");

/*
 * writes: the programs, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pkt);
} tmp_inner SEC(".maps");

static __always_inline struct nat_task *task(__u32 row)
{
	return bpf_map_lookup_elem(&nat_tasks, &row);
}

static __always_inline struct pkt *inner_new(void)
{
	__u32 zero = 0;
	struct pkt *inner = bpf_map_lookup_elem(&tmp_inner, &zero);

	if (inner)
		__builtin_memset(inner, 0, sizeof(*inner));
	return inner;
}

static __always_inline int translate_skb(struct __sk_buff *skb, const struct pkt *p, __u32 row)
{
	const struct nat_task *t = task(row);

	if (!t || t->what == NAT_NOTHING)
		return NAT_FAILED;
	if (t->what == NAT_PACKET)
		return rewrite_skb_nat(skb, p, &t->outer);
	return rewrite_skb_nat_quote(skb, p, inner_new(), t->what == NAT_ERROR ? &t->outer : NULL,
				     &t->embedded);
}

static __always_inline int translate_xdp(struct xdp_md *ctx, const struct pkt *p, __u32 row)
{
	const struct nat_task *t = task(row);

	if (!t || t->what == NAT_NOTHING)
		return NAT_FAILED;
	if (t->what == NAT_PACKET)
		return rewrite_xdp_nat(ctx, p, &t->outer);
	return rewrite_xdp_nat_quote(ctx, p, inner_new(), t->what == NAT_ERROR ? &t->outer : NULL,
				     &t->embedded);
}

#define HEADER_BYTES 256

static __always_inline void parse_skb(struct __sk_buff *skb, struct pkt *p)
{
	__u32 wanted = skb->len < HEADER_BYTES ? skb->len : HEADER_BYTES;

	if ((__u32)(skb->data_end - skb->data) < wanted)
		bpf_skb_pull_data(skb, wanted);
	if (skb->vlan_present)
		p->seen = PKT_VLAN;
	struct cursor c = skb_cursor(skb);

	parse_packet(&c, p);
}

SEC("tc")
int nat_tc(struct __sk_buff *skb)
{
	struct pkt p = { .len = skb->len };

	parse_skb(skb, &p);
	return translate_skb(skb, &p, 0);
}

SEC("tc")
int nat_tc_both(struct __sk_buff *skb)
{
	struct pkt p = { .len = skb->len };

	parse_skb(skb, &p);
	translate_skb(skb, &p, 0);
	return translate_skb(skb, &p, 1);
}

#define NEXT_LINK                                        \
	{                                                \
		2, 0, 0, 0, 0x77, 1, 2, 0, 0, 0, 0x77, 2 \
	}

SEC("tc")
int onward_tc(struct __sk_buff *skb)
{
	struct pkt p = { .len = skb->len };
	const struct nat_task *t = task(0);

	parse_skb(skb, &p);
	if (!t || t->what == NAT_NOTHING || !shortcut_may(&p))
		return NAT_FAILED;
	struct served_end end = { .addr = t->outer.to, .port = t->outer.to_port };
	struct route_way way = { .link = NEXT_LINK };

	return rewrite_skb_onward(skb, &p, t->outer.is_source ? &end : NULL,
				  t->outer.is_source ? NULL : &end, &way) ?
		       NAT_DONE :
		       NAT_FAILED;
}

/* The first task's end, and the second's, in one step. */
SEC("tc")
int onward_tc_both(struct __sk_buff *skb)
{
	struct pkt p = { .len = skb->len };
	const struct nat_task *destination = task(0), *source = task(1);

	parse_skb(skb, &p);
	if (!destination || !source || !shortcut_may(&p))
		return NAT_FAILED;
	struct served_end to = { .addr = destination->outer.to,
				 .port = destination->outer.to_port };
	struct served_end from = { .addr = source->outer.to, .port = source->outer.to_port };
	struct route_way way = { .link = NEXT_LINK };

	return rewrite_skb_onward(skb, &p, &from, &to, &way) ? NAT_DONE : NAT_FAILED;
}

SEC("xdp")
int nat_xdp(struct xdp_md *ctx)
{
	struct cursor c = xdp_cursor(ctx);
	struct pkt p = { .len = ctx->data_end - ctx->data };

	parse_packet(&c, &p);
	return translate_xdp(ctx, &p, 0);
}

SEC("xdp")
int nat_xdp_both(struct xdp_md *ctx)
{
	struct cursor c = xdp_cursor(ctx);
	struct pkt p = { .len = ctx->data_end - ctx->data };

	parse_packet(&c, &p);
	translate_xdp(ctx, &p, 0);
	return translate_xdp(ctx, &p, 1);
}

/* Sent on in two steps: the end, and then what a router changes. */
SEC("xdp")
int onward_xdp(struct xdp_md *ctx)
{
	struct cursor c = xdp_cursor(ctx);
	struct pkt p = { .len = ctx->data_end - ctx->data };
	struct route_way way = { .link = NEXT_LINK };

	parse_packet(&c, &p);
	return translate_xdp(ctx, &p, 0) == NAT_DONE && shortcut_put(ctx, &p, &way) ? NAT_DONE :
										      NAT_FAILED;
}

/* … as the one before, which was an IPv4 datagram. */
SEC("xdp")
int microflow_xdp(struct xdp_md *ctx)
{
	const struct nat_task *t = task(0);
	struct microflow flow = { .way = { .link = NEXT_LINK } };

	if (!t)
		return NAT_FAILED;
	flow.to = t->outer.to.be32[3];
	flow.to_port = t->outer.to_port;
	return microflow_put(ctx, &flow, NULL) ? NAT_DONE : NAT_FAILED;
}

static __always_inline bool is_same(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->be64[0] == b->be64[0] && a->be64[1] == b->be64[1];
}

#define LIVE_NEXT (-1)
#define LIVE_DROP 2

/* Unreachable, of either version. */
static __always_inline bool is_error(const struct pkt *p)
{
	return p->seen & PKT_ICMP && p->icmp_type == (p->seen & PKT_IPV4 ? 3 : 1);
}

/* Neighbour discovery is the router's own. */
static __always_inline int live(struct __sk_buff *skb, __u32 row)
{
	struct pkt p = { .len = skb->len };
	const struct nat_task *t = task(row);

	parse_skb(skb, &p);
	if (!t || !(p.seen & PKT_IP) || p.seen & PKT_NEIGHBOUR ||
	    !is_same(t->outer.is_source ? &p.src : &p.dst, &t->of))
		return LIVE_NEXT;
	int end = is_error(&p) ?
			  rewrite_skb_nat_quote(skb, &p, inner_new(), &t->outer, &t->embedded) :
			  rewrite_skb_nat(skb, &p, &t->outer);

	return end == NAT_DONE ? LIVE_NEXT : LIVE_DROP;
}

SEC("tc")
int nat_live(struct __sk_buff *skb)
{
	return live(skb, 0);
}

SEC("tc")
int nat_live_back(struct __sk_buff *skb)
{
	return live(skb, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
