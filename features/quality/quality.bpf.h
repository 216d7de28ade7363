/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How well TCP gets on that passes through: which connection a packet belongs to, and what is
 * counted of it. What a segment says is quality_side.bpf.h's. Judges nothing. */
#ifndef WEIR_QUALITY_BPF_H
#define WEIR_QUALITY_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../../abi/maps.h"
#include "../../bpf/lib/count.h"
#include "../../bpf/lib/parse_stamp.h"
#include "quality_side.bpf.h"

/*
 * writes: the daemon
 * reads: each packet, first of all
 * full: cannot be, it is one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quality_control);
} cfg_quality SEC(".maps");

/*
 * writes: the data path; the daemon takes out what has ended or is silent
 * reads: each TCP packet of a flow that is measured, and the daemon
 * full: the flow is not measured, and its packets are counted as such
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct quality_key);
	__type(value, struct quality_flow);
} st_quality SEC(".maps");

/*
 * writes: the data path
 * reads: SYNs that come again, and their answers
 * full: the one that was not met for longest goes: a flood costs no flow its place
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, QUALITY_SYNS_MAX);
	__type(key, struct quality_key);
	__type(value, struct quality_syn);
} st_q_syn SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: the daemon, once a tick
 * full: cannot be: two rows for every interface slot
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, QUALITY_ROW(WEIR_INTERFACES_MAX, 0));
	__type(key, __u32);
	__type(value, struct quality_count);
} ctr_q_iface SEC(".maps");

/*
 * writes: the daemon, when an interface gets a row
 * reads: the daemon: whose the rows of ctr_q_iface are. They outlive interfaces, and tables of
 * another layout, which may give an interface another row
 * full: cannot be: one for every interface slot
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_INTERFACES_MAX);
	__type(key, __u32);
	__type(value, struct quality_owner);
} cfg_q_iface SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: the daemon, once a tick
 * full: cannot be: a row for every sum
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, QUALITY_SUMS);
	__type(key, __u32);
	__type(value, __u64);
} ctr_q_sum SEC(".maps");

/* Of the packet under way: more than the stack has room for. */
struct quality_work {
	struct quality_key key;
	struct quality_segment segment;
	struct quality_told told;
	__u32 from, sample; /* whose it is; one of so many flows is measured */
	__u64 fresh[sizeof(struct quality_flow) / sizeof(__u64)]; /* no place for a lock */
};

/*
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be, it is one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quality_work);
} tmp_quality SEC(".maps");

static __always_inline void quality_sum(__u32 row, __u64 count)
{
	__u64 *sum = bpf_map_lookup_elem(&ctr_q_sum, &row);

	if (sum)
		*sum += count;
}

/* A run that was interrupted would count for all that were not timed, too: 4 ms, with which a
 * processor was lent to another machine, as a quarter of a second. */
static __always_inline void quality_cost(__u64 took_ns)
{
	if (took_ns > QUALITY_TIMED_MOST_NS)
		took_ns = QUALITY_TIMED_MOST_NS;
	quality_sum(QUALITY_COST_NS, took_ns * QUALITY_TIMED_EACH);
}

static __always_inline bool quality_is_higher(const struct pkt *p)
{
	for (int i = 0; i < 4; i++)
		if (p->src.be32[i] != p->dst.be32[i])
			return p->src.be32[i] > p->dst.be32[i];
	return p->sport > p->dport;
}

/* Any order will do, as long as both directions have the same. */
static __always_inline __u32 quality_key_of(const struct pkt *p, struct quality_key *ret_key)
{
	__u32 from = quality_is_higher(p);

	ret_key->addr[0] = from ? p->dst : p->src;
	ret_key->addr[1] = from ? p->src : p->dst;
	ret_key->port[0] = from ? p->dport : p->sport;
	ret_key->port[1] = from ? p->sport : p->dport;
	ret_key->pad = 0;
	return from;
}

static __always_inline void quality_count(__u32 ifindex, __u32 sample,
					  const struct quality_told *told)
{
	__u32 slot = iface_slot(ifindex);

	for (__u32 is_scaled = 0; is_scaled < 2; is_scaled++) {
		__u32 row = QUALITY_ROW(slot, is_scaled);
		__u64 times = is_scaled ? sample : 1;
		struct quality_count *count = bpf_map_lookup_elem(&ctr_q_iface, &row);

		if (!count)
			return;
		count->segments += told->segments * times;
		count->bytes += told->bytes * times;
		count->retransmits += told->retransmits * times;
		count->retransmitted_bytes += told->retransmitted_bytes * times;
		count->out_of_order += told->out_of_order * times;
		count->zero_windows += told->zero_windows * times;
		count->resets += told->resets * times;
		count->probes += told->probes * times;
	}
}

static __always_inline void quality_count_shaken(__u32 took_us)
{
	static const __u32 ends[] = QUALITY_SHAKEN_ENDS;
	__u32 row = 0;

	_Static_assert(sizeof(ends) / sizeof(ends[0]) == QUALITY_SHAKEN_ROWS - 1, "and the rest");
	UNROLL
	for (__u32 i = 0; i < QUALITY_SHAKEN_ROWS - 1; i++)
		row += took_us > ends[i];
	quality_sum(QUALITY_HANDSHAKE_US, took_us);
	quality_sum(QUALITY_SHAKEN + row, 1);
}

static __always_inline struct quality_work *quality_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_quality, &zero);
}

