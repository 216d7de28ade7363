/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Finding, placing and forgetting flows. docs/design/conntrack.md has the races. */
#ifndef WEIR_CONNTRACK_TABLE_BPF_H
#define WEIR_CONNTRACK_TABLE_BPF_H

#include "../../bpf/lib/probe.h"
#include "../../bpf/lib/served.h"
#include "conntrack_sum_maps.bpf.h"

/* What is known of a packet's flow, between the functions that deal with it. */
struct conn_work {
	struct conntrack_key key;
	__u64 hash;
	__u64 clocked;	      /* kept from packet to packet: the jiffy of `now` */
	__u64 now_ns;	      /* … and the same in ns */
	struct conn_tcp flow; /* as it was found, then as it is to be */
	/* What a flow carried that moves, in between. */
	__u64 taken[CONNTRACK_SUM_WORDS];
	__u64 taken_first_ns;
	__u32 taken_vlan;
	__u64 ended[CONNTRACK_SUM_WORDS]; /* what one carried whose place is claimed */
	__u32 own_table, own_index;	  /* where it goes */
	__u8 own_in_old;
	struct conn_segment segment;
	__u32 word; /* as it was found */
	__u32 index;
	__u32 now;	   /* tick */
	__u8 table;	   /* enum conn_table */
	__u8 side;	   /* which end of the key the sender is */
	__u8 is_kept;	   /* the flow is to be changed, or made, if the packet passes */
	__u8 displaces;	   /* the place it gets is taken from another */
	__u8 in_old;	   /* it works in the tables of before a reload */
	__u8 has_turned;   /* and others may be working in those that are new */
	__u8 is_over;	   /* the one that was found: the packet begins it anew */
	__u8 is_added;	   /* its own flow has a place since */
	__u8 has_sides;	   /* what the packet shows of flow.side is to be written */
	__u8 is_refreshed; /* the flow's time was written */
	__u8 is_weak;	   /* it is to leave places to those that have shaken hands */
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
	return (probe_told_ns() ?: clock_ns()) >> CONNTRACK_TICK_SHIFT;
}

/* The tables the packet works in: around a reload the old ones, until no packet works in the
 * program before. */
static __always_inline __u32 proven_of(const struct conn_work *work)
{
	return old_state.exists && work->in_old ? CONN_OLD_PROVEN : CONN_PROVEN;
}

static __always_inline __u32 half_of(const struct conn_work *work)
{
	return old_state.exists && work->in_old ? CONN_OLD_HALF : CONN_HALF;
}

static __always_inline bool table_is_half(__u32 table)
{
	return table == CONN_HALF || table == CONN_OLD_HALF;
}

/* The coarse clock moves with jiffies, which are read without a call: it is asked once for each (15
 * ns). */
static __always_inline void conn_look_at_clock(struct conn_work *work)
{
	__u64 jiffies = bpf_jiffies64(), told_ns = probe_told_ns();

	if (work->clocked == jiffies && !told_ns)
		return;
	work->clocked = jiffies;
	work->now_ns = told_ns ?: clock_ns();
	work->now = work->now_ns >> CONNTRACK_TICK_SHIFT;
}

