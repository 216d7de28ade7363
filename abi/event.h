/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the data path tells user space through the ring. Happenings only: accumulations are
 * counters. */
#ifndef WEIR_ABI_EVENT_H
#define WEIR_ABI_EVENT_H

#include "packet.h"

/* A row: X(identifier, name, help). */
#define WEIR_EVENT_KINDS(X)                                                              \
	X(WEIR_EVENT_DROP, "drop", "a sampled packet that was dropped")                  \
	X(WEIR_EVENT_LOG, "log", "a packet that a rule with `log` matched")              \
	X(WEIR_EVENT_PAYLOAD, "payload", "what a helper is to read; not shown")          \
	X(WEIR_EVENT_OVER, "over", "a packet over a limit with `dry-run`, which passes") \
	X(WEIR_EVENT_FLOW, "flow", "what a flow carried that has ended")                 \
	X(WEIR_EVENT_FRAGMENT, "fragment", "one that waits for its first; not shown")

enum weir_event_kind {
#define X(identifier, name, help) identifier,
	WEIR_EVENT_KINDS(X)
#undef X
	WEIR_EVENT_KIND_COUNT,
};

#define WEIR_EVENT_KINDS_MAX 16

struct weir_event {
	__u64 time_ns; /* CLOCK_MONOTONIC, coarse: exact to a scheduler tick (1 to 10 ms) */
	__u32 kind;    /* enum weir_event_kind */
	__u32 reason;  /* enum weir_reason; WEIR_PASS: not known yet (log) */
	__u32 ifindex;
	__u32 len;	  /* bytes on the wire */
	__u32 generation; /* the revision the packet was judged by */
	__u32 list;	  /* id of the list that matched, 0 = none */
	struct weir_addr src;
	struct weir_addr dst;
	__be16 sport; /* 0 when there is none */
	__be16 dport;
	__u16 vlan; /* 0 = untagged */
	__be16 ethertype;
	__u8 proto;
	__u8 direction; /* enum weir_direction */
	__u8 tcp_flags;
	__u8 fragment; /* 1: part of a fragmented datagram */
	__u32 rule;    /* number of the rule that matched, 0 = none */
	__u32 backend; /* where its backend is counted, 0 = not known */
	__u16 owner;   /* … or its number in the service, as its flow has it, 0 = none */
	__u16 spare;
};

#define WEIR_PAYLOAD_BYTES 256

/* WEIR_EVENT_PAYLOAD: the first bytes of what a TCP segment carries that begins a line. */
struct weir_event_payload {
	struct weir_event event;
	__u32 bytes; /* of the segment; more than WEIR_PAYLOAD_BYTES: the rest is not here */
	__u8 side;   /* 0: from the initiator of the flow */
	__u8 spare[3];
	__u8 data[WEIR_PAYLOAD_BYTES];
};

/*
 * WEIR_EVENT_FLOW: what a flow carried that has ended, or a part of it. Of `event`: time, kind,
 * ends in the order of the flow's key, protocol, rule, and who serves it (`owner`); the rest is
 * not set.
 */
struct weir_event_flow {
	struct weir_event event;
	__u64 words[4]; /* as they stood beside the flow */
	__u64 first_ns, last_ns[2];
	__u64 let_in;
	__u32 word, expires_ticks, born; /* of the flow, as it was */
	__u16 requester;
	__u8 family;
	__u8 cause;	  /* enum conntrack_cause */
	__u32 vlan;	  /* conntrack_vlan_of(), 0 = not known */
	__u32 side_flags; /* enum conntrack_side_flag, of the initiator's */
};

/* Records of a program of before `vlan` have so many bytes: they may wait in the ring for the
 * daemon that comes after. */
#define WEIR_EVENT_FLOW_LEAST __builtin_offsetof(struct weir_event_flow, vlan)

/* Of a frame that is held: a full packet of Ethernet, with its tags and a little more. */
#define WEIR_FRAGMENT_BYTES 1600

/* How the frame of one begins. */
enum weir_fragment_link {
	WEIR_FRAGMENT_ETHERNET,
	WEIR_FRAGMENT_IP, /* its device has no link header */
};

/*
 * WEIR_EVENT_FRAGMENT: a fragment that has come ahead of its first, and is not judged before that
 * is there. The packet is in the reader's hands: he gives it back to the interface. Of `event`:
 * time, kind, interface, ends, protocol.
 */
struct weir_event_fragment {
	struct weir_event event;
	__be32 id; /* of its datagram */
	__u8 family;
	__u8 link;	/* enum weir_fragment_link */
	__u16 bytes;	/* of the frame; the rest is not set */
	__u16 vlan_tci; /* of a tag that the device took off */
	__be16 vlan_proto;
	__be16 protocol; /* of WEIR_FRAGMENT_IP: what the frame is */
	__u16 spare;
	__u8 data[WEIR_FRAGMENT_BYTES];
};

/* Constants of the ring: rodata `emit_constants`. */
struct weir_emit_constants {
	__u64 per_window;   /* events of a kind a CPU may send in one window */
	__u32 sample;	    /* one of so many; 1 = all */
	__u32 window_shift; /* a window is 2^window_shift ticks of the scheduler */
};

_Static_assert(sizeof(struct weir_event) == 88, "an event is 88 bytes on both sides");

_Static_assert(sizeof(struct weir_event_flow) == 176, "a record is 176 bytes on both sides");

_Static_assert(WEIR_EVENT_FLOW_LEAST == 168, "and was 168 before");

_Static_assert(sizeof(struct weir_event_fragment) == 104 + WEIR_FRAGMENT_BYTES,
	       "a fragment is 1,704 bytes on both sides");

#endif
