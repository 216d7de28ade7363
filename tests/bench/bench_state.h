/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark's packet programs and the program that drives them agree on. Not part of Weir.
 */
#ifndef WEIR_BENCH_STATE_H
#define WEIR_BENCH_STATE_H

#include "abi/packet.h"

#define BENCH_KEYS (1 << 20) /* source addresses a run goes through, again and again */
#define BENCH_TRIE_MAX 4000000
#define BENCH_FRAME_BYTES 64

struct bench_state {
	__u32 next;	   /* of the keys */
	__u32 out_ifindex; /* where live frames leave */
	__u32 sum4;	   /* of the 16-bit words of the IPv4 header but for source and checksum */
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
