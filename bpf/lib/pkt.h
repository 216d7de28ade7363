/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * struct pkt: all that a stage sees of a packet. parse.h fills it once; stages read fields, never
 * bytes. Compiles natively too (fuzzing, unit tests), so it names no BPF type.
 */
#ifndef WEIR_BPF_PKT_H
#define WEIR_BPF_PKT_H

#include "../../abi/packet.h"

#define PKT_TAGGED 0x1000u /* with a VLAN id: there is a tag that has it, be it 0 */

/* Whether a packet of a flow stands as it was sent, or as its initiator would have begun. */
enum pkt_turned {
	PKT_AS_SENT,
	PKT_TURNED_FLAGS, /* with the first packet's flags */
	PKT_TURNED,	  /* and an answer: with its ends and direction turned */
};

/* What becomes of its flow, once a packet is known to pass. */
enum pkt_pending {
	PKT_CHANGES_NOTHING,
	PKT_CHANGES,
	PKT_BEGINS, /* its first packet */
};

/* Whose connection an acknowledgement has proven that repeats a cookie. */
enum pkt_shaken {
	PKT_NOT_SHAKEN,
	PKT_SHAKEN_HERE,  /* a listener's of this host */
	PKT_SHAKEN_RELAY, /* one to a server, which is still to be made */
};

/* What the hook does with a packet of a connection that is relayed (relay.h). */
enum pkt_relay {
	PKT_RELAY_NOTHING,
	PKT_RELAY_SYN,	   /* an acknowledgement: it becomes the SYN to the server */
	PKT_RELAY_OPENS,   /* the server's SYN+ACK: acknowledged, and the client gets a window */
	PKT_RELAY_CHANGES, /* its header is translated */
	PKT_RELAY_QUOTE,   /* of an error: what it holds is */
	PKT_RELAY_ASKS,	   /* an acknowledgement, of one that is over: it may prove another */
	PKT_RELAY_RESETS,  /* the server means a connection of before: it is reset */
	PKT_NAT_QUOTE,	   /* of an error: what it holds is (served.h) */
	PKT_NAT,    /* one end of it is a service's and becomes a backend's, or back (served.h) */
	PKT_DIRECT, /* it goes to a backend as it is, and so does an error about such a flow */
	PKT_CHECK,  /* of a health check by a tunnel (balance_check.bpf.h) */
};

