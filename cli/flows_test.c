/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of reading sockets and tracked connections: lines as the kernel wrote them. */
#include "cli/flows.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_flow(const struct weir_flow *flow, enum weir_flow_kind kind, const char *src,
			uint16_t sport, const char *dst, uint16_t dport)
{
	char text[WEIR_ADDR_TEXT];

	assert_int_equal(flow->kind, kind);
	assert_string_equal(weir_addr_to_string(&flow->src, text), src);
	assert_int_equal(flow->sport, sport);
	assert_string_equal(weir_addr_to_string(&flow->dst, text), dst);
	assert_int_equal(flow->dport, dport);
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define V4_ANY_22 "00000000:0016"
#define V4_LOCAL_22 "0100000A:0016"	/* 10.0.0.1 */
#define V4_REMOTE_50000 "070200C0:C350" /* 192.0.2.7 */
#define V6_LOCAL_443 "B80D0120000000000000000001000000:01BB"
#define V6_REMOTE_50001 "B80D0120000000000000000002000000:C351"
#define V6_MAPPED_LOCAL "0000000000000000FFFF00000100000A:0050"
#define V6_MAPPED_REMOTE "0000000000000000FFFF0000070200C0:C352"
#else
#define V4_ANY_22 "00000000:0016"
#define V4_LOCAL_22 "0A000001:0016"
#define V4_REMOTE_50000 "C0000207:C350"
#define V6_LOCAL_443 "20010DB8000000000000000000000001:01BB"
#define V6_REMOTE_50001 "20010DB8000000000000000000000002:C351"
#define V6_MAPPED_LOCAL "00000000000000000000FFFF0A000001:0050"
#define V6_MAPPED_REMOTE "00000000000000000000FFFFC0000207:C352"
#endif
#define NOBODY "00000000:0000"
#define REST " 00000000:00000000 00:00000000 00000000     0        0 "

static const char tcp_text[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
	"   0: " V4_ANY_22 " " NOBODY " 0A" REST "4711 1 0000000000000000 100 0 0 10 0\n"
	"   1: " V4_LOCAL_22 " " V4_REMOTE_50000 " 01" REST "4712 2 0000000000000000 20 4\n"
	"   2: " V4_LOCAL_22 " " V4_REMOTE_50000 " 06" REST "0 3 0000000000000000\n";

static void tcp_sockets_that_listen_or_stand_are_read(void **state)
{
	_cleanup_flows_ struct weir_flows flows = { 0 };

	assert_int_equal(weir_sockets_parse(tcp_text, IPPROTO_TCP, &flows), 0);
	assert_int_equal(flows.count, 2);
	assert_flow(&flows.at[0], WEIR_FLOW_PORT, "0.0.0.0", 0, "0.0.0.0", 22);
	assert_int_equal(flows.at[0].inode, 4711);
	assert_flow(&flows.at[1], WEIR_FLOW_PEER, "192.0.2.7", 50000, "10.0.0.1", 22);
	assert_int_equal(flows.at[1].proto, IPPROTO_TCP);
	assert_int_equal(flows.at[1].inode, 4712);
}

static void ipv6_sockets_are_read_and_mapped_addresses_are_ipv4(void **state)
{
	static const char text[] =
		"   0: " V6_LOCAL_443 " " V6_REMOTE_50001 " 01" REST "1 1 0\n"
		"   1: " V6_MAPPED_LOCAL " " V6_MAPPED_REMOTE " 01" REST "2 1 0\n";
	_cleanup_flows_ struct weir_flows flows = { 0 };

	assert_int_equal(weir_sockets_parse(text, IPPROTO_TCP, &flows), 0);
	assert_int_equal(flows.count, 2);
	assert_flow(&flows.at[0], WEIR_FLOW_PEER, "2001:db8::2", 50001, "2001:db8::1", 443);
	assert_flow(&flows.at[1], WEIR_FLOW_PEER, "192.0.2.7", 50002, "10.0.0.1", 80);
}

/* What is 0A for TCP is nothing for UDP, which says 07 of a socket that waits. */
static void udp_sockets_wait_or_are_connected(void **state)
{
	static const char text[] =
		"  1: " V4_ANY_22 " " NOBODY " 07" REST "5 2 0000000000000000 0\n"
		"  2: " V4_LOCAL_22 " " V4_REMOTE_50000 " 01" REST "6 2 0000000000000000 0\n";
	_cleanup_flows_ struct weir_flows flows = { 0 };

	assert_int_equal(weir_sockets_parse(text, IPPROTO_UDP, &flows), 0);
	assert_int_equal(flows.count, 2);
	assert_flow(&flows.at[0], WEIR_FLOW_PORT, "0.0.0.0", 0, "0.0.0.0", 22);
	assert_flow(&flows.at[1], WEIR_FLOW_PEER, "192.0.2.7", 50000, "10.0.0.1", 22);
}

static void lines_that_are_no_sockets_are_passed_over(void **state)
{
	_cleanup_flows_ struct weir_flows flows = { 0 };

	assert_int_equal(weir_sockets_parse("", IPPROTO_TCP, &flows), 0);
	assert_int_equal(weir_sockets_parse("\n\n0: 12:34", IPPROTO_TCP, &flows), 0);
	assert_int_equal(weir_sockets_parse("0: 00:1 00:2 01" REST "1", IPPROTO_TCP, &flows), 0);
	assert_int_equal(flows.count, 0);
}

static void tracked_connection_is_both_its_directions(void **state)
{
	static const char text[] =
		"ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.9 dst=198.51.100.1 "
		"sport=40000 dport=443 src=198.51.100.1 dst=203.0.113.5 sport=443 dport=40000 "
		"[ASSURED] mark=0 zone=0 use=2\n"
		"ipv6     10 udp      17 29 src=2001:db8::9 dst=2001:db8:1::1 sport=5 dport=53 "
		"src=2001:db8:1::1 dst=2001:db8::9 sport=53 dport=5 mark=0 use=2\n";
	_cleanup_flows_ struct weir_flows flows = { 0 };

	assert_int_equal(weir_conntrack_parse(text, &flows), 0);
	assert_int_equal(flows.count, 4);
	assert_flow(&flows.at[0], WEIR_FLOW_FORWARDED, "10.0.0.9", 40000, "198.51.100.1", 443);
	assert_flow(&flows.at[1], WEIR_FLOW_FORWARDED, "198.51.100.1", 443, "203.0.113.5", 40000);
	assert_flow(&flows.at[2], WEIR_FLOW_FORWARDED, "2001:db8::9", 5, "2001:db8:1::1", 53);
	assert_flow(&flows.at[3], WEIR_FLOW_FORWARDED, "2001:db8:1::1", 53, "2001:db8::9", 5);
	assert_int_equal(flows.at[3].proto, IPPROTO_UDP);
}

static void tracked_connections_that_end_or_have_no_ports_are_passed_over(void **state)
{
	static const char text[] =
		"ipv4     2 tcp      6 9 TIME_WAIT src=10.0.0.9 dst=10.0.0.8 sport=1 dport=2 "
		"src=10.0.0.8 dst=10.0.0.9 sport=2 dport=1 mark=0\n"
		"ipv4     2 icmp     1 9 src=10.0.0.9 dst=10.0.0.8 type=8 code=0 id=1 "
		"src=10.0.0.8 dst=10.0.0.9 type=0 code=0 id=1 mark=0\n"
		"ipv4     2 udp      17 9 src=10.0.0.9\n"
		"src=1\n";
	_cleanup_flows_ struct weir_flows flows = { 0 };

	assert_int_equal(weir_conntrack_parse(text, &flows), 0);
	assert_int_equal(flows.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_sockets_that_listen_or_stand_are_read),
		cmocka_unit_test(ipv6_sockets_are_read_and_mapped_addresses_are_ipv4),
		cmocka_unit_test(udp_sockets_wait_or_are_connected),
		cmocka_unit_test(lines_that_are_no_sockets_are_passed_over),
		cmocka_unit_test(tracked_connection_is_both_its_directions),
		cmocka_unit_test(tracked_connections_that_end_or_have_no_ports_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
