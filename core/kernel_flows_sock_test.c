/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the reading of sock_diag. The messages were recorded from a kernel (little-endian), and
 * what they hold is what ss said of the same sockets; the variants change bytes of them.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "core/kernel_flows_private.h"

#define MESSAGE_MAX 512
#define TCP 6
#define UDP 17

union message {
	struct nlmsghdr header;
	unsigned char bytes[MESSAGE_MAX];
};

/* tcp LISTEN *:8080; its struct tcp_info is left out */
static const char tcp_listens[] = "680000001400020001000000084100000a0a00001f9000000000000000000000"
				  "000000000000000000000000000000000000000000000000000000003b100000"
				  "0000000000000000000000008000000000000000f47e2d000500080000000000"
				  "05000b0000000000";
#define LISTEN_ONLY_V6 100

/* tcp ESTAB [::ffff:10.77.1.1]:8080 [::ffff:10.77.1.2]:51000, wscale:3,10 */
static const char tcp_mapped[] = "980100001400020001000000084100000a0100001f90c7380000000000000000"
				 "0000ffff0a4d010100000000000000000000ffff0a4d0102000000003d100000"
				 "0000000000000000000000000000000000000000f67e2d000500080000000000"
				 "08000f00000000000c001500010000000000000006001600120000001c010200"
				 "010000000007a301e01c030000000000a8050000180200000000000000000000"
				 "00000000000000000000000024000000000000002400000024000000dc050000"
				 "58fa00001f0000000f000000ffffff7f0a000000a80500000300000000000000"
				 "903800000000000096da904f00000000ffffffffffffffff0000000000000000"
				 "00000000000000000000000002000000000000001f0000000000000000000000"
				 "0000000000000000000000000000000000000000000000000000000000000000"
				 "0100000000000000000000000000000000000000000000000000000000000000"
				 "000000002891040088fe00000000000000000000000000000000000000000000"
				 "000000000000000000000000000000000000000000000000";
#define TCP_STATE 17
#define TCP_REMOTE_PORT 22
#define TCP_OPTIONS 133
#define TCP_BYTES 408

/* udp ESTAB 10.77.1.1:43000 10.77.1.2:53 */
static const char udp_connected[] =
	"7c00000014000200010000000841000002010000a7f800350a4d010100000000"
	"00000000000000000a4d0102000000000000000000000000000000003a100000"
	"0000000000000000000000000000000000000000ff7e2d000500080000000000"
	"08000f00000000000c00150001000000000000000600160050000000";

static union message message_of(const char *hex)
{
	union message message = { 0 };

	for (size_t i = 0; hex[2 * i]; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		message.bytes[i] = (unsigned char)byte;
	}
	assert_int_equal(message.header.nlmsg_len, strlen(hex) / 2);
	return message;
}

static struct kernel_socket socket_of(const union message *message, uint8_t proto)
{
	struct kernel_socket socket;

	assert_true(weir_kernel_socket_read(&message->header, proto, &socket));
	return socket;
}

static struct weir_kernel_flow flow_of(const union message *message, uint8_t proto,
				       bool remote_began)
{
	struct kernel_socket socket = socket_of(message, proto);
	struct weir_kernel_flow flow;

	assert_true(weir_kernel_socket_flow(&socket, remote_began, &flow));
	return flow;
}

static bool has_flow(const union message *message, uint8_t proto)
{
	struct kernel_socket socket = socket_of(message, proto);
	struct weir_kernel_flow flow;

	return weir_kernel_socket_flow(&socket, false, &flow);
}

static void assert_ends(const struct weir_kernel_flow *flow, const char *ends)
{
	char text[256], initiator[WEIR_ADDR_TEXT], responder[WEIR_ADDR_TEXT];

	snprintf(text, sizeof(text), "%u %s %u %s %u", flow->proto,
		 weir_addr_to_string(&flow->initiator, initiator), ntohs(flow->initiator_port),
		 weir_addr_to_string(&flow->responder, responder), ntohs(flow->responder_port));
	assert_string_equal(text, ends);
}

