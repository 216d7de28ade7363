/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What both sides of the kernel boundary agree on of addresses that are translated. */
#ifndef WEIR_ABI_SERVED_H
#define WEIR_ABI_SERVED_H

#include <linux/types.h>

/* How packets reach the backends of a service. */
enum weir_forward {
	WEIR_FORWARD_NAT,
	WEIR_FORWARD_L2, /* to the backend's MAC address; this and the next leave addresses alone */
	WEIR_FORWARD_IPIP, /* behind another IP header */
	WEIR_FORWARD_GUE,  /* behind that and UDP */
};

#define WEIR_GUE_PORT 6080 /* where backends expect it */

/* Rodata `served_constants`. */
struct weir_served_constants {
	__u8 enabled;	 /* some packets are sent to a service, and belong to a backend */
	__u8 behind_xdp; /* a program stands behind XDP, which translates */
	__u8 hides;	 /* some services hide their clients from backends (full NAT) */
	__u8 shortcuts;	 /* what XDP can send on from where it arrived, it does */
	__u8 onwards;	 /* likewise TC, of what XDP leaves to it */
	__u8 directs;	 /* some services are not WEIR_FORWARD_NAT */
	__u8 actives;	 /* some services choose by the connections that backends have */
	__u8 remembers;	 /* some services remember which backend a client had */
	__u8 wide;	 /* some services have more than one port */
	__u8 checks;	 /* some that are not WEIR_FORWARD_NAT are checked by their own way */
};

/* Interfaces that may be sent on to (bpf/lib/shortcut.h): cells, a power of two. */
#define SHORTCUT_CELLS 1024

/* Ways that each CPU remembers (bpf/lib/way.h). */
#define WAY_CELL_BITS 10
#define WAY_CELLS (1 << WAY_CELL_BITS)

/* Row of `cfg_way`: what is remembered holds for one generation, and for none after a time. */
struct weir_way_watch {
	__u64 generation; /* CLOCK_MONOTONIC when it began; lowest bit: WEIR_WAYS_BY_SOURCE */
	__u32 changed;	  /* goes on by one with each change, and not by time alone; never 0 */
	__u32 onwards;	  /* 1: TC may go by them, since they follow from addresses alone */
	__u64 until_ns;	  /* CLOCK_MONOTONIC; 0: nothing is watched, so nothing is remembered */
};

#define WEIR_WAYS_BY_SOURCE 1ULL /* routes go by the source too, and not by the destination alone */

#endif
