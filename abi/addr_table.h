/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The compiled address table as it lies in an image: 64-byte lines that core/addr_*.c write and
 * bpf/lib/classify.h reads. docs/design/classify.md explains the structure and its bounds. All
 * numbers, addresses too, are in host byte order.
 */
#ifndef WEIR_ABI_ADDR_TABLE_H
#define WEIR_ABI_ADDR_TABLE_H

#include "image.h"
#include "packet.h"

/* Class 0 is "in no range". Numbers from WEIR_ADDR_CLASSES_MAX up are kept for the marks below. */
#define WEIR_ADDR_CLASSES_MAX 65000
#define WEIR_ADDR_MARK \
	0xffff /* in a palette: slot 0, this node is an inner node; slot 3, a tail hangs here */
#define WEIR_ADDR_TAIL_SLOT 3

/* Lines a look-up may touch below the index; the compiler refuses a deeper table, the loops stop
 * there. */
#define WEIR_ADDR_DEPTH4_MAX 6
#define WEIR_ADDR_DEPTH6_MAX 10
#define WEIR_ADDR_TAIL6_MAX 10

/*
 * Index word, one for each value of an address's top 16 bits: high 4 bits k, low 28 bits a line
 * number. The node is that line plus the next k bits of the address. k = 15: no node, the low 16
 * bits are the class.
 */
#define WEIR_ADDR_INDEX_LINES 4096
#define WEIR_ADDR_INDEX_SHIFT 28
#define WEIR_ADDR_INDEX_LINE 0x0fffffff
#define WEIR_ADDR_INDEX_CLASS 15
#define WEIR_ADDR_INDEX_BITS_MAX 14

struct weir_addr_root {
	__u32 index4;	      /* first line of the IPv4 index; 0: every IPv4 address is class 0 */
	__u32 index6;	      /* likewise for IPv6 */
	__u32 hosts6;	      /* first line of the single IPv6 addresses */
	__u32 hosts6_buckets; /* lines there; 0: none */
	__u64 hosts6_seed;
	__u32 spare[10];
};

/*
 * What every compiled table begins with, in whole lines: of a size known when a program is loaded,
 * so that it can also stand in a map whose look-up the kernel compiles in place. A call to a map's
 * look-up function costs as much as the rest of the search.
 */
struct weir_addr_head {
	struct weir_addr_root root;
	__u32 index4[16 * WEIR_ADDR_INDEX_LINES];
	__u32 index6[16 * WEIR_ADDR_INDEX_LINES];
};

/*
 * A node sorts its window of the address among its keys. In a leaf, an address below every key
 * takes answer 0, one equal to key i (from 0) answer 2i + 1, one between key i and the next answer
 * 2i + 2; an answer is a 2-bit slot of the palette, and a palette slot is a class. So a single
 * address costs one key, not two. In an inner node keys are the last addresses of the children but
 * the last one, and the child is line + (number of keys below the address). Unused keys are the
 * greatest value.
 */
#define WEIR_ADDR_KEYS4 20
#define WEIR_ADDR_KEYS6 8
#define WEIR_ADDR_TAIL_KEYS6 6

/* Window: the low 16 bits. Keys are complemented, which saves the look-up two operations for every
 * four keys. */
struct weir_addr_node4 {
	union {
		struct {
			__u64 word[WEIR_ADDR_KEYS4 / 4]; /* the keys, four at a time */
			__u8 answers[12];		 /* 2 bits each, 42 in use */
			__u32 line;			 /* first child, inner nodes only */
			__u16 palette[4];
		};
		__u16 not_key[WEIR_LINE_BYTES / 2]; /* the first WEIR_ADDR_KEYS4 are keys */
	};
};

/* Window: bits 16 to 63, the rest of the /64. What lies inside one /64 is a tail: the key's own
 * answer is slot 3. */
struct weir_addr_node6 {
	__u32 key_high[WEIR_ADDR_KEYS6];
	__u16 key_low[WEIR_ADDR_KEYS6];
	__u64 meta; /* low 36 bits: answers; high 28: first child or first tail */
	__u16 palette[4];
};

/* Window: bits 64 to 127. */
struct weir_addr_tail6 {
	__u64 key[WEIR_ADDR_TAIL_KEYS6];
	__u64 meta;
	__u16 palette[4];
};

#define WEIR_ADDR_META_SHIFT 36

/*
 * Three single IPv6 addresses with their whole class, in one of two buckets each. An unused place
 * repeats an address that cannot mislead, so a look-up needs no count.
 */
#define WEIR_ADDR_HOSTS6 3

struct weir_addr_hosts6 {
	__u64 key[WEIR_ADDR_HOSTS6][2]; /* high half, low half */
	__u16 class[WEIR_ADDR_HOSTS6];
	__u16 spare;
	__u32 moved; /* one bit of 32 for each address that belongs here but is in its second bucket
		      */
	__u32 spare2;
};

_Static_assert(sizeof(struct weir_addr_root) == WEIR_LINE_BYTES, "the root is one line");
_Static_assert(sizeof(struct weir_addr_head) == (1 + 2 * WEIR_ADDR_INDEX_LINES) * WEIR_LINE_BYTES,
	       "whole lines");
_Static_assert(sizeof(struct weir_addr_node4) == WEIR_LINE_BYTES, "a node is one line");
_Static_assert(sizeof(struct weir_addr_node6) == WEIR_LINE_BYTES, "a node is one line");
_Static_assert(sizeof(struct weir_addr_tail6) == WEIR_LINE_BYTES, "a node is one line");
_Static_assert(sizeof(struct weir_addr_hosts6) == WEIR_LINE_BYTES, "a bucket is one line");

/* Both sides must agree on the hash to the bit, so it stands here; constants are odd and have about
 * half their bits set. */
static inline __u64 weir_addr_hash6(__u64 high, __u64 low, __u64 seed)
{
	__u64 hash = (high ^ seed) * 0x9e3779b97f4a7c15ULL;

	hash = ((hash ^ (hash >> 32)) + low) * 0xd6e8feb86659fd93ULL;
	hash = (hash ^ (hash >> 32)) * 0xa0761d6478bd642fULL;
	return hash ^ (hash >> 32);
}

static inline __u32 weir_addr_bucket6(__u64 hash, __u32 buckets)
{
	return (__u32)(((hash >> 32) * buckets) >> 32);
}

/* The second choice draws on the low half, which the first does not use. */
static inline __u32 weir_addr_bucket6_second(__u64 hash, __u32 buckets)
{
	return (__u32)(((__u64)(__u32)hash * buckets) >> 32);
}

static inline __u32 weir_addr_moved6(__u64 hash)
{
	return 1U << ((hash >> 11) & 31);
}

#endif
