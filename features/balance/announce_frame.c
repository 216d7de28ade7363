/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of announcements. */
#include "features/balance/announce_frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#define ADDR_BYTES 16
#define V4_AT 12 /* in an address */
#define NEXT_ICMPV6 58
#define ADVERTISEMENT 136
#define IS_ROUTER 0x80
#define OVERRIDES 0x20
#define OPTION_TARGET_LINK 2

struct link_header {
	uint8_t to[ANNOUNCE_MAC_BYTES], from[ANNOUNCE_MAC_BYTES];
	uint16_t type;
} __attribute__((packed));

struct arp_frame {
	struct link_header link;
	uint16_t hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	uint16_t operation;
	uint8_t sender_mac[ANNOUNCE_MAC_BYTES], sender[4];
	uint8_t target_mac[ANNOUNCE_MAC_BYTES], target[4];
} __attribute__((packed));

struct advertisement {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags, spare[3];
	uint8_t target[ADDR_BYTES];
	uint8_t option, option_words, mac[ANNOUNCE_MAC_BYTES];
} __attribute__((packed));

struct advertisement_frame {
	struct link_header link;
	uint32_t version;
	uint16_t payload;
	uint8_t next, hop_limit;
	uint8_t src[ADDR_BYTES], dst[ADDR_BYTES];
	struct advertisement said;
} __attribute__((packed));

_Static_assert(sizeof(struct arp_frame) == 42, "as on the wire");
_Static_assert(sizeof(struct advertisement_frame) == ANNOUNCE_FRAME_BYTES, "as on the wire");

static size_t arp_write(const uint8_t addr[4], const uint8_t mac[ANNOUNCE_MAC_BYTES],
			uint8_t frame[ANNOUNCE_FRAME_BYTES])
{
	struct arp_frame arp = {
		.link.type = htons(ETH_P_ARP),
		.hardware = htons(1),
		.protocol = htons(ETH_P_IP),
		.hardware_bytes = ANNOUNCE_MAC_BYTES,
		.protocol_bytes = 4,
		.operation = htons(1),
	};

	memset(arp.link.to, 0xff, sizeof(arp.link.to));
	memcpy(arp.link.from, mac, sizeof(arp.link.from));
	memcpy(arp.sender_mac, mac, sizeof(arp.sender_mac));
	memcpy(arp.sender, addr, sizeof(arp.sender));
	memcpy(arp.target, addr, sizeof(arp.target));
	memcpy(frame, &arp, sizeof(arp));
	return sizeof(arp);
}

static uint32_t sum_of(const void *bytes, size_t len, uint32_t sum)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

/* Over the pseudo header, RFC 8200, 8.1; the checksum itself is zero yet. */
static uint16_t checksum_of(const struct advertisement_frame *frame)
{
	uint32_t sum = sum_of(frame->src, sizeof(frame->src), NEXT_ICMPV6 + sizeof(frame->said));

	sum = sum_of(frame->dst, sizeof(frame->dst), sum);
	sum = sum_of(&frame->said, sizeof(frame->said), sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static size_t advertisement_write(const struct weir_addr *addr,
				  const uint8_t mac[ANNOUNCE_MAC_BYTES], bool is_router,
				  uint8_t frame[ANNOUNCE_FRAME_BYTES])
{
	struct advertisement_frame made = {
		.link = { .to = { 0x33, 0x33, 0, 0, 0, 1 }, .type = htons(ETH_P_IPV6) },
		.version = htonl(6U << 28),
		.payload = htons(sizeof(made.said)),
		.next = NEXT_ICMPV6,
		.hop_limit = 255,
		.dst = { 0xff, 0x02, [15] = 1 },
		.said = { .type = ADVERTISEMENT,
			  .flags = OVERRIDES | (is_router ? IS_ROUTER : 0),
			  .option = OPTION_TARGET_LINK,
			  .option_words = 1 },
	};

	memcpy(made.link.from, mac, sizeof(made.link.from));
	memcpy(made.src, addr, sizeof(made.src));
	memcpy(made.said.target, addr, sizeof(made.said.target));
	memcpy(made.said.mac, mac, sizeof(made.said.mac));
	made.said.checksum = checksum_of(&made);
	memcpy(frame, &made, sizeof(made));
	return sizeof(made);
}

size_t announce_frame(const struct weir_addr *addr, const uint8_t mac[ANNOUNCE_MAC_BYTES],
		      bool is_router, uint8_t frame[ANNOUNCE_FRAME_BYTES])
{
	return weir_addr_is_v4(addr) ? arp_write((const uint8_t *)addr + V4_AT, mac, frame) :
				       advertisement_write(addr, mac, is_router, frame);
}
