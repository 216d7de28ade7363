/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `drops` agree on. */
#ifndef WEIR_DROPS_H
#define WEIR_DROPS_H

#include "../../abi/packet.h"

#define DROPS_ROWS_MAX 1024
#define DROPS_FLOWS_MAX 1024
#define DROPS_WHERE_BYTES 64
#define DROPS_DEVICE_BYTES 16

/* Reasons of the running kernel that stand for no drop, or for a verdict of a program's; absent
 * ones are ~0. */
struct drops_constants {
	__u32 none;	/* SKB_NOT_DROPPED_YET */
	__u32 consumed; /* SKB_CONSUMED */
};

/* Who loses packets, where and why. */
struct drops_key {
	__u64 where;	 /* address in the kernel */
	__u32 reason;	 /* its number in this kernel */
	__u32 ifindex;	 /* 0: none is known */
	__u16 ethertype; /* host byte order; 0: none is known */
	__u8 proto;	 /* IPPROTO_*, 0: no IP */
	__u8 pad[5];
};

_Static_assert(sizeof(struct drops_key) == 24, "the same on both sides");

struct drops_row {
	__u64 packets, bytes;
	__u64 first_ns, last_ns; /* CLOCK_MONOTONIC */
	char where[DROPS_WHERE_BYTES];
	char device[DROPS_DEVICE_BYTES]; /* "": only its number is known */
};

_Static_assert(sizeof(struct drops_row) == 112, "the same on both sides");

/* A flow that lost packets, each direction by itself. */
struct drops_flow_key {
	struct drops_key row;
	struct weir_addr src, dst;
	__u16 sport, dport; /* host byte order */
	__u8 pad[4];
};

_Static_assert(sizeof(struct drops_flow_key) == 64, "the same on both sides");

struct drops_flow {
	__u64 packets, bytes, last_ns;
	__u64 inode;  /* of the socket of this host it belongs to; 0: none is known */
	__u64 cgroup; /* its identifier; 0: none is known */
};

_Static_assert(sizeof(struct drops_flow) == 40, "the same on both sides");

/* Rows of ctr_drops. */
enum drops_sum {
	DROPS_ALL,	  /* of this namespace */
	DROPS_CROWDED,	  /* … of which the table had no room for a row */
	DROPS_FOREIGN,	  /* of other namespaces */
	DROPS_UNKNOWN,	  /* nothing tells whose they are */
	DROPS_FLOWS_NEW,  /* flows that were written down */
	DROPS_FLOWS_LOST, /* … that could not be */
	DROPS_SUMS,
};

struct drops_count {
	__u64 packets, bytes;
};

#endif
