/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the link header off and puts an Ethernet header on, with the addresses that are known. */
#include "cli/link.h"

#include <stdbool.h>
#include <string.h>

#define ETHERNET_HEADER 14
#define ADDRESS_BYTES 6
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_NONE 0 /* a length of nothing: neither IP nor ARP */

#define NULL_HEADER 4
#define SLL_HEADER 16
#define SLL2_HEADER 20
#define HARDWARE_NETLINK 824 /* ARPHRD_NETLINK: its "protocol" is no EtherType */

/* What a link header says. */
struct link_head {
	size_t bytes; /* its length; more than captured: cut off */
	uint16_t type;
	const unsigned char *source; /* 6 bytes, or NULL */
};

static uint16_t be16_at(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint16_t type_of_version(const unsigned char *packet, size_t captured)
{
	unsigned version = captured > 0 ? packet[0] >> 4 : 0;

	return version == 4 ? TYPE_IPV4 : version == 6 ? TYPE_IPV6 : TYPE_NONE;
}

/* AF_INET is 2 everywhere; AF_INET6 is 10 on Linux and 24, 28 or 30 on the BSDs and macOS. */
static uint16_t type_of_family(uint32_t family)
{
	switch (family) {
	case 2:
		return TYPE_IPV4;
	case 10:
	case 24:
	case 28:
	case 30:
		return TYPE_IPV6;
	default:
		return TYPE_NONE;
	}
}

static struct link_head null_read(const unsigned char *packet)
{
	uint32_t big = (uint32_t)be16_at(packet) << 16 | be16_at(packet + 2);
	uint32_t little = __builtin_bswap32(big);

	/* Families are small numbers: the order of bytes that makes it one is the right one. */
	return (struct link_head){ NULL_HEADER, type_of_family(big < little ? big : little), NULL };
}

static struct link_head cooked_read(const unsigned char *packet, size_t header, size_t type_at,
				    size_t hardware_at, size_t length)
{
	size_t source_at = header == SLL_HEADER ? 6 : 12;
	bool known = be16_at(packet + hardware_at) != HARDWARE_NETLINK;

	return (struct link_head){
		.bytes = header,
		.type = known ? be16_at(packet + type_at) : TYPE_NONE,
		.source = length == ADDRESS_BYTES ? packet + source_at : NULL,
	};
}

static struct link_head head_read(enum weir_link link, const unsigned char *packet, size_t captured)
{
	static const size_t header_bytes[] = {
		[WEIR_LINK_NULL] = NULL_HEADER,
		[WEIR_LINK_LOOP] = NULL_HEADER,
		[WEIR_LINK_SLL] = SLL_HEADER,
		[WEIR_LINK_SLL2] = SLL2_HEADER,
	};

	if (link == WEIR_LINK_RAW)
		return (struct link_head){ 0, type_of_version(packet, captured), NULL };
	if (captured < header_bytes[link])
		return (struct link_head){ captured, TYPE_NONE, NULL };
	if (link == WEIR_LINK_SLL)
		return cooked_read(packet, SLL_HEADER, 14, 2, be16_at(packet + 4));
	if (link == WEIR_LINK_SLL2)
		return cooked_read(packet, SLL2_HEADER, 0, 8, packet[11]);
	return null_read(packet);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void ethernet_take(const void *packet, size_t captured, size_t wire_len,
			  struct weir_link_frame *frame)
{
	size_t taken = least(captured, sizeof(frame->bytes));

	memset(frame->bytes, 0, ETHERNET_HEADER);
	memcpy(frame->bytes, packet, taken);
	frame->captured = taken < ETHERNET_HEADER ? ETHERNET_HEADER : taken;
	frame->wire_len = wire_len;
}

void weir_link_to_ethernet(enum weir_link link, const void *packet, size_t captured,
			   size_t wire_len, struct weir_link_frame *ret_frame)
{
	if (link == WEIR_LINK_ETHERNET) {
		ethernet_take(packet, captured, wire_len, ret_frame);
		return;
	}
	struct link_head head = head_read(link, packet, captured);
	size_t payload = least(captured - head.bytes, sizeof(ret_frame->bytes) - ETHERNET_HEADER);

	memset(ret_frame->bytes, 0, ETHERNET_HEADER);
	if (head.source)
		memcpy(ret_frame->bytes + ADDRESS_BYTES, head.source, ADDRESS_BYTES);
	ret_frame->bytes[12] = (unsigned char)(head.type >> 8);
	ret_frame->bytes[13] = (unsigned char)head.type;
	memcpy(ret_frame->bytes + ETHERNET_HEADER, (const unsigned char *)packet + head.bytes,
	       payload);
	ret_frame->captured = ETHERNET_HEADER + payload;
	ret_frame->wire_len = (wire_len > head.bytes ? wire_len - head.bytes : 0) + ETHERNET_HEADER;
}