static void mapped_tcp_is_a_v4_flow(void **state)
{
	union message message = message_of(tcp_mapped);
	struct weir_kernel_flow flow = flow_of(&message, TCP, true);

	assert_ends(&flow, "6 10.77.1.2 51000 10.77.1.1 8080");
	assert_int_equal(flow.source, WEIR_KERNEL_FLOW_SOCKET);
	assert_int_equal(flow.stage, WEIR_KERNEL_FLOW_ESTABLISHED);
	assert_true(flow.answered);
	assert_true(flow.assured);
	assert_int_equal(flow.timeout_s, 0);
	assert_int_equal(flow.mark, 0);
}

static void scales_go_with_the_ends(void **state)
{
	union message message = message_of(tcp_mapped);
	struct weir_kernel_flow flow = flow_of(&message, TCP, true);

	assert_int_equal(flow.initiator_scale, 3);
	assert_int_equal(flow.responder_scale, 10);
	flow = flow_of(&message, TCP, false);
	assert_ends(&flow, "6 10.77.1.1 8080 10.77.1.2 51000");
	assert_int_equal(flow.initiator_scale, 10);
	assert_int_equal(flow.responder_scale, 3);
}

static void scales_are_none_when_not_agreed_on(void **state)
{
	union message message = message_of(tcp_mapped);

	message.bytes[TCP_OPTIONS] &= 0xfb;
	assert_int_equal(flow_of(&message, TCP, true).initiator_scale, 0);
	assert_int_equal(flow_of(&message, TCP, true).responder_scale, 0);
}

