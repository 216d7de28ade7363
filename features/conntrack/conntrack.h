/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The tables of flows as both sides see them: plain arrays, so that user space reads them without a
 * system call. docs/design/conntrack.md says why they look as they do.
 *
 * A flow lies at one of CONNTRACK_WAYS places of a set. The set's tags are 16 bits of the flow's
 * hash for each place, 0 where there is none: what is not there is known without looking at flows.
 */
#ifndef WEIR_CONNTRACK_H
#define WEIR_CONNTRACK_H

#include "../../abi/packet.h"

#define CONNTRACK_WAYS 8
#define CONNTRACK_RESERVED 2	/* of them, for flows that have shaken hands: 1 in 4 */
#define CONNTRACK_TICK_SHIFT 24 /* a tick is 2^24 ns, 16.8 ms, of CLOCK_MONOTONIC_COARSE */

/* Which end is the initiator is a mark; ends stand in an order of their own, so that both
 * directions have the same key. */
struct conntrack_key {
	struct weir_addr addr[2];
	__be16 port[2];
	__u8 proto;
	__u8 family;	 /* 4 or 6: a mapped address on a wire is not an IPv4 one */
	__u16 requester; /* ICMP: 1 + the end that asks */
};

/* What the window check knows of a side, and of SCTP the tags that it gave itself, which packets to
 * it must bear (conntrack_sctp.bpf.h; 0: not known). Numbers and tags in host byte order. */
struct conntrack_side {
	union {
		__u32 end; /* highest sequence number sent, plus one */
		__u32 tag; /* in the association that there is */
	};
	union {
		__u32 max_end; /* highest the other side has room for */
		__u32 next;    /* in the one that an INIT ACK offers */
	};
	union {
		__u32 max_win; /* largest window announced, in bytes */
		__u32 asked;   /* in its last INIT */
	};
	__u32 first; /* right behind its SYN; later where a line begins (conntrack_help.bpf.h) */
	/* Of its windows; CONNTRACK_TOLD_SHIFT. With the next two one word, see flags_add(). */
	__u8 scale;
	__u8 flags;  /* enum conntrack_side_flag */
	__u16 relay; /* conntrack_relay.bpf.h */
};

/* In side[1].scale of a relayed flow: what the client was told in the server's place. */
#define CONNTRACK_TOLD_SHIFT 4

enum conntrack_side_flag {
	CONNTRACK_SIDE_SEEN = 1 << 0,
	CONNTRACK_SIDE_SCALES = 1 << 1, /* its SYN had the option */
	CONNTRACK_SIDE_LIMIT = 1 << 2,	/* max_end is known */
	/* Of side 1: both handshakes of a relayed flow are done, and its numbers are known. */
	CONNTRACK_SIDE_OPEN = 1 << 3,
	/* Of side 0: numbers were not followed for a time, so they never are again. */
	CONNTRACK_SIDE_LOST = 1 << 4,
	/* Likewise: the packet that wrote the flow's time saw one direction only, and gave it no
	 * more than CONNTRACK_ONE_WAY_TICKS. */
	CONNTRACK_SIDE_ONE_WAY = 1 << 5,
};

/* Of conntrack_flow.word. Side 0 is the initiator. */
enum conntrack_mark {
	CONNTRACK_SYN = 1 << 0, /* << side, like the next three */
	CONNTRACK_SYN_ACKED = 1 << 2,
	CONNTRACK_FIN = 1 << 4,
	CONNTRACK_FIN_ACKED = 1 << 6,
	CONNTRACK_RESET = 1 << 8,
	CONNTRACK_PICKED_UP = 1 << 9, /* its beginning was not seen */
	CONNTRACK_GRANTED = 1 << 10,  /* passes where no rule speaks: expected, or taken over */
	CONNTRACK_SECOND = 1 << 11,   /* the initiator is the key's second end */
	CONNTRACK_ANSWERED = 1 << 12, /* the responder was seen */
	CONNTRACK_AGAIN = 1 << 13,    /* and then the initiator again */
	CONNTRACK_MARKED = 1 << 14,   /* packets get flow.mark */
	CONNTRACK_RELAYED = 1 << 15,  /* its handshakes are not each other's */
	CONNTRACK_LIVE = 1 << 16,     /* there is a flow */
	/* With LIVE: half-open, and being made a proven one; without: somebody is writing it.
	 * Either way nobody else takes the place. */
	CONNTRACK_MOVING = 1 << 17,
};

