/* SPDX-License-Identifier: Apache-2.0 */
/* Names in, numbers of the IANA registries out. */
#include "core/packet_names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void protocol_is_a_name_or_a_number(void **state)
{
	static const struct {
		const char *text;
		unsigned number;
	} rows[] = {
		{ "tcp", 6 },	{ "udp", 17 },	 { "icmpv6", 58 },   { "sctp", 132 }, { "gre", 47 },
		{ "esp", 50 },	{ "ah", 51 },	 { "udplite", 136 }, { "dccp", 33 },  { "igmp", 2 },
		{ "ospf", 89 }, { "vrrp", 112 }, { "0", 0 },	     { "255", 255 },
	};
	uint8_t proto;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(weir_proto_from_string(rows[i].text, true, &proto), 0);
		assert_int_equal(proto, rows[i].number);
	}
	assert_int_equal(weir_proto_from_string("icmp", true, &proto), 0);
	assert_int_equal(proto, 1);
	assert_int_equal(weir_proto_from_string("icmp", false, &proto), 0);
	assert_int_equal(proto, 58);
}

static void icmp_type_is_that_of_the_family(void **state)
{
	uint8_t type;

	assert_int_equal(weir_icmp_type_from_string("echo-request", true, &type), 0);
	assert_int_equal(type, 8);
	assert_int_equal(weir_icmp_type_from_string("echo-request", false, &type), 0);
	assert_int_equal(type, 128);
	assert_int_equal(weir_icmp_type_from_string("packet-too-big", false, &type), 0);
	assert_int_equal(type, 2);
	assert_int_equal(weir_icmp_type_from_string("packet-too-big", true, &type), -EINVAL);
	assert_int_equal(weir_icmp_type_from_string("200", true, &type), 0);
	assert_int_equal(type, 200);
}

static void dscp_is_a_class_or_a_number_to_63(void **state)
{
	uint8_t dscp;

	assert_int_equal(weir_dscp_from_string("ef", &dscp), 0);
	assert_int_equal(dscp, 46);
	assert_int_equal(weir_dscp_from_string("cs6", &dscp), 0);
	assert_int_equal(dscp, 48);
	assert_int_equal(weir_dscp_from_string("af43", &dscp), 0);
	assert_int_equal(dscp, 38);
	assert_int_equal(weir_dscp_from_string("63", &dscp), 0);
	assert_int_equal(dscp, 63);
	assert_int_equal(weir_dscp_from_string("64", &dscp), -EINVAL);
}

static void tcp_flags_are_joined_by_commas(void **state)
{
	uint8_t flags;

	assert_int_equal(weir_tcp_flags_from_string("syn", &flags), 0);
	assert_int_equal(flags, 0x02);
	assert_int_equal(weir_tcp_flags_from_string("fin,psh,urg", &flags), 0);
	assert_int_equal(flags, 0x29);
	assert_int_equal(weir_tcp_flags_from_string("none", &flags), 0);
	assert_int_equal(flags, 0);
}

static void what_is_no_name_is_refused_and_changes_nothing(void **state)
{
	static const char *const wrong[] = { "",	 ",",	     "syn,",
					     ",syn",	 "SYN",	     "syn ack",
					     "syn,,ack", "none,syn", "-1",
					     " 1",	 "1 ",	     "0x10",
					     "256",	 "tcpp",     "99999999999999999999" };
	uint8_t number = 77;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(weir_proto_from_string(wrong[i], true, &number), -EINVAL);
		assert_int_equal(weir_icmp_type_from_string(wrong[i], false, &number), -EINVAL);
		assert_int_equal(weir_dscp_from_string(wrong[i], &number), -EINVAL);
		assert_int_equal(weir_tcp_flags_from_string(wrong[i], &number), -EINVAL);
	}
	assert_int_equal(number, 77);
}

static void tables_know_names_in_any_case_and_only_whole_ones(void **state)
{
	uint8_t number = 77;

	assert_true(weir_packet_name_find(WEIR_NAMES_PROTO, "ICMP", 4, &number));
	assert_int_equal(number, 1);
	assert_true(weir_packet_name_find(WEIR_NAMES_TCP_FLAG, "syn,ack", 3, &number));
	assert_int_equal(number, 2);
	assert_true(weir_packet_name_find(WEIR_NAMES_ICMPV6_TYPE, "neighbour-solicitation", 22,
					  &number));
	assert_int_equal(number, 135);
	assert_true(weir_packet_name_find(WEIR_NAMES_DSCP, "af41", 4, &number));
	assert_int_equal(number, 34);
	assert_false(weir_packet_name_find(WEIR_NAMES_ICMP_TYPE, "packet-too-big", 14, &number));
	assert_false(weir_packet_name_find(WEIR_NAMES_PROTO, "tc", 2, &number));
	assert_false(weir_packet_name_find(WEIR_NAMES_PROTO, "", 0, &number));
	assert_int_equal(number, 34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protocol_is_a_name_or_a_number),
		cmocka_unit_test(icmp_type_is_that_of_the_family),
		cmocka_unit_test(dscp_is_a_class_or_a_number_to_63),
		cmocka_unit_test(tcp_flags_are_joined_by_commas),
		cmocka_unit_test(tables_know_names_in_any_case_and_only_whole_ones),
		cmocka_unit_test(what_is_no_name_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
