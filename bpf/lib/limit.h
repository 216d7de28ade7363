/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Holding a packet to a limit: the one table of buckets, whoever asks. What a limit is about is the
 * asking stage's business.
 */
#ifndef WEIR_BPF_LIMIT_H
#define WEIR_BPF_LIMIT_H

#include "../../abi/limit.h"
#include "clock.h"
#include "endian.h"
#include "limit_bucket.h"
#include "pkt.h"

const volatile struct limit_table_constants limit_table = { .lines = 0 };

/*
 * writes: the data path, by compare-and-swap; limit_table.c (words that are long past)
 * reads: packets that a limit is about
 * full: who has no bucket passes, is counted, and by chance takes that which owes least
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_line);
} st_limit SEC(".maps");

/*
 * writes: features/limit/limit.c, once
 * reads: packets that a limit is about
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_shared);
} cfg_limit SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/limit/limit.c
 * full: cannot be: a row for each hash of a name, and one
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_COUNT_ROWS + 1);
	__type(key, __u32);
	__type(value, struct limit_count);
} ctr_limit SEC(".maps");

/*
 * Scratch, and not on the stack, of which a packet's functions have 512 bytes together; one a CPU
 * is enough, as for rules: a packet is held to one limit after another.
 *
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_ask);
} tmp_limit SEC(".maps");

static __always_inline __u64 limit_hash(const struct pkt *p, const struct limit_row *row)
{
	__u32 zero = 0;
	const struct limit_shared *shared = bpf_map_lookup_elem(&cfg_limit, &zero);
	const struct weir_addr *addr = row->end == LIMIT_PER_DESTINATION ? &p->dst : &p->src;
	bool is_v4 = p->seen & PKT_IPV4;
	__u64 high = addr->be64[0] & row->mask6[0];
	__u64 low = addr->be64[1] & (is_v4 ? row->mask4 : row->mask6[1]);
	__u64 id = row->id ^ (((__u32)p->proto << 16 | be16(p->dport)) & row->service);

	return limit_mix(limit_mix(limit_mix(shared ? shared->seed : 0, id), high), low);
}

static __always_inline void limit_fill(struct limit_ask *ask, const struct pkt *p,
				       const struct limit_row *row)
{
	__u64 bytes = p->len < row->most ? p->len : row->most;
	__u64 cost = row->flags & LIMIT_COUNTS_BYTES ? row->per * bytes : row->per;

	ask->now = limit_time(row->flags & LIMIT_IS_FINE ? bpf_ktime_get_ns() : clock_ns());
	ask->cost = cost;
	ask->step = cost;
	if (cost & LIMIT_PRINT_MASK)
		ask->step = limit_step(cost, bpf_get_prandom_u32());
	ask->room = row->room;
	ask->is_look = p->probe;
	ask->is_last = 0;
	limit_place(ask, limit_hash(p, row), limit_table.lines);
}

/* Global, as the next: walked once by the verifier, not once a try. */
__noinline int limit_try_once(struct limit_ask *ask)
{
	if (!ask)
		return LIMIT_PASSES;
	__u32 first = ask->line[0], second = ask->line[1];
	struct limit_line *a = bpf_map_lookup_elem(&st_limit, &first);
	struct limit_line *b = bpf_map_lookup_elem(&st_limit, &second);

	return a && b ? limit_try(a, b, ask) : LIMIT_CROWDED;
}

__noinline int limit_take_place(struct limit_ask *ask)
{
	if (!ask)
		return 0;
	__u32 first = ask->line[0], second = ask->line[1];
	struct limit_line *a = bpf_map_lookup_elem(&st_limit, &first);
	struct limit_line *b = bpf_map_lookup_elem(&st_limit, &second);

	if (a && b)
		limit_replace(a, b, ask);
	return 0;
}

static __always_inline __u32 limit_answer_of(struct limit_ask *ask)
{
	__u32 answer = LIMIT_RACED;

	LOOP_ROLLED
	for (int i = 0; i < LIMIT_TRIES && answer == LIMIT_RACED; i++) {
		ask->is_last = i == LIMIT_TRIES - 1;
		answer = limit_try_once(ask);
	}
	if (answer == LIMIT_CROWDED && !ask->is_look &&
	    !(bpf_get_prandom_u32() % LIMIT_REPLACE_ONE_IN))
		limit_take_place(ask);
	return answer;
}

/* Whether it may pass; enum limit_answer. */
static __always_inline __u32 limit_hold(const struct pkt *p, const struct limit_row *row)
{
	__u32 zero = 0;
	struct limit_ask *ask = bpf_map_lookup_elem(&tmp_limit, &zero);

	if (!ask)
		return LIMIT_PASSES;
	limit_fill(ask, p, row);
	return limit_answer_of(ask);
}

static __always_inline struct limit_count *limit_counter(__u32 row)
{
	return bpf_map_lookup_elem(&ctr_limit, &row);
}

/* Of a packet that passed: whether it was held at all. */
static __always_inline void limit_count_unheld(struct limit_count *count, __u32 answer)
{
	if (!count)
		return;
	count->crowded += answer == LIMIT_CROWDED;
	count->raced += answer == LIMIT_RACED;
}

#endif