/* What TCP shows. */
#define CONNTRACK_TCP_MARKS                                                            \
	((CONNTRACK_SYN | CONNTRACK_SYN_ACKED | CONNTRACK_FIN | CONNTRACK_FIN_ACKED) * \
		 CONNTRACK_BOTH |                                                      \
	 CONNTRACK_RESET)
#define CONNTRACK_BOTH 3u /* sides: CONNTRACK_SYN * CONNTRACK_BOTH */
#define CONNTRACK_MARKS 0x3ffffu
#define CONNTRACK_TURN                                                             \
	0x40000u /* added for each flow at the same place: who still holds the one \
		    before cannot change this one */

/* The first cache line is all that an established flow touches without the window check. */
struct conntrack_flow {
	struct conntrack_key key;
	__u32 word;	     /* marks and turn; changed by compare-and-swap */
	__u32 expires_ticks; /* tick; a flow past it is not there */
	__u64 let_in;	     /* revision << 32 | where it was let in (conntrack.bpf.h) */
	__u32 mark;
	__u16 rule;    /* the row of the rule that let it in, 0 for none; CONNTRACK_RULE_ALLOWED */
	__u16 backend; /* of a flow to a service: the number of who serves it; 0 for none */
	struct conntrack_side side[2];
	/* Of a SYN that passed an established flow: should the other side answer it, it has lost
	 * the connection, and both begin anew. */
	struct conntrack_side again;
	__u32 born; /* tick */
};

/* In flow.rule, where no rule spoke: a list allowed it. */
#define CONNTRACK_RULE_ALLOWED 0xffffu

/* In flow.let_in: at which bit each place stands, and what one is. */
#define CONNTRACK_PLACE_IN 16
#define CONNTRACK_PLACE_OUT 0
#define CONNTRACK_PLACE 0x8000u	      /* there is one */
#define CONNTRACK_PLACE_INDEX 0x7fffu /* the interface's index, and the highest there may be */
#define CONNTRACK_PLACE_NONE 1u	      /* of a higher one: is never noted, so is never met */

struct conntrack_set {
	__u64 tags[CONNTRACK_WAYS / 4];
	__u32 next; /* half-open flows: the place that is taken next when all are in use */
	__u32 sets; /* of the first set: how many the table has */
	__u32 spare[2];
};

/* A row: X(identifier, name, timeout, help). The names of states, and of timeouts. */
#define CONNTRACK_TCP_STATES(X)                                                                \
	X(CONNTRACK_SYN_SENT, "syn_sent", "2m", "TCP: the initiator's SYN was seen")           \
	X(CONNTRACK_SYN_RECEIVED, "syn_received", "1m", "TCP: both SYNs were seen")            \
	X(CONNTRACK_ESTABLISHED, "established", "5d", "TCP, SCTP: both SYNs are acknowledged") \
	X(CONNTRACK_FIN_WAIT, "fin_wait", "2m", "TCP: one side has closed")                    \
	X(CONNTRACK_CLOSING, "closing", "1m", "TCP: both sides have closed")                   \
	X(CONNTRACK_TIME_WAIT, "time_wait", "2m", "TCP: and both know it")                     \
	X(CONNTRACK_RESET_SEEN, "reset", "10s", "TCP: reset by one side")
