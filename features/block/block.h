/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `block` agree on: the meaning of an address class, and the live set. */
#ifndef WEIR_BLOCK_H
#define WEIR_BLOCK_H

#include "../../abi/packet.h"

enum block_action {
	BLOCK_ALLOW,
	BLOCK_DENY,
	BLOCK_VERDICTS,		    /* those above decide: the data path knows no others */
	BLOCK_SET = BLOCK_VERDICTS, /* decides nothing: a name for addresses, which rules use */
};

/* Section WEIR_SECTION_BLOCK: one for each address class, four to a line. list 0 = no list of that
 * action. */
struct block_class {
	struct {
		__u32 list; /* id of the list that decides; the lowest id where several match */
		__u32 hit;  /* its (or its entry's) hit counter, 0 = not counted */
	} action[BLOCK_VERDICTS];
};

_Static_assert(sizeof(struct block_class) == 16, "four classes fill a line");

/* set_block: single entries that act at once, with or without expiry. One entry holds what both
 * actions say of one prefix. */
struct block_live_key {
	struct weir_addr addr; /* host bits zero */
	__u32 length;	       /* in the 128-bit address: a v4 /24 is 120 */
	__u32 zero; /* the kernel hashes all bytes: padding would be whatever lay there */
};

struct block_live_side {
	__u64 expires_ns; /* CLOCK_MONOTONIC, 0 = never */
	__u32 list;	  /* 0 = this action says nothing of it */
	__u32 hit;
};

struct block_live {
	struct block_live_side action[BLOCK_VERDICTS];
};

/*
 * cfg_block: the prefix lengths present in set_block, longest first, so that a packet asks only for
 * those. Written so that a length is listed before its first entry is set and goes after its last
 * is gone.
 */
#define BLOCK_V4_LENGTHS 33
#define BLOCK_V6_LENGTHS 129

struct block_lengths {
	__u32 v4_count;
	__u32 v6_count;
	__u8 v4[BLOCK_V4_LENGTHS + 3]; /* 96 to 128 */
	__u8 v6[BLOCK_V6_LENGTHS + 3];
};

/* Constants of the data path. */
struct block_constants {
	__u8 enabled;
};

#define BLOCK_LIVE_DEFAULT 65536

#endif
