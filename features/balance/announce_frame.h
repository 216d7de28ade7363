/* SPDX-License-Identifier: Apache-2.0 */
/* What neighbours are told: that an address is to be found at a MAC address. */
#ifndef WEIR_ANNOUNCE_FRAME_H
#define WEIR_ANNOUNCE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define ANNOUNCE_FRAME_BYTES 86
#define ANNOUNCE_MAC_BYTES 6

/*
 * A frame for all on the link; returns its length. IPv4: an ARP announcement, a request with the
 * address as sender and as target (RFC 5227, 2.3 and 3), 42 bytes. IPv6: an unsolicited neighbour
 * advertisement to all nodes, which overrides what they knew (RFC 4861, 7.2.6), 86 bytes;
 * `is_router` as the host is one on that link, since neighbours forget a router that says no more
 * that it is one.
 */
size_t announce_frame(const struct weir_addr *addr, const uint8_t mac[ANNOUNCE_MAC_BYTES],
		      bool is_router, uint8_t frame[ANNOUNCE_FRAME_BYTES]);

#endif
