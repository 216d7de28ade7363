/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Events to user space: sampled, capped per kind and CPU, and what is not sent is counted. */
#ifndef WEIR_BPF_EMIT_H
#define WEIR_BPF_EMIT_H

#include "../../abi/event.h"
#include "../../abi/maps.h"
#include "clock.h"
#include "pkt.h"

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

#define EMIT_WAKE_BYTES \
	(256            \
	 << 10) /* wake user space when so much is pending; else it looks by itself (events.c) */

const volatile struct weir_emit_constants emit_constants = { .per_window = 134, .sample = 1 };

/* Whether this one may be sent; counts it as capped when not. */
static __always_inline bool emit_admit(struct weir_event_count *count, __u64 now)
{
	if (emit_constants.sample > 1 && bpf_get_prandom_u32() % emit_constants.sample)
		return false;
	if (count->window != now >> WEIR_EMIT_WINDOW_SHIFT) {
		count->window = now >> WEIR_EMIT_WINDOW_SHIFT;
		count->used = 0;
	}
	if (count->used >= emit_constants.per_window) {
		count->capped++;
		return false;
	}
	count->used++;
	return true;
}

static __always_inline void event_fill(struct weir_event *event, const struct pkt *p, __u64 now)
{
	*event = (struct weir_event){
		.time_ns = now,
		.ifindex = p->ifindex,
		.len = p->len,
		.generation = p->generation,
		.list = p->list,
		.src = p->src,
		.dst = p->dst,
		.sport = p->sport,
		.dport = p->dport,
		.vlan = p->vlan,
		.ethertype = p->ethertype,
		.proto = p->proto,
		.direction = p->direction,
		.tcp_flags = p->tcp_flags,
		.fragment = !!(p->seen & PKT_FRAGMENT),
	};
}

/*
 * A function of its own: drops are the slow path. Two interrupts on one CPU (XDP inside a
 * softirq) cannot meet here; TC in process context can be interrupted by XDP, and then one count
 * may be off by one: it is a rate cap.
 */
__noinline int emit_drop(struct pkt *p, __u32 reason)
{
	__u32 kind = WEIR_EVENT_DROP;
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &kind);
	__u64 now = clock_ns();

	if (!p || !count || !emit_admit(count, now))
		return 0;
	struct weir_event *event = bpf_ringbuf_reserve(&evt_ring, sizeof(*event), 0);

	if (!event) {
		count->lost++;
		return 0;
	}
	event_fill(event, p, now);
	event->kind = kind;
	event->reason = reason;
	bool wake = bpf_ringbuf_query(&evt_ring, BPF_RB_AVAIL_DATA) > EMIT_WAKE_BYTES;

	bpf_ringbuf_submit(event, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	count->sent++;
	return 0;
}

#endif
