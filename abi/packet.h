/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What both sides of the kernel boundary say about a packet: its addresses, its direction, and the
 * limits of what is parsed. Types only.
 */
#ifndef WEIR_ABI_PACKET_H
#define WEIR_ABI_PACKET_H

#include <linux/types.h>

/* An IPv6 address in network byte order; IPv4 stands as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so one
 * type serves both. */
struct weir_addr {
	union {
		__u8 bytes[16];
		__be16 be16[8];
		__be32 be32[4];
		__be64 be64[2];
	};
};

_Static_assert(sizeof(struct weir_addr) == 16, "an address is 16 bytes on both sides");

/* Of ports. */
struct weir_span {
	__u16 from, to; /* both belong to it; from above to: none does */
};

/* Seen from the interface: ingress is what arrives there, egress what leaves by it. */
enum weir_direction {
	WEIR_INGRESS,
	WEIR_EGRESS,
	WEIR_DIRECTIONS,
};

/* Deeper than this and the packet is refused with a reason of its own: an unread tag would hide an
 * address from the lists. */
#define WEIR_TAGS_MAX 4	      /* 802.1Q and 802.1ad tags */
#define WEIR_LABELS_MAX 8     /* MPLS labels */
#define WEIR_EXTENSIONS_MAX 8 /* IPv6 extension headers */

#define PKT_TCP_BIT 8
#define PKT_MALFORMED_BIT 12

/* What parse.h found, as bits. A bit is set only when the bytes it stands for were read whole. */
enum pkt_seen {
	PKT_IPV4 = 1 << 0,
	PKT_IPV6 = 1 << 1,
	PKT_ARP = 1 << 2,
	/* At least one 802.1Q or 802.1ad tag; set by the hook when the device took it off. */
	PKT_VLAN = 1 << 3,
	PKT_MPLS = 1 << 4,
	/* Part of a fragmented datagram, the first part included. */
	PKT_FRAGMENT = 1 << 5,
	/* Not the first part: it has no transport header. */
	PKT_LATER_FRAGMENT = 1 << 6,
	/* sport and dport are set (TCP, UDP, UDP-Lite, SCTP, DCCP). */
	PKT_PORTS = 1 << 7,
	/* tcp_flags is set too. */
	PKT_TCP = 1 << PKT_TCP_BIT,
	/* icmp_type and icmp_code are set (either version). */
	PKT_ICMP = 1 << 9,
	/* ICMPv6 neighbour or router discovery: types 133 to 137, hop limit 255, whole. */
	PKT_NEIGHBOUR = 1 << 10,
	/* IPv4 options or IPv6 extension headers. */
	PKT_OPTIONS = 1 << 11,
	/* A header was cut short or contradicts itself; fields set before it hold. */
	PKT_MALFORMED = 1 << PKT_MALFORMED_BIT,
	/* More tags, labels or extension headers than parse.h follows. */
	PKT_TOO_DEEP = 1 << 13,
	/* With PKT_MALFORMED: the buffer ended first; more of the packet may be had (TC). */
	PKT_CUT_SHORT = 1 << 14,
	/* With PKT_CUT_SHORT, set by the hook: the packet goes on, and no more of it can be had. */
	PKT_UNREADABLE = 1 << 15,
};

/* What connection tracking says of a packet; untracked where it does not look. */
enum weir_conn_state {
	WEIR_CONN_UNTRACKED,
	WEIR_CONN_NEW,
	WEIR_CONN_ESTABLISHED,
	WEIR_CONN_RELATED,
	WEIR_CONN_INVALID,
	WEIR_CONN_STATES,
};

/* How the sender of a refused packet is told. */
enum weir_reject {
	WEIR_REJECT_NONE,
	WEIR_REJECT_DEFAULT, /* TCP: a reset; others: port unreachable */
	WEIR_REJECT_ADMIN,   /* administratively prohibited */
	WEIR_REJECT_SYN_ACK, /* not refused: a SYN that is answered in the receiver's place */
};

#define PKT_IP (PKT_IPV4 | PKT_IPV6)

#endif