/* Nothing is made of a SYN until it is answered. */
static __always_inline void quality_syn_note(struct quality_work *work)
{
	const struct quality_segment *s = &work->segment;
	struct quality_syn *known = bpf_map_lookup_elem(&st_q_syn, &work->key);

	work->told.segments = 1;
	work->told.bytes = s->bytes;
	if (known && known->seq == s->seq) {
		known->last_ns = s->now_ns;
		known->stamp = s->stamp;
		known->times++;
		work->told.retransmits = 1;
		return;
	}
	struct quality_syn syn = {
		.first_ns = s->now_ns,
		.last_ns = s->now_ns,
		.seq = s->seq,
		.stamp = s->stamp,
		.times = 1,
		.ifindex = s->ifindex,
		.has_stamp = s->has_stamp,
	};

	bpf_map_update_elem(&st_q_syn, &work->key, &syn, BPF_ANY);
}

/* With the SYN that the segment answers, or as one that goes on already. NULL: there is no room. */
static __always_inline struct quality_flow *quality_make(struct quality_work *work)
{
	const struct quality_segment *s = &work->segment;
	bool is_answer = s->flags & TCP_SYN;
	struct quality_syn *syn = is_answer ? bpf_map_lookup_elem(&st_q_syn, &work->key) : NULL;

	struct quality_flow *fresh = (struct quality_flow *)work->fresh;

	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->begun_ns = s->now_ns;
	fresh->sample = work->sample;
	if (syn && s->ack == syn->seq + 1)
		quality_begin(fresh, work->from ^ 1, syn);
	else if (is_answer)
		fresh->client = QUALITY_CLIENT_LOW + (work->from ^ 1);
	bool is_new = !bpf_map_update_elem(&st_quality, &work->key, fresh, BPF_NOEXIST);

	if (is_new)
		quality_sum(is_answer ? QUALITY_BEGUN : QUALITY_JOINED, 1);
	if (is_new && syn)
		bpf_map_delete_elem(&st_q_syn, &work->key);
	return bpf_map_lookup_elem(&st_quality, &work->key);
}

/* What is over begins no flow: its last words may come late. */
static __always_inline bool quality_may_begin(const struct quality_segment *s)
{
	return (s->flags & (TCP_ACK | TCP_FIN | TCP_RST)) == TCP_ACK;
}

static __always_inline void quality_stranger(struct quality_work *work)
{
	const struct quality_segment *s = &work->segment;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		quality_syn_note(work);
		return;
	}
	work->told.segments = quality_parts(s, s->bytes);
	work->told.bytes = s->bytes;
	work->told.resets = !!(s->flags & TCP_RST);
}

/* Seams from here on: each has its own part of the stack. */
__noinline int quality_flow_note(void)
{
	struct quality_work *work = quality_work();

	if (!work)
		return 0;
	struct quality_flow *flow = bpf_map_lookup_elem(&st_quality, &work->key);

	if (!flow && quality_may_begin(&work->segment)) {
		flow = quality_make(work);
		if (!flow)
			quality_sum(QUALITY_NO_PLACE, 1);
	}
	if (!flow) {
		quality_stranger(work);
		return 0;
	}
	bpf_spin_lock(&flow->lock);
	quality_note(flow, work->from, &work->segment, &work->told);
	bpf_spin_unlock(&flow->lock);
	if (!work->told.is_anew)
		return 0;
	bpf_map_delete_elem(&st_quality, &work->key);
	quality_syn_note(work);
	return 0;
}

static __always_inline bool quality_is_whole(const struct __sk_buff *skb, const struct pkt *p)
{
	return !(p->seen & (PKT_MALFORMED | PKT_TOO_DEEP)) &&
	       p->l4_offset + p->tcp_words * 4 + p->tcp_bytes <= skb->len;
}

static __always_inline void quality_segment_read(struct __sk_buff *skb, const struct pkt *p,
						 struct quality_segment *ret_segment)
{
	struct tcp_stamp stamp;

	parse_stamp(skb, p, &stamp);
	*ret_segment = (struct quality_segment){
		.now_ns = bpf_ktime_get_ns(),
		.seq = p->tcp_seq,
		.ack = p->tcp_ack,
		.bytes = p->tcp_bytes,
		.size = skb->gso_size,
		.stamp = stamp.value,
		.echo = stamp.echo,
		.ifindex = skb->ifindex,
		.window = p->tcp_window,
		.flags = p->tcp_flags,
		.has_stamp = stamp.is_there,
	};
}

__noinline int quality_count_told(void)
{
	const struct quality_work *work = quality_work();

	if (!work)
		return 0;
	const struct quality_told *told = &work->told;

	if (told->is_elsewhere || told->is_odd)
		quality_sum(told->is_odd ? QUALITY_ODD : QUALITY_ELSEWHERE, 1);
	if (told->segments)
		quality_count(work->segment.ifindex, work->sample, told);
	if (told->handshake_us)
		quality_count_shaken(told->handshake_us);
	return 0;
}

/* Of a packet that was parsed: whether there is anything to be measured. */
__noinline int quality_take(struct __sk_buff *skb, struct pkt *p)
{
	__u32 zero = 0;
	struct quality_control *control = bpf_map_lookup_elem(&cfg_quality, &zero);
	struct quality_work *work = quality_work();

	if (!p || !control || !work || p->proto != PROTO_TCP || !(p->seen & PKT_IP))
		return 0;
	if (p->seen & PKT_FRAGMENT) {
		quality_sum(QUALITY_FRAGMENTS, 1);
		return 0;
	}
	if (!(p->seen & PKT_TCP) || !quality_is_whole(skb, p)) {
		quality_sum(QUALITY_ODD, 1);
		return 0;
	}
	work->from = quality_key_of(p, &work->key);
	work->sample = control->sample;
	if (quality_hash(&work->key, control->seed) > control->most) {
		quality_sum(QUALITY_UNSAMPLED, 1);
		return 0;
	}
	quality_segment_read(skb, p, &work->segment);
	work->told = (struct quality_told){ 0 };
	return 1;
}

#endif
