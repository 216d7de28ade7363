/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Buckets: the generic cell rate algorithm (virtual scheduling, ITU-T I.371, annex A), in words of
 * 64 bits that all processors share. Compiles natively too (unit tests); clock and chance come in
 * from outside. docs/design/limits.md
 */
#ifndef WEIR_BPF_LIMIT_BUCKET_H
#define WEIR_BPF_LIMIT_BUCKET_H

#include "../../abi/limit.h"
#include "cursor.h"

struct limit_ask {
	__u64 now;  /* whole units, where a word has its time */
	__u64 cost; /* with its fraction */
	__u64 step; /* rounded, one way or the other */
	__u64 room;
	__u32 line[2]; /* the two a source may have its bucket in */
	__u32 print;   /* fingerprint, never 0 */
	__u32 is_look; /* nothing is charged */
	__u32 is_last; /* try: charged though another processor comes between */
	__u32 spare;
};

enum limit_answer {
	LIMIT_PASSES,
	LIMIT_OVER,
	LIMIT_CROWDED, /* both lines are full of others */
	LIMIT_RACED,   /* another processor was first: try again */
};

/* Hides from the compiler what a number comes from: it would make a branch of it, and the verifier
 * would walk all behind it once for each way. */
#define LIMIT_OPAQUE(number) __asm__ volatile("" : "+r"(number))

/* Rounded so that the mean is the cost; `chance` is any number of 32 bits. */
static __always_inline __u64 limit_step(__u64 cost, __u32 chance)
{
	return (cost + (chance & LIMIT_PRINT_MASK)) & ~LIMIT_PRINT_MASK;
}

static __always_inline __u64 limit_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* Where the bucket of a limit and an address may lie, and its fingerprint. */
static __always_inline void limit_place(struct limit_ask *ask, __u64 hash, __u32 lines)
{
	__u64 other = hash * 0xd6e8feb86659fd93ULL;

	other ^= other >> 32;
	other *= 0xd6e8feb86659fd93ULL;
	ask->line[0] = ((hash >> 32) * lines) >> 32;
	ask->line[1] = ((other >> 32) * lines) >> 32;
	/* Of `hash` itself the low bits do not know what the high bits of the last word were. */
	ask->print = (other & LIMIT_PRINT_MASK) ?: 1;
}

/* Of eight words, a bit each: those with this fingerprint. */
static __always_inline __u32 limit_scan(const struct limit_line *line, __u32 print)
{
	__u32 mine = 0;

	for (int i = 0; i < LIMIT_WAYS; i++) {
		__u64 word = *(volatile const __u64 *)&line->words[i];
		__u64 differs = (word ^ print) & LIMIT_PRINT_MASK;

		LIMIT_OPAQUE(differs);
		mine |= (__u32)((differs - 1) >> 63) << i;
	}
	return mine;
}

/* Those that are empty; if none is, those that owe nothing: so a source that comes again finds its
 * word, and one cache line is enough for it. */
static __always_inline __u32 limit_scan_free(const struct limit_line *line, __u64 now)
{
	__u32 empty = 0, past = 0;

	for (int i = 0; i < LIMIT_WAYS; i++) {
		__u64 word = *(volatile const __u64 *)&line->words[i];
		__u64 ahead = ((word & ~LIMIT_PRINT_MASK) - now - 1) >> LIMIT_DEBT_BITS;
		__u64 print = word & LIMIT_PRINT_MASK;

		LIMIT_OPAQUE(ahead);
		LIMIT_OPAQUE(print);
		past |= (__u32)((ahead + 7) >> 3) << i;
		empty |= (__u32)((print - 1) >> 63) << i;
	}
	return empty ?: past;
}

/* Number of the lowest of eight bits, one of which is set, by a de Bruijn sequence. */
static __always_inline __u32 limit_lowest(__u32 bits)
{
	const __u32 numbers =
		0U << 0 | 1U << 4 | 6U << 8 | 2U << 12 | 7U << 16 | 5U << 20 | 4U << 24 | 3U << 28;

	return numbers >> (((bits & -bits) * 0x1d & 0xff) >> 5 << 2) & (LIMIT_WAYS - 1);
}

/*
 * The last try adds, which never fails. What was read may be one packet of each other processor
 * old, so a bucket may owe that much more than its room; all of it is owed, and nothing is let
 * pass on top. Between the look and the addition the bucket may have become another's: it would
 * have had to run dry in these nanoseconds.
 */
