/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a flow carried that ends is counted, and told of through the ring. Only who claims a place
 * comes by here, no packet of a flow that goes on. docs/design/flows.md */
#ifndef WEIR_CONNTRACK_RECORD_BPF_H
#define WEIR_CONNTRACK_RECORD_BPF_H

#include "../../bpf/lib/count.h"
#include "../../bpf/lib/emit.h"
#include "conntrack_follow.bpf.h"

static __always_inline void ended_add(__u32 row, const __u64 words[CONNTRACK_SUM_WORDS])
{
	struct weir_count *ended = bpf_map_lookup_elem(&ctr_reason, &row);

	if (!ended)
		return;
	ended->packets += conntrack_sum_number(words, 0) + conntrack_sum_number(words, 1);
	ended->bytes += conntrack_sum_number(words, 2) + conntrack_sum_number(words, 3);
}

/* Whether one may be sent: so many in a while, and into half of the ring, or a flood of connections
 * would push out drops, and the lines that helpers are to read. */
static __always_inline bool record_admit(struct weir_event_count *count)
{
	__u64 window = bpf_jiffies64() >> emit_constants.window_shift;

	if (count->window != window) {
		count->window = window;
		count->used = 0;
	}
	if ((count->used >= CONNTRACK_RECORDS_PER_WINDOW && !probe_constants.learns) ||
	    bpf_ringbuf_query(&evt_ring, BPF_RB_AVAIL_DATA) > WEIR_EVENT_RING_BYTES / 2) {
		count->capped++;
		return false;
	}
	count->used++;
	return true;
}

/* NULL: there is no room, which is counted. */
static __always_inline struct weir_event_flow *record_new(void)
{
	__u32 row = WEIR_EVENT_FLOW;
	struct weir_event_count *count = bpf_map_lookup_elem(&ctr_event, &row);
	struct weir_event_flow *record = NULL;

	if (count && record_admit(count))
		record = event_new(count, sizeof(*record));
	return record;
}

static __always_inline void record_submit(struct weir_event_flow *record)
{
	bool wake = bpf_ringbuf_query(&evt_ring, BPF_RB_AVAIL_DATA) > EMIT_WAKE_BYTES;

	bpf_ringbuf_submit(record, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void record_key(struct weir_event_flow *record,
				       const struct conntrack_key *key, __u64 now_ns)
{
	record->event.time_ns = now_ns;
	record->event.kind = WEIR_EVENT_FLOW;
	record->event.src = key->addr[0];
	record->event.dst = key->addr[1];
	record->event.sport = key->port[0];
	record->event.dport = key->port[1];
	record->event.proto = key->proto;
	record->family = key->family;
	record->requester = key->requester;
}

static __always_inline void record_words(struct weir_event_flow *record,
					 const __u64 words[CONNTRACK_SUM_WORDS])
{
	record->words[0] = words[0];
	record->words[1] = words[1];
	record->words[2] = words[2];
	record->words[3] = words[3];
}

static __always_inline bool record_is_empty(const __u64 words[CONNTRACK_SUM_WORDS])
{
	return !(conntrack_sum_number(words, 0) | conntrack_sum_number(words, 1) |
		 conntrack_sum_number(words, 2) | conntrack_sum_number(words, 3));
}

/* Of work->ended, which stood in that place. Who claimed it has written nothing there yet. */
static __always_inline void record_send(const struct conn_work *work,
					const struct conntrack_flow *flow,
					const struct conntrack_sum *sum, __u32 word, __u32 cause)
{
	if (!conntrack_constants.records || !flow || record_is_empty(work->ended))
		return;
	struct weir_event_flow *record = record_new();

	if (!record) {
		ended_add(WEIR_UNRECORDED_ROW, work->ended);
		return;
	}
	record_key(record, &flow->key, work->now_ns);
	record_words(record, work->ended);
	record->event.rule = flow->rule;
	record->event.owner = flow->backend;
	record->first_ns = sum->first_ns;
	record->last_ns[0] = sum->last_ns[0];
	record->last_ns[1] = sum->last_ns[1];
	record->let_in = flow->let_in;
	record->word = word;
	record->expires_ticks = flow->expires_ticks;
	record->born = flow->born;
	record->cause = cause;
	record->vlan = conntrack_vlan_of(sum->vlan, conntrack_sum_turn(word));
	record->side_flags = flow->side[0].flags;
	record_submit(record);
}

/* What was taken out of one place, and found its flow in no other. */
static __always_inline int record_leave(const struct conn_work *work)
{
	ended_add(WEIR_ENDED_ROW, work->taken);
	if (!conntrack_constants.records || record_is_empty(work->taken))
		return 1;
	struct weir_event_flow *record = record_new();

	if (!record) {
		ended_add(WEIR_UNRECORDED_ROW, work->taken);
		return 1;
	}
	record_key(record, &work->key, work->now_ns);
	record_words(record, work->taken);
	record->event.rule = 0;
	record->event.owner = 0;
	record->first_ns = work->taken_first_ns;
	record->last_ns[0] = record->last_ns[1] = work->now_ns;
	record->let_in = 0;
	record->word = work->flow.marks | CONNTRACK_LIVE;
	record->expires_ticks = work->now;
	record->born = work->now;
	record->cause = CONNTRACK_CAUSE_LEFT;
	record->vlan = work->taken_vlan;
	record->side_flags = 0;
	record_submit(record);
	return 1;
}

#endif
