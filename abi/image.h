/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One compiled policy = one image = one array of 64-byte lines in the kernel. Line 0 is the header
 * below; everything a generation needs is in sections behind it, so that swapping a policy is
 * swapping one number.
 */
#ifndef WEIR_ABI_IMAGE_H
#define WEIR_ABI_IMAGE_H

#include <linux/types.h>

#define WEIR_LINE_BYTES 64

struct weir_line {
	union {
		__u8 u8[WEIR_LINE_BYTES];
		__u16 u16[WEIR_LINE_BYTES / 2];
		__u32 u32[WEIR_LINE_BYTES / 4];
		__u64 u64[WEIR_LINE_BYTES / 8];
	};
} __attribute__((aligned(WEIR_LINE_BYTES)));

/*
 * Where a section lies. FAR: in the image, whose size follows the policy; a line costs a call, 9
 * ns. NEAR: in tab_near, whose size is fixed when the program is loaded; a line costs 1 to 2 ns.
 * PATCHED: near, and written in place for each interface (weir_feature.interface) as it comes.
 */
enum weir_place {
	WEIR_FAR,
	WEIR_NEAR,
	WEIR_PATCHED,
};

/* A row per section: X(identifier, place, what it holds). */
#define WEIR_SECTIONS(X)                                                                   \
	X(WEIR_SECTION_ADDRESSES, WEIR_FAR, "root of the address table (addr_table.h)")    \
	X(WEIR_SECTION_BLOCK, WEIR_FAR, "block: what each address class means")            \
	X(WEIR_SECTION_RULES, WEIR_NEAR, "rules: tables, bit vectors, records")            \
	X(WEIR_SECTION_RULES_IFACES, WEIR_PATCHED, "rules: what each interface means")     \
	X(WEIR_SECTION_RULES_ASKED, WEIR_NEAR, "rules: which interfaces are asked for")    \
	X(WEIR_SECTION_SANITY, WEIR_NEAR, "sanity: checks, and classes of bogons")         \
	X(WEIR_SECTION_SANITY_IFACES, WEIR_PATCHED, "sanity: checks of each interface")    \
	X(WEIR_SECTION_LIMIT, WEIR_NEAR, "limit: which packets, and how many")             \
	X(WEIR_SECTION_SYNPROXY, WEIR_NEAR, "synproxy: whose SYNs are answered, and when") \
	X(WEIR_SECTION_BALANCE, WEIR_FAR, "balance: services, backends, and whose turn it is")

enum weir_section {
#define X(identifier, place, help) identifier,
	WEIR_SECTIONS(X)
#undef X
	WEIR_SECTION_COUNT,
};

#define WEIR_SECTIONS_MAX 11

struct weir_image_header {
	__u32 magic;	    /* WEIR_IMAGE_MAGIC: a slot that was never filled reads 0 */
	__u32 lines;	    /* used, this one included */
	__u32 classes;	    /* address classes, class 0 included */
	__u32 near_lines;   /* used in tab_near; its line 0 is nobody's */
	__u32 patched_line; /* first near line that is written in place; near_lines = none */
	__u32 first_line[WEIR_SECTIONS_MAX]; /* of each section, where it lies; 0 = absent */
};

/* Roots: what a feature reads of every packet, of a fixed size, at the front of the policy
 * (policy_head.h). A row: X(identifier, what stands there). */
#define WEIR_ROOTS(X)                           \
	X(WEIR_ROOT_RULES, "struct rules_root") \
	X(WEIR_ROOT_BALANCE, "struct balance_head")

enum weir_root {
#define X(identifier, help) identifier,
	WEIR_ROOTS(X)
#undef X
	WEIR_ROOT_COUNT,
};

#define WEIR_ROOT_LINES 16

#define WEIR_IMAGE_MAGIC 0x77656972 /* "weir" */

_Static_assert(sizeof(struct weir_line) == WEIR_LINE_BYTES, "a line is a cache line");
_Static_assert(sizeof(struct weir_image_header) <= WEIR_LINE_BYTES, "the header is one line");
_Static_assert(WEIR_SECTION_COUNT <= WEIR_SECTIONS_MAX,
	       "the header has a number for every section");

#endif