static __always_inline enum limit_answer limit_write(__u64 *word, __u64 seen, __u64 debt,
						     const struct limit_ask *ask)
{
	if (ask->is_last && debt) {
		__sync_fetch_and_add(word, ask->step);
		return LIMIT_PASSES;
	}
	__u64 next = (ask->now + debt + ask->step) | ask->print;

	return __sync_val_compare_and_swap(word, seen, next) == seen ? LIMIT_PASSES : LIMIT_RACED;
}

static __always_inline enum limit_answer limit_charge(__u64 *word, bool is_mine,
						      const struct limit_ask *ask)
{
	__u64 seen = *(volatile __u64 *)word;
	__u64 debt = limit_debt(seen, ask->now);

	if (is_mine ? (seen ^ ask->print) & LIMIT_PRINT_MASK : debt)
		return LIMIT_RACED;
	/*
	 * The limit was lowered, or this word has come round: it must not owe for longer. A last
	 * packet that was rounded up, or those that several processors added, are owed and stay so:
	 * where all are cut down to the room, a flood has a part of them for nothing.
	 */
	if (debt > ask->room + LIMIT_SLACK && !ask->is_look)
		__sync_val_compare_and_swap(
			word, seen, ((ask->now + ask->room) & ~LIMIT_PRINT_MASK) | ask->print);
	if (debt + ask->cost > ask->room)
		return LIMIT_OVER;
	return ask->is_look ? LIMIT_PASSES : limit_write(word, seen, debt, ask);
}

/*
 * One try. A source that is not in its first line may be in its second, from when the first was
 * full; else it gets a free word, of the first if there is one. Two processors that meet a new
 * source at one instant take the same free word, and one of them tries again; where a word ran dry
 * between their looks they may take two, and the source has two bursts, once.
 */
static __always_inline enum limit_answer limit_try(struct limit_line *first,
						   struct limit_line *second,
						   const struct limit_ask *ask)
{
	struct limit_line *line = first;
	__u32 mine = limit_scan(first, ask->print), free = 0;

	if (!mine) {
		line = second;
		mine = limit_scan(second, ask->print);
	}
	if (!mine) {
		line = first;
		free = limit_scan_free(first, ask->now);
		if (!free) {
			line = second;
			free = limit_scan_free(second, ask->now);
		}
		if (!free)
			return LIMIT_CROWDED;
	}
	return limit_charge(&line->words[limit_lowest(mine ?: free)], mine, ask);
}

/* The least of `least` and what the words of a line owe, each with its number in the low bits,
 * where a debt has nothing. */
static __always_inline __u64 limit_least(const struct limit_line *line, __u64 now, __u64 first,
					 __u64 least)
{
	for (__u64 i = 0; i < LIMIT_WAYS; i++) {
		__u64 word = *(volatile const __u64 *)&line->words[i];
		__u64 debt = ((word & ~LIMIT_PRINT_MASK) - now) | (first + i);
		__u64 less = (__u64)((__s64)(debt - least) >> 63);

		LIMIT_OPAQUE(less);
		least ^= (least ^ debt) & less;
	}
	return least;
}

/*
 * Who finds both lines full passes, and one in sixteen of them takes the word that owes least. So
 * a source that sends much has a bucket soon, and owes more than the others from then on, so that
 * it is not the one to be replaced; who loses a word had next to nothing in it.
 */
static __always_inline void limit_replace(struct limit_line *first, struct limit_line *second,
					  const struct limit_ask *ask)
{
	__u64 least = limit_least(first, ask->now, 0, 1ULL << 62);

	least = limit_least(second, ask->now, LIMIT_WAYS, least);
	struct limit_line *line = least & LIMIT_WAYS ? second : first;
	__u64 *word = &line->words[least & (LIMIT_WAYS - 1)];
	__u64 seen = *(volatile __u64 *)word;

	if ((((seen & ~LIMIT_PRINT_MASK) - ask->now) ^ least) & ~LIMIT_PRINT_MASK)
		return; /* somebody pays into it */
	__sync_val_compare_and_swap(word, seen, (ask->now + ask->step) | ask->print);
}

#define LIMIT_TRIES 4
#define LIMIT_REPLACE_ONE_IN 16

#endif