static __always_inline bool flow_is_gone(const struct conntrack_flow *flow, __u32 now)
{
	return !conntrack_is_there(flow->word, flow->expires_ticks, now);
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

static __always_inline bool tag_is_at(const struct conntrack_set *set, __u32 way, __u16 tag)
{
	return (__u16)(*(volatile __u64 *)&set->tags[way >> 2 & 1] >> (way & 3) * 16) == tag;
}

static __always_inline bool flow_is_at(const struct conn_work *work, enum conn_table table,
				       __u32 index)
{
	const struct conntrack_flow *flow = flow_at(table, index);

	sum_expect(table, index);
	return flow && key_is(&flow->key, &work->key) && !flow_is_gone(flow, work->now);
}

/* Most proven flows are where they would be first. So both far lines, tags and flow, are asked for
 * at once; by its tag the flow would be the later one. */
static __always_inline int set_guess(const struct conn_work *work, enum conn_table table,
				     const struct conntrack_set *set, __u32 number)
{
	__u32 way = conntrack_way(work->hash), index = number * CONNTRACK_WAYS + way;
	bool is_tagged = tag_is_at(set, way, conntrack_tag(work->hash));

	return table == CONN_PROVEN && flow_is_at(work, table, index) && is_tagged ? (int)index :
										     -1;
}

/* The place of the flow in a set, as index of its table; -1: not there. */
static __always_inline int set_look(const struct conn_work *work, enum conn_table table,
				    __u32 number)
{
	const struct conntrack_set *set = set_at(table, number);

	if (!work || !set)
		return -1;
	int guess = set_guess(work, table, set, number);

	if (guess >= 0)
		return guess;
	LOOP_ROLLED
	for (__u32 half = 0; half < CONNTRACK_WAYS / 4; half++) {
		__u64 matching = tags_matching(*(volatile __u64 *)&set->tags[half],
					       conntrack_tag(work->hash));

		LOOP_ROLLED
		for (int i = 0; i < 4 && matching; i++) {
			__u32 index = number * CONNTRACK_WAYS + half * 4 + tag_lowest(matching);

			if (flow_is_at(work, table, index))
				return index;
			matching &= matching - 1;
		}
	}
	return -1;
}

/* Global, each of them, so that the verifier walks it once; one a table, so that it is known there.
 */
__noinline int conn_look_proven(struct conn_work *work, __u32 number)
{
	return set_look(work, CONN_PROVEN, number);
}

__noinline int conn_look_half(struct conn_work *work, __u32 number)
{
	return set_look(work, CONN_HALF, number);
}

__noinline int conn_look_old_proven(struct conn_work *work, __u32 number)
{
	return set_look(work, CONN_OLD_PROVEN, number);
}

__noinline int conn_look_old_half(struct conn_work *work, __u32 number)
{
	return set_look(work, CONN_OLD_HALF, number);
}

static __always_inline int proven_look(struct conn_work *work, __u32 table)
{
	__u32 sets = table_sets(table), first = conntrack_first_set(work->hash, sets),
	      second = conntrack_second_set(work->hash, sets);
	bool is_old = old_state.exists && table == CONN_OLD_PROVEN;
	int index = is_old ? conn_look_old_proven(work, first) : conn_look_proven(work, first);

	if (index < 0)
		index = is_old ? conn_look_old_proven(work, second) :
				 conn_look_proven(work, second);
	return index;
}

static __always_inline int half_look(struct conn_work *work, __u32 table)
{
	__u32 number = conntrack_first_set(work->hash, table_sets(table));

	return old_state.exists && table == CONN_OLD_HALF ? conn_look_old_half(work, number) :
							    conn_look_half(work, number);
}

/* Where the flow of work->key is: into work->table and work->index. */
static __always_inline bool conn_find(struct conn_work *work)
{
	int index = proven_look(work, proven_of(work));

	work->table = proven_of(work);
	if (index < 0) {
		index = half_look(work, half_of(work));
		work->table = half_of(work);
	}
	work->index = index;
	if (index < 0)
		work->table = CONN_NOWHERE;
	return index >= 0;
}

/* Puts a tag at the place, or 0. Others may be changing the other three at the same time. */
static __always_inline void tag_put(__u32 table, __u32 index, __u16 tag)
{
	struct conntrack_set *set = set_at(table, index / CONNTRACK_WAYS);
	__u32 shift = (index & 3) * 16;
	bool done = false;

	if (!set)
		return;
	__u64 *word = &set->tags[index / 4 & 1];

	LOOP_ROLLED
	for (int i = 0; i < 8 && !done; i++) {
		__u64 old = *(volatile __u64 *)word;
		__u64 new = (old & ~(0xffffULL << shift)) | (__u64)tag << shift;

		done = __sync_val_compare_and_swap(word, old, new) == old;
	}
}

/* Makes a place this CPU's, whose flow is gone or may go, for flow_write(). */
static __always_inline bool flow_claim(struct conntrack_flow *flow, __u32 word)
{
	return !(word & CONNTRACK_MOVING) &&
	       __sync_val_compare_and_swap(&flow->word, word,
					   conntrack_word_next(word) | CONNTRACK_MOVING) == word;
}

/* Gives a place back that was claimed, once its tag is gone: who takes it next would lose his. */
static __always_inline void flow_free(struct conntrack_flow *flow, __u32 word)
{
	__sync_val_compare_and_swap(&flow->word, word,
				    word & CONNTRACK_LIVE ? conntrack_word_next(word) :
							    word & ~CONNTRACK_MARKS);
}

static __always_inline __u32 conn_lifetime(__u32 proto, __u32 marks)
{
	return conntrack_life_ticks(conntrack_timeouts.ticks[conntrack_timeout_of(proto, marks)],
				    served_is_one_way());
}

/* Which lifetime the packet at hand gives, for who tells when a flow was seen by when it ends. */
static __always_inline __u8 conn_way_flag(void)
{
	return served_is_one_way() ? CONNTRACK_SIDE_ONE_WAY : 0;
}

/* Free places of a set, judged by tags alone: a bit for each, those of the two halves side by side,
 * so that whoever takes the next bit changes the half as well. */
static __always_inline __u64 set_free(const struct conntrack_set *set)
{
	__u64 first = tags_matching(*(volatile __u64 *)&set->tags[0], 0);
	__u64 second = tags_matching(*(volatile __u64 *)&set->tags[1], 0);

	return first >> 15 | second >> 14;
}

static __always_inline __u32 free_count(__u64 free)
{
	__u64 ones = 0x0001000100010001ULL;

	return (free - (free >> 1 & ones)) * ones >> 48;
}

/* How often a place is chosen that somebody else takes: should all fail, the flow is not kept. */
#define CONN_ATTEMPTS 4

/*
 * The free place for an attempt, a place further each time: the one before may be somebody's whose
 * tag does not stand yet, or never will if he was killed. -1: there are not so many.
 */
static __always_inline int free_way(__u64 free, __u32 attempt)
{
	free &= free - (attempt > 0);
	free &= free - (attempt > 1);
	free &= free - (attempt > 2);
	__u64 lowest = free & -free;

	return free ? (int)(!!(lowest & 0x0002000200020002ULL) * 4 + tag_lowest(free)) : -1;
}

/* The place that the flow would have first, if it is free. */
static __always_inline int free_own(const struct conn_work *work, __u64 free, __u32 attempt)
{
	__u32 way = conntrack_way(work->hash);

	return !attempt && free >> ((way & 3) * 16 + (way >> 2)) & 1 ? (int)way :
								       free_way(free, attempt);
}

/* How many places of a set a flow leaves to others. */
static __always_inline __u32 places_left(const struct conn_work *work)
{
	return work->is_weak ? CONNTRACK_RESERVED : 0;
}

/* Writes the flow of `work` where it was claimed. Its tag stands already: the place must not look
 * free once the word says otherwise. */
static __always_inline void flow_write(struct conntrack_flow *flow, const struct conn_work *work)
{
	__u32 marks = work->flow.marks | CONNTRACK_LIVE, word = flow->word;

	flow->key = work->key;
	flow->side[0] = work->flow.side[0];
	flow->side[1] = work->flow.side[1];
	flow->side[0].flags = (flow->side[0].flags & ~CONNTRACK_SIDE_ONE_WAY) | conn_way_flag();
	flow->expires_ticks = work->now + conn_lifetime(work->key.proto, marks);
	__sync_val_compare_and_swap(&flow->word, word, (word & ~CONNTRACK_MARKS) | marks);
}

/* The place of a half-open flow: a free one, else the one whose turn it is. Another at each
 * attempt, as the one before may be somebody's who has not said so yet. */
__noinline int conn_place_half(struct conn_work *work, __u32 attempt)
{
	if (!work)
		return -1;
	__u32 number = conntrack_first_set(work->hash, table_sets(half_of(work)));
	struct conntrack_set *set = set_at(half_of(work), number);

	if (!set)
		return -1;
	int way = free_way(set_free(set), attempt);

	work->displaces = way < 0;
	if (way < 0)
		way = set->next++ & (CONNTRACK_WAYS - 1);
	return number * CONNTRACK_WAYS + way;
}

/* 1: nobody lives there, or what does is over, and nobody is at it. Bits, as in key_is(). */
static __always_inline __u64 flow_is_spare(const struct conntrack_flow *flow, __u32 now)
{
	__u32 word = flow->word, is_live = word / CONNTRACK_LIVE,
	      is_moving = word / CONNTRACK_MOVING, is_late = (flow->expires_ticks - now) >> 31,
	      is_reset = word / CONNTRACK_RESET,
	      is_closed = word / CONNTRACK_FIN_ACKED & word / (CONNTRACK_FIN_ACKED << 1);

	return (~is_live | is_late | is_reset | is_closed) & ~is_moving & 1;
}

/* In a set without a free place, one whose flow is gone, or over. */
__noinline int conn_spare(struct conn_work *work, __u32 number)
{
	__u64 spare = 0;

	if (!work)
		return -1;
	LOOP_ROLLED
	for (__u32 way = 0; way < CONNTRACK_WAYS; way++) {
		const struct conntrack_flow *flow =
			flow_at(proven_of(work), number * CONNTRACK_WAYS + way);

		if (!flow)
			return -1;
		spare |= flow_is_spare(flow, work->now) << (way % 4 * 16 + way / 4);
	}
	if (free_count(spare) <= places_left(work))
		return -1;
	return number * CONNTRACK_WAYS + free_way(spare, 0);
}

/* Of a set that is half empty, the first, where a flow is looked for first; else the emptier of
 * two: of sets taken as they come, some are full long before the table is. */
static __always_inline int proven_free(const struct conn_work *work, __u32 first, __u32 second,
				       __u32 attempt)
{
	const struct conntrack_set *a = set_at(proven_of(work), first);
	const struct conntrack_set *b = set_at(proven_of(work), second);

	if (!a || !b)
		return -1;
	__u64 free_a = set_free(a), free_b = set_free(b);
	bool takes_second =
		free_count(free_a) <= CONNTRACK_WAYS / 2 && free_count(free_b) > free_count(free_a);
	__u64 free = takes_second ? free_b : free_a;
	int way = free_count(free) > places_left(work) ? free_own(work, free, attempt) : -1;

	return way < 0 ? -1 : (int)((takes_second ? second : first) * CONNTRACK_WAYS) + way;
}

/* The place of a flow that has proven itself: never that of one that lives, nor for a weak one
 * what is reserved. */
__noinline int conn_place_proven(struct conn_work *work, __u32 attempt)
{
	if (!work)
		return -1;
	__u32 sets = table_sets(proven_of(work));
	__u32 first = conntrack_first_set(work->hash, sets);
	__u32 second = conntrack_second_set(work->hash, sets);
	int index = proven_free(work, first, second, attempt);

	if (index < 0)
		index = conn_spare(work, first);
	return index < 0 ? conn_spare(work, second) : index;
}

#endif
