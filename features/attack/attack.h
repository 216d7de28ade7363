/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `attack` agree on. */
#ifndef WEIR_ATTACK_H
#define WEIR_ATTACK_H

#include "../../abi/alarm.h"
#include "../../abi/image.h"
#include "../../abi/maps.h"

/* What a packet counts as: nothing in particular, or 1 + enum weir_flood. */
#define ATTACK_OTHER 0
#define ATTACK_KIND(flood) (1 + (flood))
#define ATTACK_KINDS 8 /* room, which is a power of two: 6 are used */

/* ctr_attack: packets that arrived at an interface. Those that begin a flow are in ctr_reason, and
 * here as what they are besides. */
struct attack_count {
	__u64 packets[ATTACK_KINDS];
} __attribute__((aligned(64)));

/* Constants of the data path. */
struct attack_constants {
	__u8 enabled; /* 0: nothing is counted, and nothing of it is in the program */
};

_Static_assert(sizeof(struct attack_count) == WEIR_LINE_BYTES &&
		       ATTACK_KIND(WEIR_FLOOD_COUNT) <= ATTACK_KINDS,
	       "what is counted of a packet is one cache line");

#endif