#define CONNTRACK_UDP_STATES(X)                                                    \
	X(CONNTRACK_ONE_WAY, "one_way", "30s", "UDP and others: not answered yet") \
	X(CONNTRACK_REPLIED, "answered", "30s", "UDP and others: answered once")   \
	X(CONNTRACK_STREAM, "stream", "2m", "UDP and others: both sides go on")
#define CONNTRACK_ICMP_STATES(X) X(CONNTRACK_ECHO, "echo", "30s", "ICMP: requests and answers")
#define CONNTRACK_OTHER_STATES(X) X(CONNTRACK_OTHER, "other", "10m", "protocols without ports")
#define CONNTRACK_STATES(X)      \
	CONNTRACK_TCP_STATES(X)  \
	CONNTRACK_UDP_STATES(X)  \
	CONNTRACK_ICMP_STATES(X) \
	CONNTRACK_OTHER_STATES(X)

enum conntrack_state {
#define X(identifier, name, timeout, help) identifier,
	CONNTRACK_STATES(X)
#undef X
	CONNTRACK_STATE_COUNT,
};

/* Timeouts, each protocol's in the order of its states. Those at the numbers of states are TCP's,
 * UDP's, ICMP's, and that of protocols which have none of their own. */
enum conntrack_timeout {
	CONNTRACK_TIMEOUT_TCP = CONNTRACK_SYN_SENT,
	CONNTRACK_TIMEOUT_UDP = CONNTRACK_ONE_WAY,
	CONNTRACK_TIMEOUT_ICMP = CONNTRACK_ECHO,
	CONNTRACK_TIMEOUT_OTHER = CONNTRACK_OTHER,
	CONNTRACK_TIMEOUT_SCTP = CONNTRACK_STATE_COUNT,
	CONNTRACK_TIMEOUT_UDPLITE = CONNTRACK_TIMEOUT_SCTP + CONNTRACK_ONE_WAY,
	CONNTRACK_TIMEOUT_DCCP = CONNTRACK_TIMEOUT_UDPLITE + CONNTRACK_ECHO - CONNTRACK_ONE_WAY,
	CONNTRACK_TIMEOUT_ICMPV6 = CONNTRACK_TIMEOUT_DCCP + CONNTRACK_ECHO - CONNTRACK_ONE_WAY,
	CONNTRACK_TIMEOUT_GRE,
	CONNTRACK_TIMEOUT_ESP,
	CONNTRACK_TIMEOUT_COUNT,
	CONNTRACK_TIMEOUT_ROOM = 32, /* a power of two: numbers are cut, not compared */
};

/* Who sees one direction only never hears of a reset by the other side: a quarter of an hour at the
 * most, as IPVS has it. */
#define CONNTRACK_ONE_WAY_TICKS ((__u32)(15 * 60 * 1000000000ULL >> CONNTRACK_TICK_SHIFT))

/* Rodata `conntrack_constants`. */
struct conntrack_constants {
	__u8 enabled;
	__u8 checks_windows;
	__u8 picks_up;
	__u8 is_asymmetric;
	__u8 helps;    /* some ports have a helper */
	__u8 accounts; /* packets and bytes are counted by flow (struct conntrack_sum) */
	__u8 records;  /* and told of when it ends */
	__u8 spare;
};

/* Likewise `conntrack_timeouts`. */
struct conntrack_timeouts {
	__u32 ticks[CONNTRACK_TIMEOUT_ROOM];
};

/* Rodata `conntrack_sizes`: sets of each table. */
struct conntrack_sizes {
	__u32 proven;
	__u32 half;
};

#define CONNTRACK_HELPER_PORTS 8

/* Rodata `conntrack_helpers`. */
struct conntrack_helpers {
	__be16 ftp[CONNTRACK_HELPER_PORTS]; /* 0: unused */
};

#define CONNTRACK_EXPECTED 4096

/* set_expect: a connection that a helper has heard is to come. */
struct conntrack_expectation {
	struct weir_addr src, dst;
	__be16 dport;
	__u8 proto;
	__u8 family;
	__u32 spare; /* all of a key is compared */
};

