/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Buckets, and what a packet is held to by one: the limits of features/limit and those of rules
 * share a table (bpf/lib/limit.h). docs/design/limits.md
 */
#ifndef WEIR_ABI_LIMIT_H
#define WEIR_ABI_LIMIT_H

#include "image.h"

/*
 * Time in a bucket is counted in units of 64 ns, in the upper 44 bits of a word: modulo 13 days.
 * The lower 20 bits of a cost are its fraction of a unit, those of a word a fingerprint: a bucket
 * has no room for fractions, so they are rounded by chance, which is exact in the mean.
 */
#define LIMIT_UNIT_SHIFT 6
#define LIMIT_PRINT_BITS 20
#define LIMIT_PRINT_MASK ((1ULL << LIMIT_PRINT_BITS) - 1)
#define LIMIT_NS_SHIFT (LIMIT_PRINT_BITS - LIMIT_UNIT_SHIFT) /* from ns */
/* No bucket takes longer to drain (a day, with room to spare); what says more is a word that was
 * left for days and has come round again. */
#define LIMIT_DEBT_BITS 61
/* From here on a cost is whole units, since rounding it so errs by 1 in 4,000 at the most. */
#define LIMIT_WHOLE (1ULL << (LIMIT_PRINT_BITS + 11))
/* Clocks of two processors, and roundings, may differ by so much: 4 us. */
#define LIMIT_SLACK (64ULL << LIMIT_PRINT_BITS)
#define LIMIT_DAY_NS (86400ULL * 1000000000)
/* A bucket that drains faster is judged by the exact clock: the coarse one may stand still for 10
 * ms. */
#define LIMIT_COARSE_NS 1000000000ULL

#define LIMIT_WAYS 8

/* st_limit: eight buckets. A word is the time up to which all that came is paid for, and whose it
 * is. */
struct limit_line {
	__u64 words[LIMIT_WAYS];
} __attribute__((aligned(64)));

static inline __u64 limit_time(__u64 ns)
{
	return ns << LIMIT_NS_SHIFT & ~LIMIT_PRINT_MASK;
}

/* What a bucket still owes; 0 for one that nobody has. */
static inline __u64 limit_debt(__u64 word, __u64 now)
{
	__u64 debt = (word & ~LIMIT_PRINT_MASK) - now;

	return word && debt - 1 < 1ULL << LIMIT_DEBT_BITS ? debt : 0;
}

/* cfg_limit */
struct limit_shared {
	__u64 seed; /* of the hash that chooses a line; 0: not drawn yet */
};

enum limit_end {
	LIMIT_PER_SOURCE,
	LIMIT_PER_DESTINATION,
	LIMIT_PER_TOTAL,
};

enum limit_flag {
	LIMIT_COUNTS_BYTES = 1 << 0,
	LIMIT_IS_DRY = 1 << 1,
	LIMIT_IS_FINE = 1 << 2, /* judged by the exact clock */
	LIMIT_HAS_SPORTS = 1 << 3,
	LIMIT_HAS_DPORTS = 1 << 4,
};

/* A line of a policy: what a packet costs, and whose bucket it is charged to. */
struct limit_row {
	__u64 id;	 /* of its name: buckets are its own whichever row it has */
	__u64 per;	 /* cost of a packet, or of a byte, in units, 20 bits of fraction */
	__u64 room;	 /* what a bucket may owe, likewise */
	__be64 mask4;	 /* of the lower half of an IPv4 address, ::ffff:a.b.c.d */
	__be64 mask6[2]; /* of an IPv6 address */
	__u32 most;	 /* bytes of a packet that are counted: more than `room` are not in it */
	__u16 count;	 /* row of ctr_limit */
	__u8 end;	 /* enum limit_end */
	__u8 flags;	 /* enum limit_flag */
	__u32 service;	 /* mask of protocol << 16 | destination port: whether each has a bucket */
};

/* ctr_limit: a row for each value of a name's hash, so that it stays the limit's own; behind them
 * one for all that are not of features/limit together, of which only who was not held is counted.
 */
#define LIMIT_COUNT_ROWS 4096
#define LIMIT_COUNT_OTHERS LIMIT_COUNT_ROWS

struct limit_count {
	__u64 passed, passed_bytes;
	__u64 over, over_bytes; /* dropped, or would have been */
	__u64 crowded; /* of those passed: no bucket was free, so they were not held to the limit */
	__u64 raced;   /* likewise: other processors were always first */
};

#define LIMIT_COUNT_WORDS (sizeof(struct limit_count) / sizeof(__u64))

/* In p->list, for events and explain: which limit dropped it. No list has such a number. */
#define LIMIT_LIST 0x80000000U
/* Where a probe tells which limit it met: an address on an allow list meets none. */
#define LIMIT_NEVER 0x40000000U

/* Constants of the table: rodata `limit_table`. */
struct limit_table_constants {
	__u32 lines; /* of st_limit; 0: nothing is held to a limit, and no code for it is there */
};

_Static_assert(sizeof(struct limit_row) <= WEIR_LINE_BYTES &&
		       sizeof(struct limit_line) == WEIR_LINE_BYTES,
	       "a line each");

#endif
