/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which backend a client had, for as long as its service remembers. A set of eight places by hash;
 * where all are taken, the one that would be forgotten first makes room. docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_AFFINITY_BPF_H
#define WEIR_BALANCE_AFFINITY_BPF_H

#include "../../bpf/lib/cursor.h"
#include "../../bpf/lib/scratch.h"
#include "../../bpf/lib/served.h"
#include "balance_counter.bpf.h"
#include "balance_lines.bpf.h"

/* Sets of st_affinity. */
const volatile __u32 balance_affinity_sets = 1;

/*
 * writes: the data path: who changes a place claims it by its word; balance_affinity.c forgets
 * reads: the data path, features/balance/balance_affinity.c
 * full: the client of a set that would be forgotten first is displaced, which is counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct balance_affinity_set);
} st_affinity SEC(".maps");

/* What is looked for, and where it was found. */
struct affinity_work {
	struct balance_affinity want; /* service 0: nobody is remembered */
	__u32 at;		      /* BALANCE_AFFINITY_WAYS: nowhere */
	__u32 word;		      /* as it was found */
	__u32 now, spare;
};

SCRATCH_HOLDS(struct affinity_work);

static __always_inline struct affinity_work *affinity_work(void)
{
	return scratch(SCRATCH_AFFINITY);
}

static __always_inline struct balance_affinity_set *affinity_set(const struct affinity_work *work)
{
	__u32 row = (__u64)balance_affinity_hash(&work->want) * balance_affinity_sets >> 32;

	return bpf_map_lookup_elem(&st_affinity, &row);
}

#define AFFINITY_LOOKS 64

/* Some 200 ns, and few instructions: the verifier walks each turn of the loop around it. */
static __always_inline void affinity_wait(void)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < 8; i++)
		bpf_ktime_get_ns();
}

/*
 * The word of a place, once nobody is at it. He needs some hundreds of nanoseconds where the line
 * goes to and fro between two processors, and some microseconds where an interrupt comes between.
 * All is waited for, some ten microseconds: who is longer at it has lost his processor.
 */
__noinline int affinity_settled(const struct balance_affinity *place)
{
	__u32 word = place ? *(const volatile __u32 *)&place->word : 0;

	LOOP_ROLLED
	for (int i = 0; i < AFFINITY_LOOKS && word & BALANCE_AFFINITY_WRITTEN; i++) {
		affinity_wait();
		word = *(const volatile __u32 *)&place->word;
	}
	return word;
}

static __always_inline bool affinity_is(const struct balance_affinity *place,
					const struct balance_affinity *want)
{
	return !((place->client.be64[0] ^ want->client.be64[0]) |
		 (place->client.be64[1] ^ want->client.be64[1]) | (place->service ^ want->service));
}

/* Whoever claims a place changes its word first: between the number and the client that were read,
 * the place may have become another's, and the number is not his. */
static __always_inline bool affinity_is_still(const struct balance_affinity *place, __u32 word)
{
	__asm__ volatile("" : : : "memory");
	return *(const volatile __u32 *)&place->word == word;
}

/* The first place of the client: its number, 0 where he has none. */
__noinline int affinity_look(void)
{
	struct affinity_work *work = affinity_work();
	const struct balance_affinity_set *set = work ? affinity_set(work) : NULL;

	if (!work || !set)
		return 0;
	work->at = BALANCE_AFFINITY_WAYS;
	LOOP_ROLLED
	for (__u32 i = 0; i < BALANCE_AFFINITY_WAYS; i++) {
		const struct balance_affinity *place = &set->at[i];
		__u32 word = affinity_settled(place);

		if (word & BALANCE_AFFINITY_WRITTEN || !(word & BALANCE_AFFINITY_NUMBER) ||
		    !affinity_is(place, &work->want) ||
		    (__s32)(place->expires_ticks - work->now) <= 0 ||
		    !affinity_is_still(place, word))
			continue;
		work->at = i;
		work->word = word;
		return word & BALANCE_AFFINITY_NUMBER;
	}
	return 0;
}

static __always_inline void affinity_want(struct affinity_work *work, const struct pkt *p,
					  const struct served *served,
					  const struct balance_choice *choice)
{
	const struct weir_addr *client = served->kind == SERVED_FROM_BACKEND ? &p->dst : &p->src;

	work->want.client.be64[0] = client->be64[0] & choice->mask.be64[0];
	work->want.client.be64[1] = client->be64[1] & choice->mask.be64[1];
	work->want.service = choice->name;
	work->want.expires_ticks = served->now + choice->timeout_ticks;
	work->now = served->now;
}

/* The number of the backend that the packet's client had; 0: nobody knows. */
__noinline int balance_affinity_find(const struct pkt *p, __u32 row)
{
	const struct balance_choice *choice = p ? choice_at(p, row) : NULL;
	const struct served *served = served_work();
	struct affinity_work *work = affinity_work();

	if (!work)
		return 0;
	work->want.service = 0;
	if (!choice || !choice->timeout_ticks || !served)
		return 0;
	affinity_want(work, p, served, choice);
	return affinity_look();
}

