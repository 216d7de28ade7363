/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The steps of the flow tables one by one, for tests/datapath/conntrack_bpf.c: the frame says which
 * flow, the verdict is what the step gives.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "features/conntrack/conntrack_account.bpf.h"
#include "tests/datapath/conntrack_ask.bpf.h"

static __always_inline struct conn_work *work_of(struct xdp_md *ctx)
{
	struct conntrack_question *question = (void *)(long)ctx->data;
	struct conn_work *work = conn_work();

	if (!work || (void *)(question + 1) > (void *)(long)ctx->data_end)
		return NULL;
	*work = (struct conn_work){
		.key = question->key,
		.now = CONNTRACK_QUESTION_NOW,
		.word = question->found,
		.flow.marks = question->marks,
		.table = CONN_HALF,
		.has_turned = true,
	};
	work->hash = conntrack_hash(&work->key, 0);
	return work;
}

/* The table the flow is in then (enum conn_table) and its place there. */
SEC("xdp")
int fetch(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);

	if (work)
		work->is_weak = true; /* so the packet before left it */
	return work && conn_fetch(work) ? (int)(work->table << 16 | work->index) : -1;
}

SEC("xdp")
int claim_half(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);

	return work ? conn_claim_half(work) : -2;
}

SEC("xdp")
int claim_proven(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);

	return work ? conn_claim_proven(work) : -2;
}

/* Of the flow at the first place of the half-open table. */
SEC("xdp")
int prove(struct xdp_md *ctx)
{
	struct pkt p = {};

	return work_of(ctx) ? conn_prove(&p) : -2;
}

/* The same flow, by a packet that found it there. */
SEC("xdp")
int mark(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);

	return work ? conn_mark(work) : -2;
}

/* And the table and place of the flow then. */
SEC("xdp")
int prove_where(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);
	struct pkt p = {};

	return work && conn_prove(&p) ? (int)(work->table << 16 | work->index) : -1;
}

/* A first packet that was expected passes. 1: it is expected no more. */
SEC("xdp")
int begin_expected(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);
	struct pkt p = {
		.proto = PROTO_TCP,
		.seen = PKT_PORTS,
		.state = WEIR_CONN_RELATED,
		.pending = true,
	};
	struct conntrack_expectation key = expectation_of(&p);
	__u32 ends = ~0u;

	if (!work || bpf_map_update_elem(&set_expect, &key, &ends, BPF_ANY))
		return -2;
	work->table = CONN_NOWHERE;
	work->is_kept = true;
	conntrack_settle(&p, true);
	return !bpf_map_lookup_elem(&set_expect, &key);
}

/* The first packet of a connection passes, whose ends had another: that was found over in the old
 * table, at its first place, while settling brought it over. */
SEC("xdp")
int begin_anew(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);
	struct pkt p = {
		.proto = PROTO_TCP,
		.seen = PKT_PORTS,
		.state = WEIR_CONN_NEW,
		.pending = PKT_BEGINS,
	};

	if (!work)
		return -2;
	work->table = CONN_OLD_PROVEN;
	work->in_old = true;
	work->is_kept = work->is_over = true;
	conntrack_settle(&p, true);
	return work->is_added;
}

/* Of the same flow: a packet that was judged by the word it found passes, and bears the mark 7. The
 * mark that the flow has then. */
SEC("xdp")
int note(struct xdp_md *ctx)
{
	struct conn_work *work = work_of(ctx);
	struct conntrack_flow *flow = flow_at(CONN_HALF, 0);

	if (!work || !flow)
		return -2;
	struct pkt p = {
		.state = work->word & CONNTRACK_ANSWERED ? WEIR_CONN_ESTABLISHED : WEIR_CONN_NEW,
		.has_mark = true,
		.mark = 7,
	};

	flow_note(flow, &p, 0);
	return (int)flow->mark;
}

/* As a packet goes by: found wherever it is, judged, and kept. The state it has. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	struct conntrack_segment *segment = (void *)(long)ctx->data;

	if ((void *)(segment + 1) > (void *)(long)ctx->data_end)
		return -1;
	struct pkt p = {
		.len = CONNTRACK_SEGMENT_LEN,
		.proto = PROTO_TCP,
		.seen = PKT_IPV4 | PKT_TCP | PKT_PORTS,
		.sport = segment->side ? 2 : 1,
		.dport = segment->side ? 1 : 2,
		.direction = segment->side ? WEIR_EGRESS : WEIR_INGRESS,
		.ifindex = 1,
		.tcp_flags = TCP_ACK,
		.tcp_seq = segment->seq,
		.tcp_ack = segment->ack,
		.tcp_bytes = segment->bytes,
		.tcp_window = 1000,
	};
	struct conn_work *work = conn_work();

	if (!work)
		return -1;
	work->is_kept = work->is_over = work->is_added = false;
	conn_judge(&p);
	if (p.pending)
		conntrack_settle(&p, true);
	conn_account_xdp(&p, WEIR_PASS_RULE, false);
	return p.state;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