struct pkt {
	struct weir_addr src; /* set when seen & PKT_IP; v4 as ::ffff:a.b.c.d */
	struct weir_addr dst;
	__u32 len; /* bytes on the wire, link header included; set before parsing */
	/*
	 * enum pkt_seen. Kept off an 8-byte boundary: a 4-byte constant stored on one is a constant
	 * to the verifier from kernel 6.8 on, and every stage would be walked once for each way
	 * through the parser.
	 */
	__u32 seen;
	__u32 ifindex;
	__be16 ethertype; /* of the innermost header: after tags and labels */
	__be16 sport;
	__be16 dport;
	__u16 vlan;	 /* outermost VLAN id, 0 when untagged */
	__u16 l3_offset; /* bytes from the start of the buffer to what follows tags and labels: the
			    IP header, if any */
	__u16 l4_offset; /* to the transport header, read whole if its kind is known; 0 when there
			    is none here */
	__u8 proto; /* final IP protocol number, after the extension headers; of a later fragment,
		       what its header says */
	__u8 tcp_flags; /* byte 13 of the TCP header */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 ttl; /* TTL or hop limit */
	__u8 dscp;
	__u8 direction;	   /* enum weir_direction */
	__u8 probe;	   /* weir explain or replay: tell the result, count nothing */
	__u8 slot;	   /* 0 or 1: which compiled policy is live; read once (generation.h) */
	__u8 allowed;	   /* on an allow list: no list, limit or automatic block may drop it */
	__u16 iface_slot;  /* index of the interface in the counters */
	__u32 generation;  /* the revision read with slot */
	__u32 class;	   /* address class of the remote end (classify.h), 0 when in no list */
	__u32 list;	   /* the list that decided, 0 for none; for events and explain */
	__u32 hit;	   /* its hit counter, 0 for none */
	__u32 local_class; /* address class of this end, where a stage asked for it */
	__u32 rule;	   /* the rule that decided: its counter's row, 0 for none */
	__u32 mark;	   /* what rules want the packet marked with */
	__u16 ip_len;	   /* bytes of the IP packet by its own header, 65,535 when it says more */
	union {
		__u16 finishes; /* either */
		struct {
			__u8 has_mark;
			__u8 relay; /* enum pkt_relay */
		};
	};
	__u8 state;	  /* enum weir_conn_state */
	__u8 reject;	  /* enum weir_reject: how the sender is to be told */
	__u16 inner_vlan; /* of the tag behind the outermost, with PKT_TAGGED; 0: there is none */
	/* Of a fragment, without meaning in other packets: as in an IPv6 fragment header, offset in
	 * bytes, and in the lowest bit that more follow; the bytes it carries of the datagram, and
	 * whose they are. */
	__u16 fragment;
	__u16 fragment_bytes;
	__be32 fragment_id;
	/* Of TCP: the header's numbers, and how many bytes of data follow it. Of SCTP, where it is
	 * asked for (parse_chunk()): the verification tag, and of an INIT or INIT ACK the initiate
	 * tag, both in host byte order; the flags of the first chunk. */
	union {
		__u32 tcp_seq;
		__u32 sctp_tag;
	};
	union {
		__u32 tcp_ack;
		__u32 sctp_initiate;
	};
	__u32 tcp_bytes;
	union {
		__u16 tcp_window;
		__u16 chunk_flags;
	};
	__u8 tcp_words; /* of the header, 4 bytes each */
	__u8 chunk;	/* SCTP: type of the first; 255 when there is none */
	__be16 icmp_id; /* identifier, of requests and answers that have one */
	__u8 turned;	/* enum pkt_turned: seen as the flow's initiator would send it */
	__u8 granted;	/* passes where no rule speaks: related, expected, taken over */
	__u8 briefly;	/* the verdict of rules holds for this packet, not for its flow */
	__u8 own_flags; /* tcp_flags, while turned */
	__u8 shaken;	/* enum pkt_shaken */
	__u8 pending;	/* enum pkt_pending */
	__u32 held;	/* of a probe: the limit it met last, LIMIT_LIST and its row, or a rule */
};

/* IP protocol numbers that mean something to parsing or to a stage. */
enum wire_proto {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_ESP = 50,
	PROTO_AH = 51,
	PROTO_ICMPV6 = 58,
	PROTO_NO_NEXT = 59,
	PROTO_DESTINATION = 60,
	PROTO_SCTP = 132,
	PROTO_MOBILITY = 135,
	PROTO_UDPLITE = 136,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
};

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
};

/*
 * Combinations of FIN, SYN, RST, PSH, ACK and URG that connections are made of, a bit each: those
 * that the kernel's connection tracking takes for valid. ECN's two flags may be set beside any.
 */
#define TCP_FLAGS_BOTH(flags) \
	(1ULL << (flags) | 1ULL << ((flags) | 8)) /* without PSH and with it */
#define TCP_FLAGS_VALID                                                                            \
	(TCP_FLAGS_BOTH(2) | TCP_FLAGS_BOTH(2 | 32) | TCP_FLAGS_BOTH(2 | 16) | TCP_FLAGS_BOTH(4) | \
	 TCP_FLAGS_BOTH(4 | 16) | TCP_FLAGS_BOTH(1 | 16) | TCP_FLAGS_BOTH(1 | 16 | 32) |           \
	 TCP_FLAGS_BOTH(16) | TCP_FLAGS_BOTH(16 | 32))

_Static_assert(__builtin_offsetof(struct pkt, seen) % 8 != 0 &&
		       __builtin_offsetof(struct pkt, l3_offset) % 8 != 0,
	       "the verifier must not follow their values through the stack");

#endif