static void scales_are_unknown_without_tcp_info(void **state)
{
	union message message = message_of(tcp_mapped);

	message.header.nlmsg_len = 124;
	assert_int_equal(flow_of(&message, TCP, true).initiator_scale,
			 WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
	assert_int_equal(flow_of(&message, TCP, true).responder_scale,
			 WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
}

static void connected_udp_is_taken_for_answered(void **state)
{
	union message message = message_of(udp_connected);
	struct weir_kernel_flow flow = flow_of(&message, UDP, false);

	assert_ends(&flow, "17 10.77.1.1 43000 10.77.1.2 53");
	assert_int_equal(flow.stage, WEIR_KERNEL_FLOW_UNSTAGED);
	assert_true(flow.answered);
	assert_int_equal(flow.initiator_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
}

static void udp_that_waits_is_no_flow(void **state)
{
	union message message = message_of(udp_connected);

	message.bytes[TCP_STATE] = 7;
	assert_false(has_flow(&message, UDP));
}

static void listening_tcp_is_a_port_and_no_flow(void **state)
{
	union message message = message_of(tcp_listens);
	struct kernel_socket socket = socket_of(&message, TCP);
	char text[WEIR_ADDR_TEXT];

	assert_string_equal(weir_addr_to_string(&socket.local, text), "::");
	assert_int_equal(ntohs(socket.local_port), 8080);
	assert_false(socket.is_v6_only);
	assert_false(has_flow(&message, TCP));
	message.bytes[LISTEN_ONLY_V6] = 1;
	assert_true(socket_of(&message, TCP).is_v6_only);
}

static void tcp_state_gives_the_stage(void **state)
{
	static const struct {
		unsigned char state;
		enum weir_kernel_flow_stage local_began, remote_began;
	} rows[] = {
		{ 1, WEIR_KERNEL_FLOW_ESTABLISHED, WEIR_KERNEL_FLOW_ESTABLISHED },
		{ 2, WEIR_KERNEL_FLOW_OPENING, WEIR_KERNEL_FLOW_OPENING }, /* SYN_SENT */
		{ 3, WEIR_KERNEL_FLOW_OPENING, WEIR_KERNEL_FLOW_OPENING }, /* SYN_RECV */
		/* FIN_WAIT1, FIN_WAIT2, TIME_WAIT */
		{ 4, WEIR_KERNEL_FLOW_INITIATOR_CLOSED, WEIR_KERNEL_FLOW_RESPONDER_CLOSED },
		{ 5, WEIR_KERNEL_FLOW_INITIATOR_CLOSED, WEIR_KERNEL_FLOW_RESPONDER_CLOSED },
		{ 6, WEIR_KERNEL_FLOW_TIME_WAIT, WEIR_KERNEL_FLOW_TIME_WAIT },
		/* CLOSE_WAIT, LAST_ACK, CLOSING */
		{ 8, WEIR_KERNEL_FLOW_RESPONDER_CLOSED, WEIR_KERNEL_FLOW_INITIATOR_CLOSED },
		{ 9, WEIR_KERNEL_FLOW_BOTH_CLOSED, WEIR_KERNEL_FLOW_BOTH_CLOSED },
		{ 11, WEIR_KERNEL_FLOW_BOTH_CLOSED, WEIR_KERNEL_FLOW_BOTH_CLOSED },
	};
	union message message = message_of(tcp_mapped);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		message.bytes[TCP_STATE] = rows[i].state;
		assert_int_equal(flow_of(&message, TCP, false).stage, rows[i].local_began);
		assert_int_equal(flow_of(&message, TCP, true).stage, rows[i].remote_began);
	}
}

static void tcp_that_is_not_connected_is_no_flow(void **state)
{
	static const unsigned char states[] = { 0, 7, 10, 12, 13, 40, 255 };
	union message message = message_of(tcp_mapped);

	for (size_t i = 0; i < sizeof(states); i++) {
		message.bytes[TCP_STATE] = states[i];
		assert_false(has_flow(&message, TCP));
	}
	message.bytes[TCP_STATE] = 1;
	message.bytes[TCP_REMOTE_PORT] = message.bytes[TCP_REMOTE_PORT + 1] = 0;
	assert_false(has_flow(&message, TCP));
}

static void half_open_tcp_tells_by_itself_who_began(void **state)
{
	union message message = message_of(tcp_mapped);

	message.bytes[TCP_STATE] = 2;
	struct weir_kernel_flow flow = flow_of(&message, TCP, true);

	assert_ends(&flow, "6 10.77.1.1 8080 10.77.1.2 51000");
	assert_false(flow.answered);
	assert_false(flow.assured);
	assert_int_equal(flow.initiator_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
	message.bytes[TCP_STATE] = 3;
	flow = flow_of(&message, TCP, false);
	assert_ends(&flow, "6 10.77.1.2 51000 10.77.1.1 8080");
	assert_true(flow.answered);
	assert_false(flow.assured);
}

/* On the heap and not a byte longer, so that the sanitizers see a read past the end. */
static bool reads_bytes(const unsigned char *bytes, size_t len)
{
	struct nlmsghdr *copy = malloc(len);
	struct kernel_socket socket;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	copy->nlmsg_len = (uint32_t)len;
	bool is_read = weir_kernel_socket_read(copy, TCP, &socket);

	free(copy);
	return is_read;
}

static void cut_or_foreign_message_is_refused(void **state)
{
	union message message = message_of(tcp_mapped);

	/* Header and struct inet_diag_msg are 16 and 72 bytes. */
	for (size_t len = sizeof(struct nlmsghdr); len <= TCP_BYTES; len++)
		assert_int_equal(reads_bytes(message.bytes, len), len >= 88);
	message.bytes[16] = 1; /* AF_UNIX */
	assert_false(reads_bytes(message.bytes, TCP_BYTES));
}

static void damaged_lengths_are_not_believed(void **state)
{
	static const unsigned char values[] = { 0, 1, 3, 4, 5, 0x7f, 0x80, 0xff };
	union message message = message_of(tcp_mapped);

	for (size_t i = 88; i < TCP_BYTES; i++)
		for (size_t v = 0; v < sizeof(values); v++) {
			unsigned char was = message.bytes[i];

			message.bytes[i] = values[v];
			assert_true(reads_bytes(message.bytes, TCP_BYTES));
			message.bytes[i] = was;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapped_tcp_is_a_v4_flow),
		cmocka_unit_test(scales_go_with_the_ends),
		cmocka_unit_test(scales_are_none_when_not_agreed_on),
		cmocka_unit_test(scales_are_unknown_without_tcp_info),
		cmocka_unit_test(connected_udp_is_taken_for_answered),
		cmocka_unit_test(udp_that_waits_is_no_flow),
		cmocka_unit_test(listening_tcp_is_a_port_and_no_flow),
		cmocka_unit_test(tcp_state_gives_the_stage),
		cmocka_unit_test(tcp_that_is_not_connected_is_no_flow),
		cmocka_unit_test(half_open_tcp_tells_by_itself_who_began),
		cmocka_unit_test(cut_or_foreign_message_is_refused),
		cmocka_unit_test(damaged_lengths_are_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
