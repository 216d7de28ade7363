/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A later fragment ahead of its first is given to user space (conntrack_hold.c), which gives it
 * back to its interface once the first is there. It is judged and counted then, as if it had come
 * then. docs/design/conntrack.md
 */
#ifndef WEIR_CONNTRACK_HOLD_BPF_H
#define WEIR_CONNTRACK_HOLD_BPF_H

#include "../../bpf/lib/emit.h"
#include "../../bpf/lib/route.h"
#include "conntrack_key.bpf.h"

/* A CPU gives so many in a window of HOLD_WINDOW_SHIFT ticks of the scheduler (32 to 320 ms). */
#define HOLD_PER_WINDOW 256
#define HOLD_WINDOW_SHIFT 5

/* Whether somebody is there who holds what comes at this hook. */
static __always_inline bool holder_is_there(__u32 hook)
{
	const struct conntrack_shared *shared = conn_shared();
	__u32 holds = shared ? *(const volatile __u32 *)&shared->holds : 0;
	__u32 at = hook == HOOK_XDP ? CONNTRACK_HOLDS_XDP : CONNTRACK_HOLDS_TC;

	return holds & at && (int)((holds | CONNTRACK_HOLDS_BOTH) - conn_tick()) > 0;
}

/* Each who has fragments could fill the ring, and others have things to tell. */
static __always_inline bool hold_admit(struct weir_event_count *count, const struct pkt *p)
{
	__u64 window = bpf_jiffies64() >> HOLD_WINDOW_SHIFT;

	if (count->window != window) {
		count->window = window;
		count->used = 0;
	}
	if (p->len > WEIR_FRAGMENT_BYTES || count->used >= HOLD_PER_WINDOW ||
	    bpf_ringbuf_query(&evt_ring, BPF_RB_AVAIL_DATA) > WEIR_EVENT_RING_BYTES / 2)
		return false;
	count->used++;
	return true;
}

/* What rules and services know by ports. */
static __always_inline bool hold_is_worth(const struct pkt *p)
{
	return p->proto == PROTO_UDP || p->proto == PROTO_TCP || p->proto == PROTO_SCTP;
}

/* 1: nothing is known of its datagram, so it is to wait. */
__noinline int conn_may_hold(struct pkt *p, __u32 hook)
{
	__u32 kind = WEIR_EVENT_FRAGMENT;
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &kind);

	if (!p || !count || p->seen & PKT_MALFORMED || !hold_is_worth(p))
		return 0;
	struct conntrack_datagram key = datagram_of(p);

	if (ports_known(&key))
		return 0;
	if (holder_is_there(hook) && hold_admit(count, p))
		return 1;
	count->capped++;
	return 0;
}

static __always_inline struct weir_event_fragment *fragment_new(void)
{
	__u32 kind = WEIR_EVENT_FRAGMENT;
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &kind);

	return count ? event_new(count, sizeof(struct weir_event_fragment)) : NULL;
}

static __always_inline void fragment_fill(struct weir_event_fragment *fragment, const struct pkt *p)
{
	event_fill(&fragment->event, p);
	fragment->event.kind = WEIR_EVENT_FRAGMENT;
	fragment->event.reason = WEIR_PASS;
	fragment->id = p->fragment_id;
	fragment->family = p->seen & PKT_IPV4 ? 4 : 6;
	fragment->link = WEIR_FRAGMENT_ETHERNET;
	fragment->vlan_tci = 0;
	fragment->vlan_proto = 0;
	fragment->protocol = 0;
	fragment->spare = 0;
}

/* 1: it is in user space's hands. Otherwise it is judged without ports. */
__noinline int conn_hold_xdp(struct xdp_md *ctx, struct pkt *p)
{
	struct weir_event_fragment *fragment =
		p && conn_may_hold(p, HOOK_XDP) ? fragment_new() : NULL;

	if (!fragment)
		return 0;
	fragment_fill(fragment, p);
	fragment->bytes = p->len;
	if (!parse_frame_xdp(ctx, fragment->data, p->len, WEIR_FRAGMENT_BYTES)) {
		bpf_ringbuf_discard(fragment, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(fragment, BPF_RB_FORCE_WAKEUP);
	return 1;
}

__noinline int conn_hold_tc(struct __sk_buff *skb, struct pkt *p)
{
	struct weir_event_fragment *fragment =
		p && conn_may_hold(p, HOOK_TC_IN) ? fragment_new() : NULL;

	if (!fragment)
		return 0;
	fragment_fill(fragment, p);
	fragment->bytes = skb->len;
	fragment->protocol = skb->protocol;
	fragment->link = p->l3_offset ? WEIR_FRAGMENT_ETHERNET : WEIR_FRAGMENT_IP;
	if (skb->vlan_present) {
		fragment->vlan_tci = skb->vlan_tci;
		fragment->vlan_proto = skb->vlan_proto;
	}
	if (!parse_frame_skb(skb, fragment->data, skb->len, WEIR_FRAGMENT_BYTES)) {
		bpf_ringbuf_discard(fragment, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(fragment, BPF_RB_FORCE_WAKEUP);
	return 1;
}

#endif
