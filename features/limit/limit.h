/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `limit` agree on: limits as the policy has them. Buckets, which the limits
 * of rules have too, are abi/limit.h's. */
#ifndef WEIR_LIMIT_H
#define WEIR_LIMIT_H

#include "../../abi/alarm.h"
#include "../../abi/image.h"
#include "../../abi/limit.h"
#include "../../abi/packet.h"

#define LIMITS_MAX 32
#define LIMIT_SPANS 8 /* of ports, of each end */

/* Packets as the first look tells them apart. */
enum limit_kind {
	LIMIT_KIND_ICMP,
	LIMIT_KIND_UDP,
	LIMIT_KIND_TCP,
	LIMIT_KIND_TCP_SYN, /* without ACK: a connection begins */
	LIMIT_KIND_OTHER,
	LIMIT_KINDS,
};

/*
 * WEIR_SECTION_LIMIT, lines 0 and 1: of each direction and kind, a bit for each limit that is about
 * it. Line 0 is for all packets; line 1 for those that begin a flow, as connection tracking, behind
 * the first look, knows it. Of TCP the SYN tells, so it is in line 0 alone.
 */
enum limit_look {
	LIMIT_LOOK_PACKETS,
	LIMIT_LOOK_BEGINNINGS,
	LIMIT_LOOKS,
};

struct limit_root {
	__u32 about[WEIR_DIRECTIONS][LIMIT_KINDS];
	/* Those that act while the interface is at such a level: as many as a word can say. */
	__u32 acts[1 << WEIR_ALARM_BITS];
	__u32 spare[2];
};

/* … then two lines a limit: struct limit_row, and its ports. */
struct limit_ports {
	struct weir_span sport[LIMIT_SPANS], dport[LIMIT_SPANS];
};

#define LIMIT_ROW_LINE(i) (LIMIT_LOOKS + 2 * (i))
#define LIMIT_PORTS_LINE(i) (LIMIT_LOOKS + 1 + 2 * (i))
#define LIMIT_LINES LIMIT_ROW_LINE(LIMITS_MAX)

/* Constants of the data path. */
struct limit_constants {
	__u8 enabled;	     /* else nothing of them is in the program */
	__u8 has_beginnings; /* one is about what connection tracking knows to begin a flow */
	__u8 has_alarms;     /* one acts only while an interface is under attack */
};

_Static_assert(sizeof(struct limit_root) == WEIR_LINE_BYTES &&
		       sizeof(struct limit_ports) == WEIR_LINE_BYTES,
	       "a line each");

#endif
