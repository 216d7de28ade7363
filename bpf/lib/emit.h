/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Events to user space: sampled, capped per kind and CPU, and what is not sent is counted. */
#ifndef WEIR_BPF_EMIT_H
#define WEIR_BPF_EMIT_H

#include "../../abi/event.h"
#include "../../abi/maps.h"
#include "clock.h"
#include "pkt.h"
#include "served.h"

/*
 * writes: the data path
 * reads: core/events.c, which drains it
 * full: the event is lost and counted in ctr_event.lost
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WEIR_EVENT_RING_BYTES);
} evt_ring SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: core/snapshot.c once a tick
 * full: cannot be: one row a kind
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_EVENT_KINDS_MAX);
	__type(key, __u32);
	__type(value, struct weir_event_count);
} ctr_event SEC(".maps");

/* Wake user space when so much is pending; else it looks by itself (events.c). */
#define EMIT_WAKE_BYTES (256 << 10)

const volatile struct weir_emit_constants emit_constants = {
	.per_window = 100,
	.sample = 1,
	.window_shift = 5,
};

/*
 * Whether this one may be sent; counts it as capped when not. Ticks and not nanoseconds: reading
 * them is one load, and under a flood this is all that a dropped packet pays for events. TC in
 * process context can be interrupted by XDP in the middle of it, and then a count is off by one: it
 * is a rate cap.
 */
static __always_inline bool emit_admit(struct weir_event_count *count)
{
	if (emit_constants.sample > 1 && bpf_get_prandom_u32() % emit_constants.sample)
		return false;
	__u64 window = bpf_jiffies64() >> emit_constants.window_shift;

	if (count->window != window) {
		count->window = window;
		count->used = 0;
	}
	if (count->used >= emit_constants.per_window) {
		count->capped++;
		return false;
	}
	count->used++;
	return true;
}

/* Field by field: a struct put together on the stack would be 88 bytes of it. */
static __always_inline void event_fill(struct weir_event *event, const struct pkt *p)
{
	event->time_ns = clock_ns();
	event->ifindex = p->ifindex;
	event->len = p->len;
	event->generation = p->generation;
	event->list = p->list;
	event->rule = p->rule;
	event->src = p->src;
	event->dst = p->dst;
	event->sport = p->sport;
	event->dport = p->dport;
	event->vlan = p->vlan;
	event->ethertype = p->ethertype;
	event->proto = p->proto;
	event->direction = p->direction;
	event->tcp_flags = p->tcp_flags;
	event->fragment = !!(p->seen & PKT_FRAGMENT);
	event->backend = served_tally();
	event->owner = served_flow_owner();
	event->spare = 0;
}

/* Room in the ring for an event, which is counted as sent; NULL where there is none: lost. One look
 * at the pointer: before Linux 6.2 the verifier does not know at a second that it is none. */
static __always_inline void *event_new(struct weir_event_count *count, __u64 bytes)
{
	void *event = bpf_ringbuf_reserve(&evt_ring, bytes, 0);

	if (!event) {
		count->lost++;
		__asm__ volatile(""); /* or clang 14 makes one of both counts, and looks again */
		return NULL;
	}
	count->sent++;
	return event;
}

/* A function of its own: what is admitted is the slow path. */
__noinline int emit_send(struct pkt *p, __u32 kind, __u32 reason)
{
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &kind);

	if (!p || !count)
		return 0;
	struct weir_event *event = event_new(count, sizeof(*event));

	if (!event)
		return 0;
	event_fill(event, p);
	event->kind = kind;
	event->reason = reason;
	bool wake = bpf_ringbuf_query(&evt_ring, BPF_RB_AVAIL_DATA) > EMIT_WAKE_BYTES;

	bpf_ringbuf_submit(event, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline void emit_event(struct pkt *p, enum weir_event_kind kind, __u32 reason)
{
	__u32 row = kind;
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &row);

	if (count && emit_admit(count))
		emit_send(p, kind, reason);
}

#endif
