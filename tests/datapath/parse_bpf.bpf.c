/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The parser alone, loaded as a hook would load it: parses one packet and leaves struct pkt in the
 * map `out`. For tests/datapath/parse_bpf_test.c only.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf/lib/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Written by the programs below, read by the test after each run; one row, so it is never full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pkt);
} out SEC(".maps");

static __always_inline void pkt_publish(const struct pkt *p)
{
	__u32 zero = 0;

	bpf_map_update_elem(&out, &zero, p, BPF_ANY);
}

SEC("xdp")
int parse_xdp(struct xdp_md *ctx)
{
	struct cursor c = cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	struct pkt p = {};

	p.len = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	parse_packet(&c, &p);
	pkt_publish(&p);
	return XDP_PASS;
}

SEC("tc")
int parse_tc(struct __sk_buff *skb)
{
	struct cursor c = cursor_init((void *)(long)skb->data, (void *)(long)skb->data_end);
	struct pkt p = {};

	p.len = skb->len;
	parse_packet(&c, &p);
	pkt_publish(&p);
	return 0;
}

/* As on a device without link headers; the test gives the EtherType in skb->mark, which prog-run
 * lets it set. */
SEC("tc")
int parse_tc_ip(struct __sk_buff *skb)
{
	struct cursor c = cursor_init((void *)(long)skb->data, (void *)(long)skb->data_end);
	struct pkt p = {};

	p.len = skb->len;
	parse_ip(&c, &p, skb->mark);
	pkt_publish(&p);
	return 0;
}

/* For timing: nothing after the parse but a fold that keeps the compiler from leaving it out. */
SEC("xdp")
int parse_only(struct xdp_md *ctx)
{
	struct cursor c = cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	struct pkt p = {};

	p.len = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	parse_packet(&c, &p);
	return p.seen & PKT_TOO_DEEP ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int parse_nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}
