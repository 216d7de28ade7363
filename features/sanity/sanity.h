/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `sanity` agree on. */
#ifndef WEIR_SANITY_H
#define WEIR_SANITY_H

#include "../../abi/image.h"
#include "../../abi/maps.h"
#include "../../abi/packet.h"

/* What can be checked, as bits; each is a way to end in abi/reason.h. */
enum sanity_check {
	SANITY_MALFORMED = 1 << 0,
	SANITY_TINY = 1 << 1,
	SANITY_OVERLAP = 1 << 2,
	SANITY_TCP_FLAGS = 1 << 3,
	SANITY_LAND = 1 << 4,
	SANITY_MARTIAN = 1 << 5,
	SANITY_ETHERTYPE = 1 << 6,
	SANITY_ARP = 1 << 7,
	SANITY_NEIGHBOUR = 1 << 8,
	SANITY_BOGON = 1 << 9,
	SANITY_PATH_STRICT = 1 << 10,
	SANITY_PATH_LOOSE = 1 << 11,
};

#define SANITY_PATH (SANITY_PATH_STRICT | SANITY_PATH_LOOSE)
/* What only makes sense where packets arrive. */
#define SANITY_INGRESS_ONLY (SANITY_OVERLAP | SANITY_BOGON | SANITY_PATH)
/* What is ordinary on the loopback device. */
#define SANITY_NOT_ON_LOOPBACK (SANITY_LAND | SANITY_MARTIAN | SANITY_BOGON | SANITY_PATH)

#define SANITY_ETHERTYPES 16
#define SANITY_OWN_ETHERTYPES 3 /* of them: IPv4, IPv6 and ARP, which need not be listed */
#define SANITY_LLC 0		/* stands for frames whose type field is a length (IEEE 802.3) */
#define SANITY_ETHERTYPE_LEAST 0x0600

/* What is checked at an interface, in one direction. */
struct sanity_row {
	__u32 checks; /* enum sanity_check */
	__u32 spare;
	union {
		__be16 ethertype[SANITY_ETHERTYPES];
		__u64 ethertypes[SANITY_ETHERTYPES / 4];
	};
	__u64 spare2[3];
};

/* WEIR_SECTION_SANITY_IFACES: a row for each interface slot and direction. */
#define SANITY_ROW(slot, direction) ((slot)*WEIR_DIRECTIONS + (direction))
#define SANITY_ROWS (WEIR_INTERFACES_MAX * WEIR_DIRECTIONS)

/*
 * WEIR_SECTION_SANITY: for user space, what rows are made from, which is the row of an interface
 * that every name matches, and this line; then a bit for each address class, set when it is a
 * bogon; then, for user space, names and patterns, four a line.
 */
#define SANITY_LINE_BASE 0
#define SANITY_LINE_NAMES 1
#define SANITY_LINE_CLASSES 2
#define SANITY_CLASSES_A_LINE (8 * WEIR_LINE_BYTES)
#define SANITY_NAME_BYTES 16

struct sanity_names {
	__u32 first;  /* line of the first name */
	__u32 bogons; /* names of interfaces with SANITY_BOGON, from the first on */
	__u32 paths;  /* of those with SANITY_PATH, behind */
	__u32 spare[13];
};

/* A row: X(identifier, name, help). */
#define SANITY_COUNTERS(X)                                                                   \
	X(SANITY_FRAGMENTS_FORGOTTEN, "fragments_forgotten",                                 \
	  "Datagrams whose fragments were no longer followed, since the table was full.")    \
	X(SANITY_PATH_NO_FORWARDING, "path_no_forwarding",                                   \
	  "Packets whose way back was not looked up, since the interface does not forward.") \
	X(SANITY_PATH_UNKNOWN, "path_unknown", "Packets whose way back the kernel could not tell.")

enum sanity_counter {
#define X(identifier, name, help) identifier,
	SANITY_COUNTERS(X)
#undef X
	SANITY_COUNTER_COUNT,
};

/* Sets of four datagrams whose fragments are followed at one time; a power of two. */
#define SANITY_FRAGMENT_SETS 1024

/* Constants of the data path. */
struct sanity_constants {
	__u32 checks; /* any interface asks for: the rest is not even in the program */
};

_Static_assert(sizeof(struct sanity_row) == WEIR_LINE_BYTES &&
		       sizeof(struct sanity_names) == WEIR_LINE_BYTES,
	       "a line each");

#endif