/* ctr_conntrack: a row each. X(identifier, name, help). */
#define CONNTRACK_COUNTERS(X)                                                                 \
	X(CONNTRACK_COUNT_NEW, "new", "flows that began")                                     \
	X(CONNTRACK_COUNT_PROVEN, "proven", "flows that proved themselves")                   \
	X(CONNTRACK_COUNT_PICKED_UP, "picked_up", "flows begun before they were seen")        \
	X(CONNTRACK_COUNT_INVALID, "invalid", "packets that fit no flow and begin none")      \
	X(CONNTRACK_COUNT_RELATED, "related", "ICMP errors about a flow")                     \
	X(CONNTRACK_COUNT_EXPECTED, "expected", "flows a helper expected")                    \
	X(CONNTRACK_COUNT_DISPLACED, "displaced", "half-open flows forgotten for newer ones") \
	X(CONNTRACK_COUNT_REFUSED, "refused",                                                 \
	  "flows that proved themselves and found no room, once each")                        \
	X(CONNTRACK_COUNT_RACED, "raced",                                                     \
	  "flows not kept: another CPU, or an established flow, has the place")               \
	X(CONNTRACK_COUNT_EARLY, "early_fragments", "fragments ahead of their first")         \
	X(CONNTRACK_COUNT_MOVED, "moved", "flows fetched from the table of before a reload")

enum conntrack_counter {
#define X(identifier, name, help) identifier,
	CONNTRACK_COUNTERS(X)
#undef X
	CONNTRACK_COUNTER_COUNT,
};

/* cfg_conntrack: one row, kept over every reload. */
struct conntrack_shared {
	__u64 seed; /* of the hash; 0: no table was ever used */
	/* Of a program that has tables of before a reload: 0, it works in those, as the program
	 * before does beside it; 1, in its own, and fetches from those. One store turns it. */
	__u32 is_turned;
	/* Until when somebody is there who holds fragments ahead of their first: a tick, in its two
	 * lowest bits at which hooks (enum conntrack_holds). */
	__u32 holds;
};

enum conntrack_holds {
	CONNTRACK_HOLDS_XDP = 1 << 0,
	CONNTRACK_HOLDS_TC = 1 << 1,
	CONNTRACK_HOLDS_BOTH = CONNTRACK_HOLDS_XDP | CONNTRACK_HOLDS_TC,
};

/* st_ports: a datagram of which fragments come … */
struct conntrack_datagram {
	struct weir_addr src, dst;
	__be32 id;
	__u8 proto;
	__u8 family;
	__u16 spare;
};

/* … and what its first fragment said. */
struct conntrack_ports {
	__u32 expires_ticks; /* tick */
	__u32 seen;	     /* PKT_PORTS or PKT_ICMP; 0: it has not come, and is not waited for */
	__be16 sport, dport;
	__be16 icmp_id;
	__u8 icmp_type, icmp_code;
};

#define CONNTRACK_PAST 4

/* cfg_conn_past: by which timeouts flows may have got their time. The live policy's come first. */
struct conntrack_past {
	__u32 count;		     /* 0: nothing is known */
	__u32 since[CONNTRACK_PAST]; /* tick at which they went live */
	struct conntrack_timeouts timeouts[CONNTRACK_PAST];
};

/* Sets of the tables while nothing is tracked; more where something is. */
#define CONNTRACK_SETS_OFF 1

#define CONNTRACK_FRAGMENTS 8192
#define CONNTRACK_PAIRS 262144		 /* a power of two; 1 MiB */
#define CONNTRACK_PAIR_TICKS (600u * 60) /* for so long, fragments may come ahead of their first */

