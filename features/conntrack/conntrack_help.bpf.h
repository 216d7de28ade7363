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

/* Whether the new flow is a control connection. */
static __always_inline bool conn_has_helper(const struct pkt *p)
{
	bool found = false;

	if (!conntrack_constants.helps || p->proto != PROTO_TCP)
		return false;
	for (int i = 0; i < CONNTRACK_HELPER_PORTS; i++)
		found |= p->dport == conntrack_helpers.ftp[i];
	return found && p->dport;
}

/* Lines are followed over segments: what begins in the middle of one must not be read. */
static __always_inline __u8 line_begins(const struct conn_work *work, bool ends_line)
{
	struct conntrack_flow *flow = flow_at(work->table, work->index);

	if (!flow)
		return false;
	struct conntrack_side *side = &flow->side[work->segment.side & 1];
	__u8 flags = side->flags;

	side->flags = ends_line ? flags & ~CONNTRACK_SIDE_IN_LINE : flags | CONNTRACK_SIDE_IN_LINE;
	return !(flags & CONNTRACK_SIDE_IN_LINE);
}

static __always_inline struct weir_event_payload *payload_new(void)
{
	return bpf_ringbuf_reserve(&evt_ring, sizeof(struct weir_event_payload), 0);
}

static __always_inline void payload_send(struct weir_event_payload *payload, struct pkt *p,
					 const struct conn_work *work, bool ends_line)
{
	event_fill(&payload->event, p);
	payload->event.kind = WEIR_EVENT_PAYLOAD;
	payload->event.reason = WEIR_PASS;
	payload->bytes = p->tcp_bytes;
	payload->side = work->segment.side;
	payload->begins_line = line_begins(work, ends_line);
	bpf_ringbuf_submit(payload, BPF_RB_FORCE_WAKEUP);
}

__noinline int conn_tell_xdp(struct xdp_md *ctx, struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct weir_event_payload *payload = p && work ? payload_new() : NULL;

	if (!payload)
		return 0;
	bool ends_line = parse_payload_xdp(ctx, p, payload->data, WEIR_PAYLOAD_BYTES) == '\n';

	payload_send(payload, p, work, ends_line);
	return 1;
}

__noinline int conn_tell_tc(struct __sk_buff *skb, struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct weir_event_payload *payload = p && work ? payload_new() : NULL;

	if (!payload)
		return 0;
	bool ends_line = parse_payload_skb(skb, p, payload->data, WEIR_PAYLOAD_BYTES) == '\n';

	payload_send(payload, p, work, ends_line);
	return 1;
}

/* A packet of a control connection, that passes: what it carries is told. */
static __always_inline void conn_help(struct pkt *p, void *ctx, enum hook hook)
{
	const struct conn_work *work = conn_work();

	if (!work || !(work->flow.marks & CONNTRACK_HELPED) || !p->tcp_bytes || p->probe ||
	    !(p->seen & PKT_TCP) || p->state != WEIR_CONN_ESTABLISHED)
		return;
	if (hook == HOOK_XDP)
		conn_tell_xdp(ctx, p);
	else
		conn_tell_tc(ctx, p);
}

#endif
