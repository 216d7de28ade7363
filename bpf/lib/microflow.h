/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What was done to the last packet of a flow that XDP sent on by itself, a line a flow: until
 * something changes, or a moment has passed, the next one is done the same, and nothing is asked
 * again. Who sends packets on fills it (features/balance), rewrite_microflow.h goes by it.
 */
#ifndef WEIR_BPF_MICROFLOW_H
#define WEIR_BPF_MICROFLOW_H

#include "../../abi/microflow.h"
#include "addr.h"
#include "clock.h"
#include "generation.h"
#include "route.h"
#include "way.h"

const volatile struct weir_microflow_constants microflow_constants = { .sets = 1, .each = 2 };

enum microflow_bits {
	MICROFLOW_V6 = 1 << 0, /* the line behind it is its own too */
	MICROFLOW_TCP = 1 << 1,
	MICROFLOW_SOURCE = 1 << 2, /* its source is what changes, else its destination */
	MICROFLOW_BITS_KEY = MICROFLOW_V6 | MICROFLOW_TCP,
	MICROFLOW_FORWARD_SHIFT = 4, /* enum weir_forward */
};

/* Its ends as they arrive; of IPv6 in one word each, which the line behind it has in full. */
struct microflow_key {
	__be32 src, dst;
	__be16 sport, dport;
};

/* One line. */
struct microflow {
	struct microflow_key key;
	__u32 generation; /* of the policy; 0: there is none */
	__u32 ways;	  /* weir_way_watch.changed */
	__u32 sum_row;	  /* where its packets are counted, if they are: served_sum */
	__u32 until;	  /* microflow_ticks() */
	__u32 tally;	  /* of whose packets are counted; features/balance */
	struct route_way way;
	__be32 to; /* of IPv4: what the end becomes, or the tunnel's destination */
	union {
		__be32 from; /* likewise: the tunnel's source */
		__u32 hash;  /* of IPv6: of the flow, for the tunnel (encap.h) */
	};
	union {
		__be16 to_port;
		__u16 hash_high; /* of IPv4: the half that a tunnel goes by */
	};
	__u16 mtu;	/* longest IP packet that is taken */
	__u8 bits;	/* enum microflow_bits */
	__u8 sum_turn;	/* likewise */
	__u8 slot, out; /* rows of the interfaces where it arrives, and leaves */
};

_Static_assert(sizeof(struct microflow) == 64, "one line");

/* The line behind it, of IPv6. */
struct microflow_addrs {
	struct weir_addr src, dst, to, from;
};

_Static_assert(sizeof(struct microflow_addrs) == 64, "one line");

/* Two flows of IPv4 or one of IPv6. */
struct microflow_set {
	struct microflow first;
	union {
		struct microflow second;
		struct microflow_addrs addrs;
	};
};

_Static_assert(sizeof(struct microflow_set) == MICROFLOW_TAGGED * MICROFLOW_WAYS,
	       "a row has the tags of so many");

/*
 * Each CPU has sets of its own, side by side, so that none is read half written; and behind them
 * rows with their tags.
 *
 * writes: the data path, each CPU its own
 * reads: the same
 * full: a flow takes the place of another, which is asked about again
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct microflow_set);
} tmp_microflow SEC(".maps");

#define MICROFLOW_TICK_SHIFT 24 /* 2^24 ns, as of conntrack */

static __always_inline __u32 microflow_ticks(__u64 now_ns)
{
	return now_ns >> MICROFLOW_TICK_SHIFT;
}

/* A segment that neither begins nor ends anything; PSH says nothing. */
static __always_inline bool microflow_is_ack(__u32 tcp_flags)
{
	return (tcp_flags & ~0x8U) == TCP_ACK;
}

/* One in sixteen. */
static __always_inline bool microflow_is_lucky(void)
{
	return !(bpf_get_prandom_u32() & 15);
}

/* Where a flow is if it is anywhere. */
struct microflow_at {
	__u32 first; /* row of this CPU's part */
	__u32 set;
	__u8 tag; /* not 0 */
};

static __always_inline struct microflow_at microflow_at(const struct microflow_key *key, __u32 bits)
{
	__u64 hash = ((__u64)key->src << 32 | key->dst) * WAY_GOLDEN;

	hash ^= hash >> 29;
	hash += (__u64)key->sport << 32 | (__u64)key->dport << 8 | bits;
	hash *= 0xbf58476d1ce4e5b9ULL;
	return (struct microflow_at){
		.first = bpf_get_smp_processor_id() * microflow_constants.each,
		.set = hash >> 32 & (microflow_constants.sets - 1),
		.tag = (hash >> 24) | 1,
	};
}

static __always_inline struct microflow_set *microflow_set_of(const struct microflow_at *at)
{
	__u32 row = at->first + at->set;

	return bpf_map_lookup_elem(&tmp_microflow, &row);
}

/* Of its two flows, the second 0 behind one of IPv6: near, where the set is far. So packets that
 * nothing is remembered of, a flood of them above all, wait for no far line. */
static __always_inline __u8 *microflow_tags_of(const struct microflow_at *at)
{
	__u32 row = at->first + microflow_constants.sets + at->set / MICROFLOW_TAGGED;
	__u8 *tags = bpf_map_lookup_elem(&tmp_microflow, &row);

	return tags ? tags + at->set % MICROFLOW_TAGGED * MICROFLOW_WAYS : NULL;
}

static __always_inline bool microflow_is(const struct microflow *flow,
					 const struct microflow_key *key, __u32 bits)
{
	return flow->key.src == key->src && flow->key.dst == key->dst &&
	       flow->key.sport == key->sport && flow->key.dport == key->dport &&
	       (flow->bits & MICROFLOW_BITS_KEY) == bits && flow->generation;
}

/* Nothing that it was done by has changed. `ways`: way_changed(). */
static __always_inline bool microflow_holds(const struct microflow *flow, __u32 ways)
{
	__u32 zero = 0;
	const volatile struct weir_live *live = bpf_map_lookup_elem(&cfg_live, &zero);

	return live && (__u32)(live->word >> 1) == flow->generation && flow->ways == ways &&
	       (__s32)(flow->until - microflow_ticks(clock_ns())) > 0;
}

#endif
