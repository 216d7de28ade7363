/* SPDX-License-Identifier: Apache-2.0 */
/* Link headers by the byte, as the registry of tcpdump.org describes them, and the Ethernet frames
 * they become. */
#include "cli/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* "0x45" starts an IPv4 header, "0x60" an IPv6 one; what follows is not looked at here. */
static const unsigned char v4_start[] = { 0x45, 1, 2, 3, 4, 5, 6, 7 };
static const unsigned char v6_start[] = { 0x60, 9, 8, 7, 6, 5, 4, 3 };

static void assert_frame(enum weir_link link, const void *head, size_t head_len, uint16_t type,
			 const unsigned char payload[8])
{
	unsigned char packet[64];
	struct weir_link_frame frame;

	memcpy(packet, head, head_len);
	memcpy(packet + head_len, payload, 8);
	weir_link_to_ethernet(link, packet, head_len + 8, head_len + 1000, &frame);
	assert_int_equal(frame.bytes[12] << 8 | frame.bytes[13], type);
	assert_int_equal(frame.captured, 14 + 8);
	assert_int_equal(frame.wire_len, 14 + 1000);
	assert_memory_equal(frame.bytes + 14, payload, 8);
}

static void ethernet_stays_as_it_is(void **state)
{
	unsigned char packet[60];
	struct weir_link_frame frame;

	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (unsigned char)i;
	weir_link_to_ethernet(WEIR_LINK_ETHERNET, packet, sizeof(packet), 1514, &frame);
	assert_int_equal(frame.captured, 60);
	assert_int_equal(frame.wire_len, 1514);
	assert_memory_equal(frame.bytes, packet, sizeof(packet));
}

static void raw_is_told_by_its_version(void **state)
{
	assert_frame(WEIR_LINK_RAW, "", 0, 0x0800, v4_start);
	assert_frame(WEIR_LINK_RAW, "", 0, 0x86dd, v6_start);
}

static void null_family_may_be_in_either_byte_order(void **state)
{
	assert_frame(WEIR_LINK_NULL, "\x02\0\0\0", 4, 0x0800, v4_start);
	assert_frame(WEIR_LINK_NULL, "\0\0\0\x02", 4, 0x0800, v4_start);
	assert_frame(WEIR_LINK_NULL, "\x1e\0\0\0", 4, 0x86dd, v6_start);
	assert_frame(WEIR_LINK_NULL, "\0\0\0\x18", 4, 0x86dd, v6_start);
	assert_frame(WEIR_LINK_NULL, "\x0a\0\0\0", 4, 0x86dd, v6_start);
}

static void loop_family_is_big_endian(void **state)
{
	assert_frame(WEIR_LINK_LOOP, "\0\0\0\x02", 4, 0x0800, v4_start);
	assert_frame(WEIR_LINK_LOOP, "\0\0\0\x1c", 4, 0x86dd, v6_start);
}

static void unknown_family_is_no_protocol(void **state)
{
	assert_frame(WEIR_LINK_NULL, "\x63\0\0\0", 4, 0, v4_start);
}

/* Type 0, ARPHRD_ETHER 1, address of 6 bytes and 2 of padding, protocol. */
#define SLL_HEAD "\0\0\0\x01\0\x06\x02\x11\x22\x33\x44\x55\0\0"

static void cooked_keeps_protocol_and_source(void **state)
{
	unsigned char packet[24];
	struct weir_link_frame frame;

	memcpy(packet, SLL_HEAD "\x86\xdd", 16);
	memcpy(packet + 16, v6_start, 8);
	weir_link_to_ethernet(WEIR_LINK_SLL, packet, sizeof(packet), sizeof(packet), &frame);
	assert_memory_equal(frame.bytes, "\0\0\0\0\0\0\x02\x11\x22\x33\x44\x55\x86\xdd", 14);
	assert_frame(WEIR_LINK_SLL, SLL_HEAD "\x08\0", 16, 0x0800, v4_start);
}

static void cooked_netlink_is_no_protocol(void **state)
{
	/* ARPHRD_NETLINK is 824 = 0x0338; the protocol there is a netlink family. */
	assert_frame(WEIR_LINK_SLL, "\0\0\x03\x38\0\0\0\0\0\0\0\0\0\0\x08\0", 16, 0, v4_start);
}

static void cooked_2_keeps_protocol_and_source(void **state)
{
	/* protocol, reserved, ifindex, ARPHRD_ETHER, packet type, address length 6, address,
	 * padding */
	static const char head[] = "\x08\0\0\0\0\0\0\x02\0\x01\0\x06\x02\x11\x22\x33\x44\x55\0\0";
	unsigned char packet[28];
	struct weir_link_frame frame;

	memcpy(packet, head, 20);
	memcpy(packet + 20, v4_start, 8);
	weir_link_to_ethernet(WEIR_LINK_SLL2, packet, sizeof(packet), sizeof(packet), &frame);
	assert_memory_equal(frame.bytes, "\0\0\0\0\0\0\x02\x11\x22\x33\x44\x55\x08\0", 14);
	assert_frame(WEIR_LINK_SLL2, head, 20, 0x0800, v4_start);
}

static void every_link_survives_every_cut(void **state)
{
	unsigned char packet[40] = { 0x45 };
	struct weir_link_frame frame;

	for (int link = WEIR_LINK_ETHERNET; link <= WEIR_LINK_SLL2; link++)
		for (size_t len = 0; len <= sizeof(packet); len++) {
			weir_link_to_ethernet((enum weir_link)link, packet, len, len, &frame);
			assert_in_range(frame.captured, 14, 14 + sizeof(packet));
		}
}

static void long_packet_is_cut_to_the_buffer(void **state)
{
	static unsigned char packet[70000] = { 0x45 };
	struct weir_link_frame frame;

	weir_link_to_ethernet(WEIR_LINK_RAW, packet, sizeof(packet), sizeof(packet), &frame);
	assert_int_equal(frame.captured, WEIR_LINK_FRAME_BYTES);
	assert_int_equal(frame.wire_len, 70014);
	weir_link_to_ethernet(WEIR_LINK_ETHERNET, packet, sizeof(packet), sizeof(packet), &frame);
	assert_int_equal(frame.captured, WEIR_LINK_FRAME_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethernet_stays_as_it_is),
		cmocka_unit_test(raw_is_told_by_its_version),
		cmocka_unit_test(null_family_may_be_in_either_byte_order),
		cmocka_unit_test(loop_family_is_big_endian),
		cmocka_unit_test(unknown_family_is_no_protocol),
		cmocka_unit_test(cooked_keeps_protocol_and_source),
		cmocka_unit_test(cooked_netlink_is_no_protocol),
		cmocka_unit_test(cooked_2_keeps_protocol_and_source),
		cmocka_unit_test(every_link_survives_every_cut),
		cmocka_unit_test(long_packet_is_cut_to_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
