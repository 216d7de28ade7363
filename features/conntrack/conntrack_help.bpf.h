/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Protocols that open second connections. User space reads what is said on the first
 * (conntrack_help.c) and writes what is to be expected; a connection that is expected is related,
 * and passes where no rule speaks. Nothing of this is in a program without helpers.
 */
#ifndef WEIR_CONNTRACK_HELP_BPF_H
#define WEIR_CONNTRACK_HELP_BPF_H

#include "../../bpf/lib/emit.h"
#include "conntrack_old.bpf.h"

const volatile struct conntrack_helpers conntrack_helpers = {};

/*
 * writes: features/conntrack/conntrack_help.c; the data path takes out what has come
 * reads: first packets of connections
 * full: the expectation is not written, and counted as refused
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct conntrack_expectation);
	__type(value, __u32); /* tick it ends at */
} set_expect SEC(".maps");

static __always_inline struct conntrack_expectation expectation_of(const struct pkt *p)
{
	return (struct conntrack_expectation){
		.src = p->src,
		.dst = p->dst,
		.dport = p->dport,
		.proto = p->proto,
		.family = p->seen & PKT_IPV4 ? 4 : 6,
	};
}

/* A seam, so that the key is not on the stack of what follows. 1: expected. */
__noinline int conn_is_expected(struct pkt *p)
{
	if (!p || !(p->seen & PKT_PORTS))
		return 0;
	struct conntrack_expectation key = expectation_of(p);
	const __u32 *ends = bpf_map_lookup_elem(&set_expect, &key);

	return ends && (int)(*ends - conn_tick()) > 0;
}

__noinline int conn_take_expected(struct pkt *p)
{
	const struct conn_work *work = conn_work();

	if (!p || !work || !work->is_added)
		return 0;
	struct conntrack_expectation key = expectation_of(p);

	return !bpf_map_delete_elem(&set_expect, &key);
}

/* What is expected has begun: once, by a packet that passes and whose flow found a place. Without
 * one the next packet needs the expectation as this one did. */
static __always_inline void expected_settle(struct pkt *p)
{
	if (conn_take_expected(p))
		conn_count(CONNTRACK_COUNT_EXPECTED);
}

/*
 * Whether the responder's port has a helper. By the port at each packet, and not by a mark that the
 * first one sets: flows that were there before the helper, picked up or taken over, have it too.
 * Arithmetic: each comparison would be a path of its own for the verifier.
 */
static __always_inline bool is_control(const struct pkt *p, const struct conn_work *work)
{
	__be16 port = work->segment.side ? p->sport : p->dport;
	__u32 found = 0;

	for (int i = 0; i < CONNTRACK_HELPER_PORTS; i++)
		found |= ((__u32)(port ^ conntrack_helpers.ftp[i]) - 1) >> 31;
	return found && port;
}

/*
 * Where lines begin is kept as a number of the sender's stream, in `first` of his side, which
 * nobody reads once both SYNs are acknowledged: up to then it is where his first line begins, then
 * where his next one does. In the middle of a line it is the number behind what was seen, with this
 * bit turned, and begins nothing. 0: not known, as for a flow whose SYN was not seen.
 */
#define LINE_MIDDLE 0x80000000u

/*
 * A segment that begins a line, and the first time that it comes by: at the next hook, or sent
 * again, it is behind the number. One that is ahead of it begins none, and says where the next line
 * begins if it ends in a newline: what was between may come no more.
 *
 * One word, so that whoever overtakes whom (two CPUs, or a packet that writes back a side as it
 * read it), what stands there was true of the stream when it was written, and stays so: the worst
 * is a line that is told twice, or not at all.
 */
static __always_inline bool line_begins(const struct pkt *p, const struct conn_work *work,
					__u8 last)
{
	struct conntrack_flow *flow = flow_at(work->table, work->index);

	if (!flow || !key_is(&flow->key, &work->key) || flow_is_gone(flow, work->now) ||
	    ~flow->word & CONNTRACK_SYN_ACKED * CONNTRACK_BOTH)
		return false;
	__u32 *first = &flow->side[work->segment.side & 1].first, at = *(volatile __u32 *)first;
	__u32 end = p->tcp_seq + p->tcp_bytes, next = last == '\n' ? end : end ^ LINE_MIDDLE;
	bool is_newer = (int)((end - at) << 1) > 0; /* whether LINE_MIDDLE is turned or not */

	if (at && !is_newer)
		return false;
	return __sync_val_compare_and_swap(first, at, next) == at && at && p->tcp_seq == at;
}

/* Seams, these three: the verifier walks the copying of 256 bytes once for each way to it. */
__noinline int conn_last_xdp(struct xdp_md *ctx, struct pkt *p)
{
	return p ? parse_payload_last_xdp(ctx, p) : 0;
}

__noinline int conn_last_tc(struct __sk_buff *skb, struct pkt *p)
{
	return p ? parse_payload_last_skb(skb, p) : 0;
}

__noinline int conn_is_told(struct pkt *p, int last)
{
	struct conn_work *work = conn_work();

	return p && work && line_begins(p, work, last);
}

static __always_inline struct weir_event_payload *payload_new(void)
{
	__u32 kind = WEIR_EVENT_PAYLOAD;
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &kind);

	return count ? event_new(count, sizeof(struct weir_event_payload)) : NULL;
}

static __always_inline void payload_send(struct weir_event_payload *payload, struct pkt *p,
					 const struct conn_work *work)
{
	event_fill(&payload->event, p);
	payload->event.kind = WEIR_EVENT_PAYLOAD;
	payload->event.reason = WEIR_PASS;
	payload->bytes = p->tcp_bytes;
	payload->side = work->segment.side;
	bpf_ringbuf_submit(payload, BPF_RB_FORCE_WAKEUP);
}

/* Of an open control connection. What a SYN or a reset carries is no part of the stream. */
static __always_inline bool is_of_control(const struct pkt *p, const struct conn_work *work)
{
	return p->seen & PKT_TCP && p->tcp_bytes && !p->probe &&
	       p->state == WEIR_CONN_ESTABLISHED && !(p->tcp_flags & (TCP_SYN | TCP_RST)) &&
	       is_control(p, work);
}

/* The ring comes last: where it is full a line is lost, and nothing is taken for another. */
__noinline int conn_tell_xdp(struct xdp_md *ctx, struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!p || !work || !is_of_control(p, work) || !conn_is_told(p, conn_last_xdp(ctx, p)))
		return 0;
	struct weir_event_payload *payload = payload_new();

	if (!payload)
		return 0;
	parse_payload_xdp(ctx, p, payload->data, WEIR_PAYLOAD_BYTES);
	payload_send(payload, p, work);
	return 1;
}

__noinline int conn_tell_tc(struct __sk_buff *skb, struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!p || !work || !is_of_control(p, work) || !conn_is_told(p, conn_last_tc(skb, p)))
		return 0;
	struct weir_event_payload *payload = payload_new();

	if (!payload)
		return 0;
	parse_payload_skb(skb, p, payload->data, WEIR_PAYLOAD_BYTES);
	payload_send(payload, p, work);
	return 1;
}

/* A packet that passes: if it is one of a control connection, what it carries is told. */
static __always_inline void conn_help(struct pkt *p, void *ctx, enum hook hook)
{
	if (hook == HOOK_XDP)
		conn_tell_xdp(ctx, p);
	else
		conn_tell_tc(ctx, p);
}

#endif
