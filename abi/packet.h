/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What both sides of the kernel boundary say about a packet: its addresses, its direction, and the limits of
 * what is parsed. Types only.
 */
#ifndef WEIR_ABI_PACKET_H
#define WEIR_ABI_PACKET_H

#include <linux/types.h>

/* An IPv6 address in network byte order; IPv4 stands as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so one type serves both. */
struct weir_addr {
	union {
		__u8 bytes[16];
		__be16 be16[8];
		__be32 be32[4];
		__be64 be64[2];
	};
};

_Static_assert(sizeof(struct weir_addr) == 16, "an address is 16 bytes on both sides");

/* Seen from the interface: ingress is what arrives there, egress what leaves by it. */
enum weir_direction {
	WEIR_INGRESS,
	WEIR_EGRESS,
	WEIR_DIRECTIONS,
};

/* Deeper than this and the packet is refused with a reason of its own: an unread tag would hide an address from the lists. */
#define WEIR_TAGS_MAX 4	      /* 802.1Q and 802.1ad tags */
#define WEIR_LABELS_MAX 8     /* MPLS labels */
#define WEIR_EXTENSIONS_MAX 8 /* IPv6 extension headers */

#endif