_Static_assert(sizeof(struct conntrack_shared) == 16, "as it is pinned");
_Static_assert(sizeof(struct conntrack_datagram) == 40, "as it is pinned, and nothing unsaid");
_Static_assert(sizeof(struct conntrack_ports) == 16, "as it is pinned");
_Static_assert(sizeof(struct conntrack_key) == 40, "five words are compared");
_Static_assert(sizeof(struct conntrack_side) == 20, "three and a number are a line");
_Static_assert(sizeof(struct conntrack_flow) == 128, "two cache lines");
_Static_assert(__builtin_offsetof(struct conntrack_flow, side) == 64, "the second is for windows");
_Static_assert(sizeof(struct conntrack_expectation) == 40, "nothing in it is left unsaid");
_Static_assert(sizeof(struct conntrack_set) == 32, "two in a line");
_Static_assert(CONNTRACK_TIMEOUT_COUNT <= CONNTRACK_TIMEOUT_ROOM, "each has a place");

/* The hash both sides place flows by: 64 bits, keyed. */
static inline __u64 conntrack_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 32);
}

static inline __u64 conntrack_hash(const struct conntrack_key *key, __u64 seed)
{
	__u64 ports = (__u64)key->port[0] << 48 | (__u64)key->port[1] << 32 |
		      (__u64)key->proto << 8 | key->family;
	__u64 hash = seed;

	if (key->family == 4) {
		hash = conntrack_mix(hash,
				     (__u64)key->addr[0].be32[3] << 32 | key->addr[1].be32[3]);
	} else {
		hash = conntrack_mix(hash, key->addr[0].be64[0]);
		hash = conntrack_mix(hash, key->addr[0].be64[1]);
		hash = conntrack_mix(hash, key->addr[1].be64[0]);
		hash = conntrack_mix(hash, key->addr[1].be64[1]);
	}
	hash = conntrack_mix(hash, ports);
	hash *= 0xd6e8feb86659fd93ULL;
	return hash ^ (hash >> 32);
}

static inline __u32 conntrack_first_set(__u64 hash, __u32 sets)
{
	return ((hash >> 32) * sets) >> 32;
}

static inline __u32 conntrack_second_set(__u64 hash, __u32 sets)
{
	return ((hash & 0xffffffff) * sets) >> 32;
}

static inline __u16 conntrack_tag(__u64 hash)
{
	return hash | 1;
}

/* The place of its set that a flow gets if it is free, and where it is looked for first. */
static inline __u32 conntrack_way(__u64 hash)
{
	return hash >> 32 & (CONNTRACK_WAYS - 1);
}

/* Whatever `from` knows of the tags of a side, and `to` does not. */
static inline void conntrack_tags_take(struct conntrack_side *to, const struct conntrack_side *from)
{
	if (!to->tag)
		to->tag = from->tag;
	if (!to->next)
		to->next = from->next;
	if (!to->asked)
		to->asked = from->asked;
}

/* Protocols that flows are told apart by; IANA numbers. */
enum conntrack_proto {
	CONNTRACK_ICMP = 1,
	CONNTRACK_TCP = 6,
	CONNTRACK_UDP = 17,
	CONNTRACK_DCCP = 33,
	CONNTRACK_GRE = 47,
	CONNTRACK_ESP = 50,
	CONNTRACK_ICMPV6 = 58,
	CONNTRACK_SCTP = 132,
	CONNTRACK_UDPLITE = 136,
};

/* The word of the next flow at the same place, until it has marks. */
static inline __u32 conntrack_word_next(__u32 word)
{
	return (word & ~CONNTRACK_MARKS) + CONNTRACK_TURN;
}

/* Whether a flow of that word and end is there at `now`, all in ticks. */
static inline _Bool conntrack_is_there(__u32 word, __u32 expires_ticks, __u32 now)
{
	return word & CONNTRACK_LIVE && (int)(expires_ticks - now) >= 0;
}

static inline _Bool conntrack_is_over(__u32 marks)
{
	return marks & CONNTRACK_RESET || !(~marks & CONNTRACK_FIN_ACKED * CONNTRACK_BOTH);
}

