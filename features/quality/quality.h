/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `quality` agree on: how well TCP gets on that passes through. */
#ifndef WEIR_QUALITY_H
#define WEIR_QUALITY_H

#include <linux/bpf.h>

#include "../../abi/packet.h"

#define QUALITY_HOLES 4		    /* of each side; what finds no place counts as seen */
#define QUALITY_SYNS_MAX 8192	    /* SYNs that wait for an answer; the oldest goes */
#define QUALITY_TIMED_EACH 61	    /* one of so many runs is timed: a prime, see docs */
#define QUALITY_TIMED_MOST_NS 20000 /* who took longer was interrupted */
#define QUALITY_MOVES_NS 1000000000 /* silent for so long, a side may come by another interface */

/* A connection, whoever sends: the lower end first. */
struct quality_key {
	struct weir_addr addr[2];
	__be16 port[2];
	__u32 pad;
};

_Static_assert(sizeof(struct quality_key) == 40, "the same on both sides");

/* Flows whose hash is not above quality_control.most are measured. */
static inline __u32 quality_hash(const struct quality_key *key, __u64 seed)
{
	const __u64 *words = (const __u64 *)key;
	__u64 hash = seed;

	for (__u32 i = 0; i < sizeof(*key) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash * 0x9e3779b97f4a7c15ULL >> 32;
}

/* Numbers between two segments that were not met; from == to: none. */
struct quality_hole {
	__u32 from, to;
	__u32 since_us; /* when the segment behind it came */
	__u32 stamp;	/* that segment's time stamp */
};

/* Bits of quality_side.seen. */
enum quality_seen {
	QUALITY_SEEN = 1,     /* `next` is known */
	QUALITY_SEEN_SYN = 2, /* `first` is its number */
	QUALITY_SEEN_FIN = 4,
	QUALITY_SEEN_STAMP = 8,	  /* `stamp` is known */
	QUALITY_TIMED_AGAIN = 16, /* what is timed was sent again */
	QUALITY_ACKED = 32,	  /* `acked` is known */
};

/* What one end sent, as it was met here. */
struct quality_side {
	__u64 segments; /* as on the wire: what the kernel had put together is several */
	__u64 bytes;	/* of data, sent again or not */
	__u64 retransmitted_bytes;
	__u64 unseen_bytes; /* acknowledged, and not met here */
	__u64 last_ns;
	__u64 timed_ns;	   /* when the segment whose acknowledgement is waited for came; 0: none */
	__u32 first, next; /* the SYN's number; one past the highest */
	__u32 acked;	   /* by the other end */
	__u32 stamp;	   /* of what made `next` */
	__u32 timed, timed_stamp; /* end of the segment that is timed, and its time stamp */
	/* The way from here to this end and back, as acknowledgements show it. */
	__u32 srtt_us8, rttvar_us4; /* in 1/8 and 1/4 us, as RFC 6298 has them */
	__u32 min_rtt_us, rtts;
	__u32 retransmits, out_of_order, zero_windows, resets, probes;
	__u32 ifindex; /* where it comes by */
	__u16 window;
	__u16 seen; /* enum quality_seen */
	__u32 pad;
	struct quality_hole holes[QUALITY_HOLES];
};

_Static_assert(sizeof(struct quality_side) == 184, "the same on both sides");

enum quality_client {
	QUALITY_CLIENT_UNKNOWN, /* its beginning was not met */
	QUALITY_CLIENT_LOW,
	QUALITY_CLIENT_HIGH,
};

struct quality_flow {
	struct bpf_spin_lock lock;
	__u32 client; /* enum quality_client */
	__u64 begun_ns, syn_ns, answer_ns, ended_ns;
	__u32 handshake_us; /* from the first SYN to its last acknowledgement; 0: not known */
	__u32 answered_us;  /* of that, up to the first answer: the server's part */
	__u32 sample;	    /* one of so many was measured when it began */
	__u32 pad;
	struct quality_side side[2];
};

_Static_assert(sizeof(struct quality_flow) == 424, "the same on both sides");

/* A SYN that nobody has answered yet. */
struct quality_syn {
	__u64 first_ns, last_ns;
	__u32 seq, stamp, times, ifindex;
	__u32 has_stamp, pad;
};

/* Which flows are measured. */
struct quality_control {
	__u32 most;   /* those whose hash is not above this */
	__u32 sample; /* one of so many; 0: none at all */
	__u64 seed;   /* of the hash, for as long as the maps live */
};

_Static_assert(sizeof(struct quality_control) == 16, "the same on both sides");

/* Of an interface: as it was measured, and times `sample`. */
struct quality_count {
	__u64 segments, bytes, retransmits, retransmitted_bytes, out_of_order, zero_windows, resets,
		probes;
};

#define QUALITY_COUNT_WORDS (sizeof(struct quality_count) / sizeof(__u64))
/* ctr_q_iface: two rows an interface. */
#define QUALITY_ROW(slot, is_scaled) ((slot)*2 + (is_scaled))

/* Whose an interface's rows are, and what others had counted in them before. */
struct quality_owner {
	__u32 ifindex, pad; /* 0: nobody has had them, or a version before, which noted nothing */
	struct quality_count before[2];
};

_Static_assert(sizeof(struct quality_owner) == 136, "the same on both sides");

/* Rows of ctr_q_sum, a number each. */
enum quality_sum {
	QUALITY_RUNS,	      /* of the program */
	QUALITY_COST_NS,      /* what they took, from those that were timed */
	QUALITY_BEGUN,	      /* flows whose beginning was met */
	QUALITY_JOINED,	      /* flows that went on already */
	QUALITY_NO_PLACE,     /* packets of flows for which the table has no room */
	QUALITY_UNSAMPLED,    /* packets of flows that are not measured */
	QUALITY_FRAGMENTS,    /* of which TCP's header tells too little */
	QUALITY_ODD,	      /* malformed, or of numbers that no window reaches */
	QUALITY_ELSEWHERE,    /* met before, at another interface */
	QUALITY_HANDSHAKE_US, /* sum of the histogram below */
	QUALITY_SHAKEN,	      /* first row of the histogram */
	QUALITY_SUMS = QUALITY_SHAKEN + 13,
};

/* Upper ends of handshakes in us, the last row is for the rest. */
#define QUALITY_SHAKEN_ROWS 13
#define QUALITY_SHAKEN_ENDS                                                                      \
	{                                                                                        \
		1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, \
			5000000                                                                  \
	}

#endif
