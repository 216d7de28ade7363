/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the packet that `weir explain` describes. */
#ifndef WEIR_CORE_FRAME_H
#define WEIR_CORE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "../base/addr.h"
#include "../base/diag.h"

#define WEIR_FRAME_BYTES 256

struct weir_frame_spec {
	struct weir_addr src, dst; /* of one family */
	uint8_t proto;		   /* IP protocol number */
	uint16_t sport, dport;	   /* host byte order */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint16_t vlan; /* 0 = untagged */
	bool later_fragment;
};

/* Number of "tcp", "udp", "icmp" (of the family), "sctp", "gre", "esp" or "0" to "255"; -EINVAL. */
int weir_proto_from_string(const char *text, bool v4, uint8_t *ret_proto);
/* An Ethernet frame with right lengths and checksums (but SCTP's CRC32c, which nothing on the path
 * reads: 0); returns its bytes. */
size_t weir_frame_build(const struct weir_frame_spec *spec, unsigned char frame[WEIR_FRAME_BYTES]);

#endif
