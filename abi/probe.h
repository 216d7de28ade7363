/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A probe is a packet that the live program judges and tells about, but does not count: weir
 * explain, replay and the self-test. The daemon marks it in a place no packet from a wire can fill:
 * XDP metadata, or cb[] of an skb; the mark is a secret, whose first word is of each load.
 */
#ifndef WEIR_ABI_PROBE_H
#define WEIR_ABI_PROBE_H

#include "packet.h"

/* Fits cb[] of an skb (five words) and XDP metadata (a multiple of four, at most 32 bytes). */
struct weir_probe_mark {
	__u32 secret[4];
	__u32 ifindex; /* the interface it is to be judged as if on */
};

/* cfg_mark: the other words of the secret, by which programs mark packets for one another. While
 * links go over from one load to the next, a packet may meet programs of both. */
struct weir_mark {
	__u32 words[3];
};

/* What became of the last one. */
struct weir_probe_result {
	struct weir_addr src;
	struct weir_addr dst;
	__u32 reason;
	__u32 seen; /* enum pkt_seen */
	__u32 ifindex;
	__u32 generation;
	__u32 class_id;
	__u32 list;
	__u32 hit;
	__u32 rule;
	__u32 held; /* the limit it met last (struct pkt), 0 for none */
	__u32 mark;
	__u32 backend; /* where the backend is counted that it goes to or comes from, 0 for none */
	__be16 ethertype;
	__be16 sport;
	__be16 dport;
	__u16 vlan;
	__u8 proto;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 ttl;
	__u8 dscp;
	__u8 direction;
	__u8 state;	/* enum weir_conn_state */
	__u32 sequence; /* goes up by one a probe: a program that told nothing is noticed */
};

/* Of a packet that a private copy replays: what the copy cannot know by itself. */
struct weir_probe_told {
	__u64 now_ns; /* when it came, by the capture; 0: the kernel's clock */
	__u32 bytes;  /* on the wire, captured or not; 0: as many as there are */
	__u32 spare;
};

/* tmp_probe: one row. */
struct weir_probe_row {
	struct weir_probe_result result;
	struct weir_probe_told told;
};

_Static_assert(sizeof(struct weir_mark) + 4 == sizeof((struct weir_probe_mark){}.secret),
	       "and one word more");
_Static_assert(sizeof(struct weir_probe_mark) == 20, "a mark fits cb[] of an skb");

#endif
