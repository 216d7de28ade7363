/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the reading of ctnetlink. The messages were recorded from a kernel (little-endian), and
 * what they hold is what conntrack -L said of the same entries; the variants change bytes of them.
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

union message {
	struct nlmsghdr header;
	unsigned char bytes[MESSAGE_MAX];
};

/* tcp 6 431999 ESTABLISHED src=10.77.1.2 dst=10.77.1.1 sport=51000 dport=80 src=10.77.1.1
 * dst=10.77.1.2 sport=8080 dport=51000 [ASSURED] mark=16909060; scales 3 and 10 as ss has them */
static const char tcp_redirected[] =
	"d400000000010200010000000841000002000000340001801400018008000100"
	"0a4d0102080002000a4d01011c000280050001000600000006000200c7380000"
	"06000300005000003400028014000180080001000a4d0101080002000a4d0102"
	"1c0002800500010006000000060002001f90000006000300c738000008000300"
	"000001ae080008000102030408000c003c35c15f08000b000000000108000700"
	"0006977f300004802c0001800500010003000000050002000300000005000300"
	"0a00000006000400230000000600050023000000";
/* Where in it something stands. */
#define PROTO_ORIGINAL 52
#define PROTO_REPLY 104
#define TCP_STATUS 128
#define TCP_PROTOINFO 164
#define TCP_KIND 168 /* type of the attribute inside: TCP or SCTP */
#define TCP_STATE 176
#define TCP_FLAGS_ORIGINAL 200
#define TCP_FLAGS_REPLY 208
#define TCP_BYTES 212

/* tcp 6 431999 ESTABLISHED src=fd77::2 dst=fd77::1 sport=52000 dport=8080, and its mirror */
static const char tcp_v6[] = "040100000001020001000000084100000a0000004c0001802c00018014000300"
			     "fd77000000000000000000000000000214000400fd7700000000000000000000"
			     "000000011c000280050001000600000006000200cb200000060003001f900000"
			     "4c0002802c00018014000300fd77000000000000000000000000000114000400"
			     "fd7700000000000000000000000000021c000280050001000600000006000200"
			     "1f90000006000300cb200000080003000000000e080008000102030408000c00"
			     "f24ca71908000b0000000001080007000006977f300004802c00018005000100"
			     "030000000500020003000000050003000a000000060004002300000006000500"
			     "23000000";

/* udp 17 29 src=10.77.1.1 dst=10.77.1.2 sport=43000 dport=53 [UNREPLIED] src=10.77.1.2
 * dst=10.77.1.1 sport=53 dport=40000 mark=0 */
static const char udp_masqueraded[] =
	"a400000000010200010000000841000002000000340001801400018008000100"
	"0a4d0101080002000a4d01021c000280050001001100000006000200a7f80000"
	"06000300003500003400028014000180080001000a4d0102080002000a4d0101"
	"1c00028005000100110000000600020000350000060003009c40000008000300"
	"00000198080008000000000008000c004f3fea6208000b000000000108000700"
	"0000001d";

/* icmp 1 29 src=10.77.1.2 dst=10.77.1.1 type=8 code=0 id=16665, and its mirror with type=0 */
static const char icmp_echo[] = "b4000000000102000100000008410000020000003c0001801400018008000100"
				"0a4d0102080002000a4d01012400028005000100010000000600040041190000"
				"050005000800000005000600000000003c00028014000180080001000a4d0101"
				"080002000a4d0102240002800500010001000000060004004119000005000500"
				"000000000500060000000000080003000000018a080008000102030408000c00"
				"fd612d4108000b0000000001080007000000001d";

/* icmpv6 58 29 src=fd77::2 dst=fd77::1 type=128 code=0 id=16666, and its mirror with type=129 */
static const char icmp_v6_echo[] =
	"e40000000001020001000000084100000a000000540001802c00018014000300"
	"fd77000000000000000000000000000214000400fd7700000000000000000000"
	"0000000124000280050001003a00000006000700411a00000500080080000000"
	"0500090000000000540002802c00018014000300fd7700000000000000000000"
	"0000000114000400fd7700000000000000000000000000022400028005000100"
	"3a00000006000700411a00000500080081000000050009000000000008000300"
	"0000000a080008000102030408000c00aa2960a808000b000000000108000700"
	"0000001d";

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

