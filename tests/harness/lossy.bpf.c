/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A link that loses frames and has later ones overtake others: at TC, where they leave. One that is
 * to be overtaken is copied and thrown away; the frame that it is to come behind is sent twice, and
 * the second time has become the other. So nobody waits for it but the frames behind it: where none
 * comes it is lost. For tests alone.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "lossy.h"

#define OVERTAKEN_BY 4	    /* frames */
#define PATIENCE_NS 5000000 /* for so many; later one is enough */

#define SENT 0x10551 /* the mark of the first of two */

/* What a processor that finds another state leaves to the one that made it. */
enum {
	FREE,
	FILLING,
	HELD,
	LEAVING
};

const volatile struct lossy_does does;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOSSY_WAYS);
	__type(key, __u32);
	__type(value, struct lossy_way);
} ways SEC(".maps");

/* The same each time, for the same frames: SplitMix64 (Steele, Lea, Flood, 2014) of a number. */
static bool one_of(struct lossy_way *way, __u32 each)
{
	__u64 z = __sync_fetch_and_add(&way->drawn, 0x9e3779b97f4a7c15) + way->seed;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return each && (z ^ (z >> 31)) % each == 0;
}

static bool hold(struct __sk_buff *skb, struct lossy_way *way)
{
	__u32 bytes = skb->len;

	if (bytes < ETH_HLEN || bytes > LOSSY_FRAME_MAX ||
	    __sync_val_compare_and_swap(&way->state, FREE, FILLING) != FREE)
		return false;
	if (bpf_skb_load_bytes(skb, 0, way->frame, bytes)) {
		way->state = FREE;
		return false;
	}
	way->bytes = bytes;
	way->overtakers = OVERTAKEN_BY;
	way->since_ns = bpf_ktime_get_ns();
	__sync_fetch_and_add(&way->held, 1);
	__sync_val_compare_and_swap(&way->state, FILLING, HELD);
	return true;
}

/* Whether this frame is the last that overtakes. */
static bool is_overtaken(struct lossy_way *way)
{
	if (way->state != HELD || (__sync_fetch_and_add(&way->overtakers, -1) > 1 &&
				   bpf_ktime_get_ns() - way->since_ns < PATIENCE_NS))
		return false;
	return __sync_val_compare_and_swap(&way->state, HELD, LEAVING) == HELD;
}

/* The frame has gone by a clone; what is left of it becomes the one that was held. */
static bool become_held(struct __sk_buff *skb, struct lossy_way *way)
{
	__u32 bytes = way->bytes;
	bool is_done = bytes >= ETH_HLEN && bytes <= LOSSY_FRAME_MAX &&
		       !bpf_skb_change_tail(skb, bytes, 0) &&
		       !bpf_skb_store_bytes(skb, 0, way->frame, bytes, 0);

	__sync_val_compare_and_swap(&way->state, LEAVING, FREE);
	return is_done;
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	__u32 at = skb->ifindex == does.devices[1];
	struct lossy_way *way = bpf_map_lookup_elem(&ways, &at);

	if (skb->mark == SENT || !way)
		return TC_ACT_OK;
	if (one_of(way, does.lost_each)) {
		__sync_fetch_and_add(&way->lost, 1);
		return TC_ACT_SHOT;
	}
	if (one_of(way, does.held_each) && hold(skb, way))
		return TC_ACT_SHOT;
	if (!is_overtaken(way))
		return TC_ACT_OK;
	skb->mark = SENT;
	bpf_clone_redirect(skb, skb->ifindex, 0);
	skb->mark = 0;
	return become_held(skb, way) ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