/*
 * States of TCP, by marks up to PICKED_UP. A table: each comparison would be a path of its own for
 * the verifier. PICKED_UP counts while nobody has answered: whether the other side knows of the
 * connection is not known then.
 */
#define CONNTRACK_TCP_STATE(m)                                                   \
	((m)&CONNTRACK_RESET			      ? CONNTRACK_RESET_SEEN :   \
	 (m)&CONNTRACK_PICKED_UP		      ? CONNTRACK_SYN_SENT :     \
	 !(~(m)&CONNTRACK_FIN_ACKED * CONNTRACK_BOTH) ? CONNTRACK_TIME_WAIT :    \
	 !(~(m)&CONNTRACK_FIN * CONNTRACK_BOTH)	      ? CONNTRACK_CLOSING :      \
	 (m)&CONNTRACK_FIN * CONNTRACK_BOTH	      ? CONNTRACK_FIN_WAIT :     \
	 !(~(m)&CONNTRACK_SYN_ACKED * CONNTRACK_BOTH) ? CONNTRACK_ESTABLISHED :  \
	 (m)&CONNTRACK_SYN << 1			      ? CONNTRACK_SYN_RECEIVED : \
							CONNTRACK_SYN_SENT)
#define CONNTRACK_4(X, m) X(m), X((m) + 1), X((m) + 2), X((m) + 3)
#define CONNTRACK_16(m)                                                                 \
	CONNTRACK_4(CONNTRACK_TCP_STATE, m), CONNTRACK_4(CONNTRACK_TCP_STATE, (m) + 4), \
		CONNTRACK_4(CONNTRACK_TCP_STATE, (m) + 8),                              \
		CONNTRACK_4(CONNTRACK_TCP_STATE, (m) + 12)
#define CONNTRACK_64(m) \
	CONNTRACK_16(m), CONNTRACK_16((m) + 16), CONNTRACK_16((m) + 32), CONNTRACK_16((m) + 48)
#define CONNTRACK_256(m) \
	CONNTRACK_64(m), CONNTRACK_64((m) + 64), CONNTRACK_64((m) + 128), CONNTRACK_64((m) + 192)
static const __u8 conntrack_tcp_states[CONNTRACK_PICKED_UP * 2] = {
	CONNTRACK_256(0),
	CONNTRACK_256(256),
	CONNTRACK_256(512),
	CONNTRACK_256(768),
};

static inline enum conntrack_state conntrack_tcp_state(__u32 marks)
{
	__u32 answered = marks / CONNTRACK_ANSWERED & 1;
	__u32 row = marks & ~(answered * CONNTRACK_PICKED_UP) & (CONNTRACK_PICKED_UP * 2 - 1);

	return (enum conntrack_state)conntrack_tcp_states[row];
}

/* Which name a flow's state has. */
static inline enum conntrack_state conntrack_state_of(__u32 proto, __u32 marks)
{
	if (proto == CONNTRACK_TCP || proto == CONNTRACK_SCTP)
		return conntrack_tcp_state(marks);
	if (proto == CONNTRACK_ICMP || proto == CONNTRACK_ICMPV6)
		return CONNTRACK_ECHO;
	if (proto != CONNTRACK_UDP && proto != CONNTRACK_UDPLITE && proto != CONNTRACK_DCCP)
		return CONNTRACK_OTHER;
	return marks & CONNTRACK_AGAIN	  ? CONNTRACK_STREAM :
	       marks & CONNTRACK_ANSWERED ? CONNTRACK_REPLIED :
					    CONNTRACK_ONE_WAY;
}

