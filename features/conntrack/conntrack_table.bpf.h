/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Finding, placing and forgetting flows. Two tables: those that have proven themselves, and the
 * half-open ones, which are all that a flood can fill. docs/design/conntrack.md has the races.
 */
#ifndef WEIR_CONNTRACK_TABLE_BPF_H
#define WEIR_CONNTRACK_TABLE_BPF_H

#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/old_state.h"
#include "conntrack_tcp.bpf.h"

const volatile struct conntrack_constants conntrack_constants = {};
const volatile struct conntrack_sizes conntrack_sizes = { .proven = 1, .half = 1 };

/*
 * writes: the data path, by compare-and-swap; conntrack_table.c (sweep, flush, adoption) likewise
 * reads: every packet that has a flow
 * full: a flow that proves itself takes the place of one that is over, else is refused and counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_WAYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_flow);
} st_flow SEC(".maps");

/*
 * writes: with st_flow
 * reads: every packet
 * full: with st_flow
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_set);
} st_flow_set SEC(".maps");

/*
 * writes: the data path, by compare-and-swap; conntrack_table.c (sweep, flush, adoption) likewise
 * reads: packets without a proven flow
 * full: the oldest of a set makes room, and is counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_WAYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_flow);
} st_half SEC(".maps");

/*
 * writes: with st_half
 * reads: packets without a proven flow
 * full: with st_half
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct conntrack_set);
} st_half_set SEC(".maps");

/*
 * writes: features/conntrack/conntrack.c, at start and around a reload
 * reads: every packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct conntrack_shared);
} cfg_conntrack SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/conntrack/conntrack.c
 * full: cannot be: a row a counter
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CONNTRACK_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ctr_conntrack SEC(".maps");

enum conn_table {
	CONN_NOWHERE,
	CONN_PROVEN,
	CONN_HALF,
};

/* What is known of a packet's flow, between the functions that deal with it. */
struct conn_work {
	struct conntrack_key key;
	__u64 hash;
	__u64 clocked;	      /* kept from packet to packet: the jiffy of `now` */
	struct conn_tcp flow; /* as it was found, then as it is to be */
	struct conn_segment segment;
	__u32 word; /* as it was found */
	__u32 index;
	__u32 now;	/* tick */
	__u8 table;	/* enum conn_table */
	__u8 side;	/* which end of the key the sender is */
	__u8 is_kept;	/* the flow is to be changed, or made, if the packet passes */
	__u8 displaces; /* the place it gets is taken from another */
	__u8 is_over;	/* the one that was found: the packet begins it anew */
	__u8 has_sides; /* flow.side was read, and is to be written */
};

/*
 * Scratch, and not on the stack, of which a packet's functions have 512 bytes together. One a CPU
 * is enough, as for tmp_search (rules.bpf.h).
 *
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct conn_work);
} tmp_conn SEC(".maps");

static __always_inline struct conn_work *conn_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_conn, &zero);
}

static __always_inline void conn_count(enum conntrack_counter counter)
{
	__u32 row = counter;
	__u64 *count = bpf_map_lookup_elem(&ctr_conntrack, &row);

	if (count)
		++*count;
}

static __always_inline __u32 conn_tick(void)
{
	return clock_ns() >> CONNTRACK_TICK_SHIFT;
}

/* The coarse clock moves with jiffies, which are read without a call: it is asked once for each (15
 * ns). */
static __always_inline void conn_look_at_clock(struct conn_work *work)
{
	__u64 jiffies = bpf_jiffies64();

	if (work->clocked == jiffies)
		return;
	work->clocked = jiffies;
	work->now = conn_tick();
}

/* Two look-ups that end differently: clang would make them one with the map in a register, and the
 * kernel could not put the look-up in place of the call (20 ns). */
static __always_inline struct conntrack_flow *flow_at(__u32 table, __u32 index)
{
	struct conntrack_flow *flow;

	if (table == CONN_PROVEN) {
		flow = bpf_map_lookup_elem(&st_flow, &index);
		__asm__ volatile("" : "+r"(flow));
	} else {
		flow = bpf_map_lookup_elem(&st_half, &index);
	}
	return flow;
}

