/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps every part shares: their layout version, sizes and values. A feature's own maps stand in
 * its own header. */
#ifndef WEIR_ABI_MAPS_H
#define WEIR_ABI_MAPS_H

#include "packet.h"
#include "reason.h"

/* Raised when the meaning of a pinned map changes: the maps of another version are rebuilt, never
 * reused. A test builds a Weir of another one (tests/meson.build). */
#ifndef WEIR_LAYOUT_VERSION
#define WEIR_LAYOUT_VERSION 6
#endif
#define WEIR_LAYOUT_UNFINISHED 0 /* of a first start that has not come to its end */

#define WEIR_POLICY_SLOTS 2
#define WEIR_INTERFACES_MAX 64 /* watched at one time */
#define WEIR_IFACE_CELLS \
	256 /* cfg_iface: open addressing by ifindex, WEIR_IFACE_PROBES cells tried */
#define WEIR_IFACE_PROBES 4
#define WEIR_HITS_MAX 65536 /* hit counters: lists, and entries where asked; 0 is nobody's */
#define WEIR_EVENT_RING_BYTES (1 << 20)

/* Lines a slot of tab_near has at the least; it grows with the policy. */
#define WEIR_NEAR_LINES 4096

/* Constants of tab_near: rodata `near_constants`. */
struct weir_near_constants {
	__u32 lines; /* a slot has */
};

/* cfg_live: one word, so that one store swaps the policy. */
struct weir_live {
	__u64 word;   /* revision << 1 | slot */
	__u64 layout; /* WEIR_LAYOUT_VERSION of whoever pinned these maps, or unfinished */
	/* CLOCK_MONOTONIC until when connections of before a start are waited for; 0: while it is
	 * unfinished */
	__u64 settles_ns;
};

/* cfg_iface: which row of the counters an interface has, and what its packets begin with at TC. */
struct weir_iface_cell {
	__u32 ifindex; /* 0 = empty */
	__u16 slot;    /* below WEIR_INTERFACES_MAX */
	__u16 raw_ip;  /* 1: tun, wireguard and so on, which have no link header */
};

/* ctr_reason: a row per interface slot, direction and reason. ctr_hit: a row per hit counter. */
struct weir_count {
	__u64 packets;
	__u64 bytes;
};

/* Constants of the counters: rodata `count_constants`. */
struct weir_count_constants {
	__u8 counts_begun; /* flows that begin, in ctr_reason: WEIR_BEGUN_ROW */
};

#define WEIR_REASON_ROW(iface_slot, direction, reason) \
	(((iface_slot)*WEIR_DIRECTIONS + (direction)) * WEIR_REASONS_MAX + (reason))
#define WEIR_REASON_ROWS (WEIR_INTERFACES_MAX * WEIR_DIRECTIONS * WEIR_REASONS_MAX)

/* ctr_event: per kind. */
struct weir_event_count {
	__u64 window; /* the rate window `used` counts in */
	__u64 used;
	__u64 sent;
	__u64 capped; /* not sent: over the rate */
	__u64 lost;   /* not sent: the ring was full */
};

#endif