/* The place that was found: its client has come again, or goes on. */
static __always_inline void affinity_write_time(const struct affinity_work *work)
{
	struct balance_affinity_set *set = affinity_set(work);

	if (!set || work->at >= BALANCE_AFFINITY_WAYS)
		return;
	struct balance_affinity *place = &set->at[work->at & (BALANCE_AFFINITY_WAYS - 1)];

	if (work->want.expires_ticks - place->expires_ticks >= BALANCE_AFFINITY_STEP_TICKS)
		place->expires_ticks = work->want.expires_ticks;
}

__noinline int balance_affinity_prolong(const struct pkt *p)
{
	const struct affinity_work *work = affinity_work();

	if (p && !p->probe && work)
		affinity_write_time(work);
	return 0;
}

/* The place that a client gets: a free one, else that of who would be forgotten first. */
__noinline int affinity_place(void)
{
	struct affinity_work *work = affinity_work();
	const struct balance_affinity_set *set = work ? affinity_set(work) : NULL;
	__u32 best = 0, least = ~0u, word = 0;

	if (!work || !set)
		return -1;
	LOOP_ROLLED
	for (__u32 i = 0; i < BALANCE_AFFINITY_WAYS; i++) {
		const struct balance_affinity *place = &set->at[i];
		__u32 left = place->expires_ticks - work->now;

		__u32 found = *(const volatile __u32 *)&place->word;

		left = (__s32)left <= 0 || !(found & BALANCE_AFFINITY_NUMBER) ? 0 : left;
		best = left < least ? i : best;
		word = left < least ? found : word;
		least = left < least ? left : least;
	}
	work->word = word;
	return best | !!least << 8;
}

static __always_inline bool word_change(struct balance_affinity *place, __u32 old, __u32 new)
{
	return __sync_val_compare_and_swap(&place->word, old, new) == old;
}

/* 1: the client has the place now. */
__noinline int affinity_claim(__u32 at, __u32 number)
{
	const struct affinity_work *work = affinity_work();
	struct balance_affinity_set *set = work ? affinity_set(work) : NULL;

	if (!work || !set)
		return 0;
	struct balance_affinity *place = &set->at[at & (BALANCE_AFFINITY_WAYS - 1)];
	__u32 word = work->word;
	__u32 next = (word & ~(BALANCE_AFFINITY_NUMBER | BALANCE_AFFINITY_WRITTEN)) +
		     BALANCE_AFFINITY_TURN;

	if (word & BALANCE_AFFINITY_WRITTEN ||
	    !word_change(place, word, next | BALANCE_AFFINITY_WRITTEN))
		return 0;
	place->client = work->want.client;
	place->service = work->want.service;
	place->expires_ticks = work->want.expires_ticks;
	word_change(place, next | BALANCE_AFFINITY_WRITTEN, next | number);
	return 1;
}

/* Where he was, with a backend that gets nothing new. 1: that is so no more. */
__noinline int affinity_change(__u32 number)
{
	const struct affinity_work *work = affinity_work();
	struct balance_affinity_set *set = work ? affinity_set(work) : NULL;

	if (!work || !set || work->at >= BALANCE_AFFINITY_WAYS)
		return 0;
	struct balance_affinity *place = &set->at[work->at & (BALANCE_AFFINITY_WAYS - 1)];
	__u32 next = (work->word & ~BALANCE_AFFINITY_NUMBER) + BALANCE_AFFINITY_TURN;

	if (word_change(place, work->word, next | number))
		place->expires_ticks = work->want.expires_ticks;
	return 1;
}

static __always_inline void affinity_add(const struct pkt *p, __u32 number)
{
	int place = affinity_place();

	if (place >= 0 && affinity_claim(place, number) && place >> 8)
		balance_count(p, BALANCE_COUNT_DISPLACED);
}

/* Should all fail, others were quicker, and the client is remembered when he comes again. */
#define AFFINITY_ATTEMPTS 3

/*
 * A backend was chosen for a client that had none, or one that gets nothing new: the number of the
 * one he has from now on. Two connections of his may be here at once, on two CPUs, each with a
 * backend of its own. Whoever is done looks again, and what stands first in the set is what both
 * take: who wrote later sees the other's place, or waits until it is written.
 */
__noinline int balance_affinity_keep(const struct pkt *p, int number)
{
	const struct affinity_work *work = affinity_work();

	if (!p || !work || !number || p->probe || !work->want.service)
		return number;
	int found = 0;

	LOOP_ROLLED
	for (int i = 0; i < AFFINITY_ATTEMPTS && !found; i++) {
		if (!affinity_change(number))
			affinity_add(p, number);
		found = affinity_look();
	}
	return found ?: number;
}

/* Once a second of each flow: its client is remembered while he goes on, where he still is. */
__noinline int balance_affinity_refresh(const struct pkt *p)
{
	const struct served *served = served_work();

	if (!p || p->probe || !served || !served->is_refreshed || !served->owner ||
	    served->kind == SERVED_NOT || served->is_quote)
		return 0;
	if (balance_affinity_find(p, served->row) == served->owner)
		balance_affinity_prolong(p);
	return 0;
}

#endif