static void attr_append(union message *message, const char attr[8])
{
	memcpy(message->bytes + message->header.nlmsg_len, attr, 8);
	message->header.nlmsg_len += 8;
}

static struct weir_kernel_flow flow_of(const union message *message, int views)
{
	struct weir_kernel_flow flows[KERNEL_FLOW_VIEWS];

	assert_int_equal(weir_kernel_flows_read(&message->header, flows), views);
	return flows[0];
}

static void assert_ends(const struct weir_kernel_flow *flow, const char *ends)
{
	char text[256], initiator[WEIR_ADDR_TEXT], responder[WEIR_ADDR_TEXT];

	snprintf(text, sizeof(text), "%u %s %u %s %u", flow->proto,
		 weir_addr_to_string(&flow->initiator, initiator), ntohs(flow->initiator_port),
		 weir_addr_to_string(&flow->responder, responder), ntohs(flow->responder_port));
	assert_string_equal(text, ends);
}

static void tcp_is_read_whole(void **state)
{
	union message message = message_of(tcp_v6);
	struct weir_kernel_flow flow = flow_of(&message, 1);

	assert_ends(&flow, "6 fd77::2 52000 fd77::1 8080");
	assert_int_equal(flow.source, WEIR_KERNEL_FLOW_CONNTRACK);
	assert_int_equal(flow.stage, WEIR_KERNEL_FLOW_ESTABLISHED);
	assert_true(flow.answered);
	assert_true(flow.assured);
	assert_int_equal(flow.timeout_s, 431999);
	assert_int_equal(flow.mark, 16909060);
	assert_int_equal(flow.initiator_scale, 3);
	assert_int_equal(flow.responder_scale, 10);
}

static void redirected_tcp_has_a_view_on_each_side(void **state)
{
	union message message = message_of(tcp_redirected);
	struct weir_kernel_flow flows[KERNEL_FLOW_VIEWS];

	assert_int_equal(weir_kernel_flows_read(&message.header, flows), 2);
	assert_ends(&flows[0], "6 10.77.1.2 51000 10.77.1.1 80");
	assert_ends(&flows[1], "6 10.77.1.2 51000 10.77.1.1 8080");
	assert_int_equal(flows[1].stage, WEIR_KERNEL_FLOW_ESTABLISHED);
	assert_int_equal(flows[1].initiator_scale, 3);
	assert_int_equal(flows[1].timeout_s, 431999);
}

