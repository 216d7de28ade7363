/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs that do nothing but parse a packet and put headers in front of it, by what a map says.
 * For tests/datapath/encap_bpf_test.py only.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/rewrite_encap.h"

/*
 * writes: the tests
 * reads: the programs
 * full: cannot be: the second row is the loader's
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct encap);
} encap_tasks SEC(".maps");

/*
 * writes: the programs, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct encap_header);
} tmp_header SEC(".maps");

static __always_inline struct encap *task(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&encap_tasks, &zero);
}

static __always_inline struct encap_header *header(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_header, &zero);
}

SEC("tc")
int encap_tc(struct __sk_buff *skb)
{
	struct pkt p = { .len = skb->len };
	struct encap *e = task();
	struct encap_header *h = header();

	bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
	struct cursor c = skb_cursor(skb);

	parse_packet(&c, &p);
	if (!e || !h || !rewrite_skb_link(skb, &p))
		return 0;
	int tos = rewrite_skb_hop(skb, &p);

	if (tos < 0 || e->forward == WEIR_FORWARD_L2)
		return tos >= 0;
	e->tos = tos;
	e->hash = encap_hash(&p);
	return rewrite_skb_encap(skb, &p, e, h);
}

SEC("xdp")
int encap_xdp(struct xdp_md *ctx)
{
	struct pkt p = { .len = ctx->data_end - ctx->data };
	struct encap *e = task();
	struct encap_header *h = header();
	struct cursor c = xdp_cursor(ctx);

	parse_packet(&c, &p);
	if (!e || !h || p.l3_offset != LINK_BYTES)
		return 0;
	int tos = rewrite_xdp_hop(ctx, &p);

	if (tos < 0 || e->forward == WEIR_FORWARD_L2)
		return tos >= 0;
	e->tos = tos;
	e->hash = encap_hash(&p);
	return rewrite_xdp_encap(ctx, &p, e, h);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