static __always_inline bool word_is_there(__u32 word, __u32 expires_ticks, __u32 now)
{
	return word & CONNTRACK_LIVE && (int)(expires_ticks - now) >= 0;
}

static __always_inline bool flow_is_gone(const struct conntrack_flow *flow, __u32 now)
{
	return !word_is_there(flow->word, flow->expires_ticks, now);
}

/* Bits, not a chain of comparisons: the verifier walks each branch. */
static __always_inline bool key_is(const struct conntrack_key *a, const struct conntrack_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

/* The highest bit of each 16 whose tag is the one looked for. A tag right above one may be marked
 * without being it: keys are compared anyway. */
static __always_inline __u64 tags_matching(__u64 tags, __u16 tag)
{
	__u64 x = tags ^ tag * 0x0001000100010001ULL;

	return (x - 0x0001000100010001ULL) & ~x & 0x8000800080008000ULL;
}

static __always_inline __u32 tag_lowest(__u64 matching)
{
	__u64 lowest = matching & -matching;

	return (lowest > 0x8000) + (lowest > 0x80000000) + (lowest > 0x800000000000);
}

/* The place of the flow in a set, as index of its table; -1: not there. */
static __always_inline int flow_set_look(const struct conn_work *work, void *flows,
					 const struct conntrack_set *set, __u32 number)
{
	if (!set)
		return -1;
	LOOP_ROLLED
	for (__u32 half = 0; half < CONNTRACK_WAYS / 4; half++) {
		__u64 matching = tags_matching(*(volatile __u64 *)&set->tags[half],
					       conntrack_tag(work->hash));

		LOOP_ROLLED
		for (int i = 0; i < 4 && matching; i++) {
			__u32 index = number * CONNTRACK_WAYS + half * 4 + tag_lowest(matching);
			const struct conntrack_flow *flow = bpf_map_lookup_elem(flows, &index);

			if (flow && key_is(&flow->key, &work->key) &&
			    !flow_is_gone(flow, work->now))
				return index;
			matching &= matching - 1;
		}
	}
	return -1;
}

/* Global, each of them, so that the verifier walks it once. */
__noinline int conn_look_proven(struct conn_work *work, __u32 number)
{
	const struct conntrack_set *set = bpf_map_lookup_elem(&st_flow_set, &number);

	return work ? flow_set_look(work, &st_flow, set, number) : -1;
}

__noinline int conn_look_half(struct conn_work *work, __u32 number)
{
	const struct conntrack_set *set = bpf_map_lookup_elem(&st_half_set, &number);

	return work ? flow_set_look(work, &st_half, set, number) : -1;
}

/* Where the flow of work->key is: into work->table and work->index. */
static __always_inline bool conn_find(struct conn_work *work)
{
	int index = conn_look_proven(work, conntrack_first_set(work->hash, conntrack_sizes.proven));

	work->table = CONN_PROVEN;
	if (index < 0)
		index = conn_look_proven(work,
					 conntrack_second_set(work->hash, conntrack_sizes.proven));
	if (index < 0) {
		index = conn_look_half(work, conntrack_first_set(work->hash, conntrack_sizes.half));
		work->table = CONN_HALF;
	}
	work->index = index;
	if (index < 0)
		work->table = CONN_NOWHERE;
	return index >= 0;
}

/* Puts a tag in its place, or 0. Others may be changing the other three at the same time. */
static __always_inline bool tag_put(struct conntrack_set *set, __u32 way, __u16 tag)
{
	__u32 shift = (way & 3) * 16;
	bool done = false;

	if (!set)
		return false;
	__u64 *word = &set->tags[way / 4 & 1];

	LOOP_ROLLED
	for (int i = 0; i < 8 && !done; i++) {
		__u64 old = *(volatile __u64 *)word;
		__u64 new = (old & ~(0xffffULL << shift)) | (__u64)tag << shift;

		done = __sync_val_compare_and_swap(word, old, new) == old;
	}
	return done;
}

/* The word of the next flow at the same place, until it has marks. */
static __always_inline __u32 word_next(__u32 word)
{
	return (word & ~CONNTRACK_MARKS) + CONNTRACK_TURN;
}

/* Makes a place this CPU's, whose flow is gone or may go, for flow_write(). */
static __always_inline bool flow_claim(struct conntrack_flow *flow, __u32 word)
{
	return !(word & CONNTRACK_MOVING) &&
	       __sync_val_compare_and_swap(&flow->word, word, word_next(word) | CONNTRACK_MOVING) ==
		       word;
}

/* Gives a place back that was claimed, once its tag is gone: who takes it next would lose his. */
static __always_inline void flow_free(struct conntrack_flow *flow, __u32 word)
{
	__sync_val_compare_and_swap(&flow->word, word,
				    word & CONNTRACK_LIVE ? word_next(word) :
							    word & ~CONNTRACK_MARKS);
}

static __always_inline __u32 conn_lifetime(__u32 proto, __u32 marks)
{
	__u32 state = conntrack_state_of(proto, marks);

	return state < CONNTRACK_STATE_COUNT ? conntrack_constants.timeout_ticks[state] : 0;
}

/* A free place of a set, judged by tags alone; -1 when all are in use. */
static __always_inline int set_free_way(const struct conntrack_set *set)
{
	__u64 first = tags_matching(*(volatile __u64 *)&set->tags[0], 0);
	__u64 second = tags_matching(*(volatile __u64 *)&set->tags[1], 0);

	if (first)
		return tag_lowest(first);
	return second ? 4 + (int)tag_lowest(second) : -1;
}

/* Writes the flow of `work` where it was claimed. Its tag stands already: the place must not look
 * free once the word says otherwise. */
static __always_inline void flow_write(struct conntrack_flow *flow, const struct conn_work *work)
{
	__u32 marks = work->flow.marks | CONNTRACK_LIVE, word = flow->word;

	flow->key = work->key;
	flow->side[0] = work->flow.side[0];
	flow->side[1] = work->flow.side[1];
	flow->expires_ticks = work->now + conn_lifetime(work->key.proto, marks);
	__sync_val_compare_and_swap(&flow->word, word, (word & ~CONNTRACK_MARKS) | marks);
}

/* The place of a half-open flow: a free one, else the one whose turn it is. */
__noinline int conn_place_half(struct conn_work *work)
{
	if (!work)
		return -1;
	__u32 number = conntrack_first_set(work->hash, conntrack_sizes.half);
	struct conntrack_set *set = bpf_map_lookup_elem(&st_half_set, &number);

	if (!set)
		return -1;
	int way = set_free_way(set);

	work->displaces = way < 0;
	if (way < 0)
		way = set->next++ & (CONNTRACK_WAYS - 1);
	return number * CONNTRACK_WAYS + way;
}

/* In a set without a free place, one whose flow is gone, or over. */
__noinline int conn_spare(struct conn_work *work, __u32 number)
{
	int spare = -1;

	if (!work)
		return -1;

	LOOP_ROLLED
	for (__u32 way = 0; way < CONNTRACK_WAYS; way++) {
		__u32 index = number * CONNTRACK_WAYS + way;
		const struct conntrack_flow *flow = bpf_map_lookup_elem(&st_flow, &index);

		if (flow && (flow_is_gone(flow, work->now) || conntrack_is_over(flow->word)))
			spare = index;
	}
	return spare;
}

static __always_inline int proven_free(__u32 number)
{
	const struct conntrack_set *set = bpf_map_lookup_elem(&st_flow_set, &number);
	int way = set ? set_free_way(set) : -1;

	return way < 0 ? -1 : (int)(number * CONNTRACK_WAYS) + way;
}

/* The place of a flow that has proven itself: never that of one that lives. */
__noinline int conn_place_proven(struct conn_work *work)
{
	if (!work)
		return -1;
	__u32 first = conntrack_first_set(work->hash, conntrack_sizes.proven);
	__u32 second = conntrack_second_set(work->hash, conntrack_sizes.proven);
	int index = proven_free(first);

	if (index < 0)
		index = proven_free(second);
	if (index < 0)
		index = conn_spare(work, first);
	return index < 0 ? conn_spare(work, second) : index;
}

#endif