/* How far a protocol's timeouts lie behind its states. A table for the same reason. */
static const __u8 conntrack_timeouts_behind[256] = {
	[CONNTRACK_SCTP] = CONNTRACK_TIMEOUT_SCTP - CONNTRACK_TIMEOUT_TCP,
	[CONNTRACK_UDPLITE] = CONNTRACK_TIMEOUT_UDPLITE - CONNTRACK_TIMEOUT_UDP,
	[CONNTRACK_DCCP] = CONNTRACK_TIMEOUT_DCCP - CONNTRACK_TIMEOUT_UDP,
	[CONNTRACK_ICMPV6] = CONNTRACK_TIMEOUT_ICMPV6 - CONNTRACK_TIMEOUT_ICMP,
	[CONNTRACK_GRE] = CONNTRACK_TIMEOUT_GRE - CONNTRACK_TIMEOUT_OTHER,
	[CONNTRACK_ESP] = CONNTRACK_TIMEOUT_ESP - CONNTRACK_TIMEOUT_OTHER,
};

/* Which timeout a flow has: enum conntrack_timeout, and how many behind it. */
static inline __u32 conntrack_timeout_of(__u32 proto, __u32 marks)
{
	return (conntrack_state_of(proto, marks) + conntrack_timeouts_behind[proto & 0xff]) &
	       (CONNTRACK_TIMEOUT_ROOM - 1);
}

/* How long a flow lasts without a packet, of a timeout. */
static inline __u32 conntrack_life_ticks(__u32 timeout_ticks, _Bool is_one_way)
{
	return is_one_way && timeout_ticks > CONNTRACK_ONE_WAY_TICKS ? CONNTRACK_ONE_WAY_TICKS :
								       timeout_ticks;
}

/* Whether a flow has shown that there are two sides to it, and that the first is who it says. */
static inline _Bool conntrack_is_proven(__u32 proto, __u32 marks)
{
	if (marks & CONNTRACK_RESET || !(marks & CONNTRACK_ANSWERED))
		return 0;
	if (proto == CONNTRACK_TCP || proto == CONNTRACK_SCTP)
		return !(~marks & CONNTRACK_SYN_ACKED * CONNTRACK_BOTH);
	return marks & CONNTRACK_AGAIN;
}

/* Protocols that begin with a handshake. */
static const __u8 conntrack_shakes[256] = { [CONNTRACK_TCP] = 1, [CONNTRACK_SCTP] = 1 };

/*
 * 1 or 0: whether, of a flow that has proven itself, the initiator has repeated a number that was
 * sent to its address alone: of TCP that of the responder's SYN, of SCTP the tag of the INIT ACK.
 * Where there is none, whoever forges an address sends a second packet like the first.
 */
static inline __u32 conntrack_has_shaken(__u32 proto, __u32 marks)
{
	return conntrack_shakes[proto & 0xff] & ~(marks / CONNTRACK_PICKED_UP);
}

/*
 * What a flow has carried: a cache line beside the flow's, at the place it has in its table.
 *
 * Each number bears the turn of its place, so that it is added to and asked for by one
 * compare-and-swap: who comes too late, when the place has gone to another flow, changes nothing
 * and knows it. docs/design/flows.md
 */
enum conntrack_sum_word {
	CONNTRACK_SUM_PACKETS, /* + side; with the TCP flags seen of that side */
	CONNTRACK_SUM_BYTES = 2,
	CONNTRACK_SUM_WORDS = 4,
};

struct conntrack_sum {
	__u64 words[CONNTRACK_SUM_WORDS];
	__u64 first_ns; /* CLOCK_MONOTONIC_COARSE, as the next */
	__u64 last_ns[2];
	__u64 vlan; /* turn, then those of the packet that began the flow; 0: not known */
};

/* Of conntrack_sum.vlan: the outermost tag and, so much higher, the one behind it, each with
 * TAGGED where there is one. Without KNOWN nobody has seen whether there is. */
#define CONNTRACK_VLAN_ID 0xfffu
#define CONNTRACK_VLAN_TAGGED 0x1000u
#define CONNTRACK_VLAN_KNOWN 0x2000u
#define CONNTRACK_VLAN_INNER_SHIFT 16

