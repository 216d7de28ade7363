/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of captures as Ethernet frames: the data path reads nothing else. Knows link layers, not
 * files. */
#ifndef WEIR_CLI_LINK_H
#define WEIR_CLI_LINK_H

#include <stddef.h>
#include <stdint.h>

#define WEIR_LINK_FRAME_BYTES 2048 /* more of a packet is never looked at */

enum weir_link {
	WEIR_LINK_ETHERNET,
	WEIR_LINK_RAW,	/* begins with an IPv4 or IPv6 header */
	WEIR_LINK_NULL, /* address family in the byte order of the machine that captured */
	WEIR_LINK_LOOP, /* address family in network byte order */
	WEIR_LINK_SLL,	/* Linux "cooked", version 1 */
	WEIR_LINK_SLL2, /* version 2 */
};

struct weir_link_frame {
	unsigned char bytes[WEIR_LINK_FRAME_BYTES];
	size_t captured;   /* of these, 14 at least */
	uint64_t wire_len; /* of the Ethernet frame it stands for, whether captured whole or not */
};

/* A packet cut off within its link header becomes a frame of no protocol. */
void weir_link_to_ethernet(enum weir_link link, const void *packet, size_t captured,
			   size_t wire_len, struct weir_link_frame *ret_frame);

#endif
