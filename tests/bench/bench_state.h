/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark's packet programs and the program that drives them agree on. Not part of Weir.
 */
#ifndef WEIR_BENCH_STATE_H
#define WEIR_BENCH_STATE_H

#include "abi/packet.h"

#define BENCH_KEYS (1 << 20) /* source addresses a run goes through, again and again */
#define BENCH_TRIE_MAX 4000000
#define BENCH_FRAME_BYTES 64
#define BENCH_TUPLES (1 << 16) /* five-tuples a run over rules goes through */
#define BENCH_TUPLES_MAX (1 << 20)
#define BENCH_TUPLE_FRAME_BYTES 100
#define BENCH_RULES_MAX 10000
#define BENCH_LRU_FLOWS 100000

/* Of tuples: byte 13 of a TCP header, and byte 12, without and with a usual SYN's options. */
#define BENCH_SYN 0x02
#define BENCH_ACK 0x10
#define BENCH_PLAIN_OFFSET 0x50
#define BENCH_SYN_OFFSET 0xa0

struct bench_state {
	__u32 next;	   /* of the keys or the tuples */
	__u32 out_ifindex; /* where live frames leave */
	__u32 sum4;	   /* of the 16-bit words of the IPv4 header but for source and checksum */
	__u32 tuple_sum4;  /* likewise of a tuple's frame, with no addresses and no protocol */
	__u32 tuple_mask;  /* tuples less one: a power of two */
	__u32 tuple_first; /* that a run goes through */
	__u32 frame[BENCH_TUPLE_FRAME_BYTES / 4]; /* live, before it gets its tuple */
};

/* A packet, and how rules must end it. What follows stands where TCP has it, also in UDP's header
 * and data: bench_tuple_set() makes it right for either. */
struct bench_tuple {
	struct weir_addr src, dst;
	__be16 sport, dport;
	__u8 proto;
	__u8 passes;
	__u8 tcp_offset; /* byte 12 of the header */
	__u8 tcp_flags;
	__be32 tcp_seq;
	__be32 tcp_ack;
};

/* A rule the plain way: what a linear walk compares. IPv4 is in the last word. */
struct bench_rule {
	struct weir_addr src, src_mask;
	struct weir_addr dst, dst_mask;
	__u16 sport[2], dport[2]; /* from and to, host byte order */
	__u8 proto;
	__u8 passes;
	__u8 spare[6];
};

/* What a plain LRU hash of flows is asked by. */
struct bench_lru_key {
	struct weir_addr src, dst;
	__be16 sport, dport;
	__u32 proto;
};

/* … and what one that counts has of a flow. */
struct bench_count {
	__u64 packets;
	__u64 bytes;
};

struct bench_ruleset {
	__u32 count;
	__u32 spare;
	struct bench_rule at[BENCH_RULES_MAX];
};

/* length is that of the family: 24 of 32, 64 of 128. */
struct bench_trie4_key {
	__u32 length;
	__be32 addr;
};

/* No struct weir_addr, which would be aligned: the kernel takes what follows length for address. */
struct bench_trie6_key {
	__u32 length;
	__be32 addr[4];
};

#endif
