/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the packet that `weir explain` describes. */
#ifndef WEIR_CORE_FRAME_H
#define WEIR_CORE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "../base/addr.h"
#include "../base/diag.h"

#define WEIR_FRAME_BYTES 2048 /* more of a probe is not looked at (object.h) */

enum weir_frame_fragment {
	WEIR_FRAGMENT_NONE,
	WEIR_FRAGMENT_FIRST, /* has the transport header */
	WEIR_FRAGMENT_LATER, /* has none */
};

/* What was asked for, where the default depends on the rest or some packets have no such field. */
enum weir_frame_given {
	WEIR_FRAME_PORTS = 1 << 0,
	WEIR_FRAME_TCP_FLAGS = 1 << 1,
	WEIR_FRAME_ICMP_TYPE = 1 << 2,
	WEIR_FRAME_ICMP_CODE = 1 << 3,
	WEIR_FRAME_TTL = 1 << 4,
};

struct weir_frame_spec {
	struct weir_addr src, dst; /* of one family */
	uint8_t proto;		   /* IP protocol number */
	uint16_t sport, dport;	   /* host byte order */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint16_t vlan;	 /* 0 = untagged */
	uint16_t length; /* bytes of the IP packet, headers included; 0 = a natural one */
	uint8_t dscp, ttl;
	enum weir_frame_fragment fragment;
	unsigned given; /* enum weir_frame_given */
};

/*
 * Fills in what was not asked for (SYN, echo request, 64 hops) and refuses what no packet can have:
 * -EINVAL with the key of the field in diag.
 */
int weir_frame_complete(struct weir_frame_spec *spec, struct weir_diag *diag);
/*
 * An Ethernet frame of a completed spec with right lengths and checksums (but SCTP's CRC32c, which
 * nothing on the path reads: 0); those of a first fragment are as if it were the whole. Returns its
 * bytes.
 */
size_t weir_frame_build(const struct weir_frame_spec *spec, unsigned char frame[WEIR_FRAME_BYTES]);

#endif