/* Of a word: turn, then flags, then the number. 0: the place has never been counted at. */
#define CONNTRACK_SUM_TURN_SHIFT 57
#define CONNTRACK_SUM_FLAGS_SHIFT 49 /* of packets only */
#define CONNTRACK_SUM_USED 0x40u     /* of a turn: there is one */
/* What no flow's turn is: the table is left. */
#define CONNTRACK_SUM_CLOSED (1ULL << CONNTRACK_SUM_TURN_SHIFT)

/* Row 0 of the map is nobody's: a map of one row holds none. */
#define CONNTRACK_SUM_ROW(index) ((index) + 1)

/* st_ended: what flows carried that were forgotten in user space; others are in ctr_reason. */
struct conntrack_ended {
	__u64 packets;
	__u64 bytes;
};

_Static_assert(sizeof(struct conntrack_sum) == 64, "a cache line");

/* Why what a flow carried was taken out of its place. Whether it was past its time, or over, is
 * seen by the flow, and comes before these. */
enum conntrack_cause {
	CONNTRACK_CAUSE_CLAIMED,   /* another flow needs the place */
	CONNTRACK_CAUSE_RENEWED,   /* its ends begin another */
	CONNTRACK_CAUSE_LEFT,	   /* what came too late for the place the flow had moved to */
	CONNTRACK_CAUSE_FORGOTTEN, /* by a person */
	CONNTRACK_CAUSE_NO_ROOM,   /* in tables of another size */
	CONNTRACK_CAUSE_OFF,	   /* flows are not tracked any more */
	CONNTRACK_CAUSE_CAPTURE,   /* the capture that is replayed has ended */
};

/* Records a CPU may send in a window of 2^weir_emit_constants.window_shift ticks: 32,000 a second
 * and more. */
#define CONNTRACK_RECORDS_PER_WINDOW 4096

/* The turn that goes with a flow's word, where it belongs in a sum's. */
static inline __u64 conntrack_sum_turn(__u32 word)
{
	return (__u64)(CONNTRACK_SUM_USED | (word / CONNTRACK_TURN % CONNTRACK_SUM_USED))
	       << CONNTRACK_SUM_TURN_SHIFT;
}

static inline _Bool conntrack_sum_is_of(__u64 word, __u64 turn)
{
	return word >> CONNTRACK_SUM_TURN_SHIFT == turn >> CONNTRACK_SUM_TURN_SHIFT;
}

/* Of the flow that has this turn; 0: not known. */
static inline __u32 conntrack_vlan_of(__u64 word, __u64 turn)
{
	return conntrack_sum_is_of(word, turn) ? (__u32)word : 0;
}

/* What a word has besides its turn: the number, and of packets the flags. */
static inline __u64 conntrack_sum_rest(__u64 word)
{
	return word & ((1ULL << CONNTRACK_SUM_TURN_SHIFT) - 1);
}

static inline __u64 conntrack_sum_number(const __u64 words[CONNTRACK_SUM_WORDS], __u32 at)
{
	__u32 shift =
		at < CONNTRACK_SUM_BYTES ? CONNTRACK_SUM_FLAGS_SHIFT : CONNTRACK_SUM_TURN_SHIFT;

	return words[at] & ((1ULL << shift) - 1);
}

static inline __u8 conntrack_sum_flags(const __u64 words[CONNTRACK_SUM_WORDS], __u32 side)
{
	return words[CONNTRACK_SUM_PACKETS + side] >> CONNTRACK_SUM_FLAGS_SHIFT;
}

/* Two of one turn together: numbers are added, flags are those of either. */
static inline __u64 conntrack_sum_plus(__u64 word, __u64 rest, __u32 at)
{
	__u64 flags = at < CONNTRACK_SUM_BYTES ? 0xffULL << CONNTRACK_SUM_FLAGS_SHIFT : 0;

	return ((word & ~flags) + (rest & ~flags)) | ((word | rest) & flags);
}

#endif