static void masqueraded_udp_has_a_view_on_each_side(void **state)
{
	union message message = message_of(udp_masqueraded);
	struct weir_kernel_flow flows[KERNEL_FLOW_VIEWS];

	assert_int_equal(weir_kernel_flows_read(&message.header, flows), 2);
	assert_ends(&flows[0], "17 10.77.1.1 43000 10.77.1.2 53");
	assert_ends(&flows[1], "17 10.77.1.1 40000 10.77.1.2 53");
	assert_int_equal(flows[0].stage, WEIR_KERNEL_FLOW_UNSTAGED);
	assert_false(flows[0].answered);
	assert_false(flows[0].assured);
	assert_int_equal(flows[0].timeout_s, 29);
	assert_int_equal(flows[0].initiator_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
}

static void echoes_have_identifier_and_request_for_ports(void **state)
{
	union message v4 = message_of(icmp_echo), v6 = message_of(icmp_v6_echo);
	struct weir_kernel_flow flow = flow_of(&v4, 1);

	assert_ends(&flow, "1 10.77.1.2 16665 10.77.1.1 8");
	assert_true(flow.answered);
	flow = flow_of(&v6, 1);
	assert_ends(&flow, "58 fd77::2 16666 fd77::1 128");
}

static void echo_with_a_new_identifier_has_two_views(void **state)
{
	union message message = message_of(icmp_echo);
	struct weir_kernel_flow flows[KERNEL_FLOW_VIEWS];

	message.bytes[121] = 0x1a; /* of the reply's identifier, 0x4119 */
	assert_int_equal(weir_kernel_flows_read(&message.header, flows), 2);
	assert_ends(&flows[0], "1 10.77.1.2 16665 10.77.1.1 8");
	assert_ends(&flows[1], "1 10.77.1.2 16666 10.77.1.1 8");
}

static void protocol_without_ports_has_none(void **state)
{
	union message message = message_of(udp_masqueraded);

	message.bytes[PROTO_ORIGINAL] = message.bytes[PROTO_REPLY] =
		47; /* GRE, whose keys stand where ports do */
	struct weir_kernel_flow flow = flow_of(&message, 1);

	assert_ends(&flow, "47 10.77.1.1 0 10.77.1.2 0");
}

static void tcp_state_gives_the_stage(void **state)
{
	static const enum weir_kernel_flow_stage stages[] = {
		[1] = WEIR_KERNEL_FLOW_OPENING,		 /* SYN_SENT */
		[2] = WEIR_KERNEL_FLOW_OPENING,		 /* SYN_RECV */
		[3] = WEIR_KERNEL_FLOW_ESTABLISHED,	 /* ESTABLISHED */
		[4] = WEIR_KERNEL_FLOW_INITIATOR_CLOSED, /* FIN_WAIT */
		[5] = WEIR_KERNEL_FLOW_INITIATOR_CLOSED, /* CLOSE_WAIT */
		[6] = WEIR_KERNEL_FLOW_BOTH_CLOSED,	 /* LAST_ACK */
		[7] = WEIR_KERNEL_FLOW_TIME_WAIT,	 /* TIME_WAIT */
		[8] = WEIR_KERNEL_FLOW_RESET,		 /* CLOSE */
		[9] = WEIR_KERNEL_FLOW_OPENING,		 /* SYN_SENT2 */
	};
	union message message = message_of(tcp_redirected);

	for (unsigned char i = 1; i <= 9; i++) {
		message.bytes[TCP_STATE] = i;
		assert_int_equal(flow_of(&message, 2).stage, stages[i]);
	}
}

static void sctp_state_gives_the_stage(void **state)
{
	static const enum weir_kernel_flow_stage stages[] = {
		[1] = WEIR_KERNEL_FLOW_RESET,		 /* CLOSED */
		[2] = WEIR_KERNEL_FLOW_OPENING,		 /* COOKIE_WAIT */
		[3] = WEIR_KERNEL_FLOW_OPENING,		 /* COOKIE_ECHOED */
		[4] = WEIR_KERNEL_FLOW_ESTABLISHED,	 /* ESTABLISHED */
		[5] = WEIR_KERNEL_FLOW_INITIATOR_CLOSED, /* SHUTDOWN_SENT */
		[6] = WEIR_KERNEL_FLOW_RESPONDER_CLOSED, /* SHUTDOWN_RECD */
		[7] = WEIR_KERNEL_FLOW_BOTH_CLOSED,	 /* SHUTDOWN_ACK_SENT */
		[8] = WEIR_KERNEL_FLOW_OPENING,		 /* HEARTBEAT_SENT */
		[9] = WEIR_KERNEL_FLOW_ESTABLISHED,	 /* HEARTBEAT_ACKED */
	};
	union message message = message_of(tcp_redirected);

	message.bytes[PROTO_ORIGINAL] = message.bytes[PROTO_REPLY] = 132;
	message.bytes[TCP_KIND + 2] = 3;
	for (unsigned char i = 1; i <= 9; i++) {
		message.bytes[TCP_STATE] = i;
		assert_int_equal(flow_of(&message, 2).stage, stages[i]);
	}
	assert_int_equal(flow_of(&message, 2).initiator_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
}

/* An entry whose packets of either direction bear these tags. */
static struct weir_kernel_flow sctp_flow(unsigned char stage, bool answered, uint32_t original,
					 uint32_t reply)
{
	union message message = message_of(tcp_redirected);
	uint32_t tags[2] = { htonl(original), htonl(reply) };

	message.bytes[PROTO_ORIGINAL] = message.bytes[PROTO_REPLY] = 132;
	message.bytes[TCP_KIND] = 8 + 3 * 8; /* in the place of what TCP has */
	message.bytes[TCP_KIND + 2] = 3;
	message.bytes[TCP_STATE] = stage;
	if (!answered)
		message.bytes[TCP_STATUS + 3] &= 0xfd;
	for (int i = 0; i < 2; i++) {
		unsigned char *attr = message.bytes + TCP_STATE + 4 + 8 * i;

		memcpy(attr, (unsigned char[]){ 8, 0, (unsigned char)(2 + i), 0 }, 4);
		memcpy(attr + 4, &tags[i], 4);
	}
	return flow_of(&message, 2);
}

static void sctp_tags_are_those_that_packets_to_each_side_bear(void **state)
{
	struct weir_kernel_flow flow = sctp_flow(4, true, 0x12345678, 0x87654321);

	assert_int_equal(flow.initiator_tag, 0x87654321);
	assert_int_equal(flow.responder_tag, 0x12345678);
}

/* Newer kernels begin with CLOSED, older ones with COOKIE_WAIT. */
static void sctp_tag_of_an_init_is_its_senders(void **state)
{
	for (unsigned char stage = 1; stage <= 2; stage++) {
		struct weir_kernel_flow flow = sctp_flow(stage, false, 0, 7);

		assert_int_equal(flow.stage, WEIR_KERNEL_FLOW_OPENING);
		assert_int_equal(flow.initiator_tag, 7);
		assert_int_equal(flow.responder_tag, 0);
	}
}

/* Of a SHUTDOWN ACK, a heartbeat and its answer, which began an entry. */
static void sctp_tag_of_another_first_chunk_is_not_told(void **state)
{
	const struct weir_kernel_flow flows[] = { sctp_flow(7, false, 0, 7),
						  sctp_flow(8, false, 7, 0),
						  sctp_flow(1, false, 7, 7),
						  sctp_flow(9, true, 7, 0) };

	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		assert_int_equal(flows[i].initiator_tag | flows[i].responder_tag, 0);
}

static void close_by_the_replying_side_is_the_responders(void **state)
{
	union message message = message_of(tcp_redirected);

	message.bytes[TCP_STATE] = 4;
	message.bytes[TCP_FLAGS_REPLY] |= 0x04;
	assert_int_equal(flow_of(&message, 2).stage, WEIR_KERNEL_FLOW_RESPONDER_CLOSED);
	message.bytes[TCP_FLAGS_REPLY] &= 0xfb;
	message.bytes[TCP_FLAGS_ORIGINAL] |= 0x04;
	assert_int_equal(flow_of(&message, 2).stage, WEIR_KERNEL_FLOW_INITIATOR_CLOSED);
}

static void scales_are_none_unless_both_sides_offered(void **state)
{
	union message message = message_of(tcp_redirected);

	message.bytes[TCP_FLAGS_REPLY] &= 0xfe;
	assert_int_equal(flow_of(&message, 2).initiator_scale, 0);
	assert_int_equal(flow_of(&message, 2).responder_scale, 0);
}

static void scales_are_unknown_before_both_syns_and_of_what_was_picked_up(void **state)
{
	union message message = message_of(tcp_redirected);

	message.bytes[TCP_STATE] = 1;
	assert_int_equal(flow_of(&message, 2).initiator_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
	message.bytes[TCP_STATE] = 3;
	message.bytes[TCP_FLAGS_ORIGINAL] |= 0x08; /* liberal */
	assert_int_equal(flow_of(&message, 2).initiator_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
	assert_int_equal(flow_of(&message, 2).responder_scale, WEIR_KERNEL_FLOW_SCALE_UNKNOWN);
}

/* The kernel leaves the state out of what a flow table forwards. */
static void tcp_without_a_state_is_established_if_offloaded(void **state)
{
	union message message = message_of(tcp_redirected);

	message.header.nlmsg_len = TCP_PROTOINFO;
	message.bytes[TCP_STATUS + 2] = 0x40;
	message.bytes[TCP_STATUS + 3] = 0x0a;
	assert_int_equal(flow_of(&message, 2).stage, WEIR_KERNEL_FLOW_ESTABLISHED);
	message.bytes[TCP_STATUS + 2] = 0;
	assert_int_equal(flow_of(&message, 2).stage, WEIR_KERNEL_FLOW_OPENING);
}

static void dying_entry_is_none(void **state)
{
	union message message = message_of(tcp_redirected);

	message.bytes[TCP_STATUS + 2] |= 0x02;
	flow_of(&message, 0);
}

static void only_zone_0_is_taken(void **state)
{
	union message message = message_of(tcp_redirected);

	attr_append(&message, "\x06\x00\x12\x00\x00\x00\x00\x00");
	flow_of(&message, 2);
	message.bytes[TCP_BYTES + 5] = 7;
	flow_of(&message, 0);
}

static void zone_of_one_direction_is_no_zone_0(void **state)
{
	union message message = message_of(tcp_redirected);

	/* Behind the reply's ports: both its tuple and the message grow by 8. */
	memmove(message.bytes + 132, message.bytes + 124, TCP_BYTES - 124);
	memcpy(message.bytes + 124, "\x06\x00\x03\x00\x00\x07\x00\x00", 8);
	message.bytes[72] += 8;
	message.header.nlmsg_len += 8;
	flow_of(&message, 0);
	message.bytes[129] = 0;
	flow_of(&message, 2);
}

static void other_messages_are_none(void **state)
{
	union message message = message_of(tcp_v6);

	message.header.nlmsg_type = 0x0102; /* a deletion */
	flow_of(&message, 0);
	message.header.nlmsg_type = 0x0200; /* an expected connection */
	flow_of(&message, 0);
}

/* On the heap and not a byte longer, so that the sanitizers see a read past the end. */
static int views_of_bytes(const unsigned char *bytes, size_t len)
{
	struct nlmsghdr *copy = malloc(len);
	struct weir_kernel_flow flows[KERNEL_FLOW_VIEWS];

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	copy->nlmsg_len = (uint32_t)len;
	int views = weir_kernel_flows_read(copy, flows);

	free(copy);
	return views;
}

static void cut_message_is_none_until_its_tuples_are_whole(void **state)
{
	union message message = message_of(tcp_redirected);

	/* The last port ends at 122; what follows may be missing. */
	for (size_t len = sizeof(struct nlmsghdr); len <= TCP_BYTES; len++)
		assert_int_equal(views_of_bytes(message.bytes, len), len < 124 ? 0 : 2);
}

static void damaged_lengths_are_not_believed(void **state)
{
	static const char *const recorded[] = { tcp_redirected, tcp_v6, udp_masqueraded, icmp_echo,
						icmp_v6_echo };
	static const unsigned char values[] = { 0, 1, 3, 4, 5, 0x7f, 0x80, 0xff };

	for (size_t r = 0; r < sizeof(recorded) / sizeof(recorded[0]); r++) {
		union message message = message_of(recorded[r]);
		size_t len = message.header.nlmsg_len;

		for (size_t i = sizeof(struct nlmsghdr); i < len; i++)
			for (size_t v = 0; v < sizeof(values); v++) {
				unsigned char was = message.bytes[i];

				message.bytes[i] = values[v];
				assert_in_range(views_of_bytes(message.bytes, len), 0, 2);
				message.bytes[i] = was;
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_is_read_whole),
		cmocka_unit_test(redirected_tcp_has_a_view_on_each_side),
		cmocka_unit_test(masqueraded_udp_has_a_view_on_each_side),
		cmocka_unit_test(echoes_have_identifier_and_request_for_ports),
		cmocka_unit_test(echo_with_a_new_identifier_has_two_views),
		cmocka_unit_test(protocol_without_ports_has_none),
		cmocka_unit_test(tcp_state_gives_the_stage),
		cmocka_unit_test(sctp_state_gives_the_stage),
		cmocka_unit_test(sctp_tags_are_those_that_packets_to_each_side_bear),
		cmocka_unit_test(sctp_tag_of_an_init_is_its_senders),
		cmocka_unit_test(sctp_tag_of_another_first_chunk_is_not_told),
		cmocka_unit_test(close_by_the_replying_side_is_the_responders),
		cmocka_unit_test(scales_are_none_unless_both_sides_offered),
		cmocka_unit_test(scales_are_unknown_before_both_syns_and_of_what_was_picked_up),
		cmocka_unit_test(tcp_without_a_state_is_established_if_offloaded),
		cmocka_unit_test(dying_entry_is_none),
		cmocka_unit_test(only_zone_0_is_taken),
		cmocka_unit_test(zone_of_one_direction_is_no_zone_0),
		cmocka_unit_test(other_messages_are_none),
		cmocka_unit_test(cut_message_is_none_until_its_tuples_are_whole),
		cmocka_unit_test(damaged_lengths_are_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
