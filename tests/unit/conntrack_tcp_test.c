/* SPDX-License-Identifier: Apache-2.0 */
/* How connections of TCP go on and end, as the marks of both sides make their states.
 * Numbers are worked out by hand from those of conntrack_packets.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/conntrack_packets.h"

/* --- RST --------------------------------------------------------------------------------- */

static void rst_with_the_next_number_resets(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 1001, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
	flow = established();
	assert_int_equal(send(&flow, RESPONDER, RST_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
}

/* 100 bytes are under way: whether they arrived, nobody in between knows. */
static void rst_with_any_number_that_may_be_next_resets(void **state)
{
	static const uint32_t resets[] = { 1001, 1050, 1101 }, stays[] = { 1000, 1102 };

	for (size_t i = 0; i < 5; i++) {
		struct conn_tcp flow = established();
		bool is_next = i < 3;

		send_bytes(&flow, INITIATOR, 1001, 100, 5001);
		assert_int_equal(send(&flow, INITIATOR, TCP_RST, is_next ? resets[i] : stays[i - 3],
				      0),
				 CONN_ANSWER_ESTABLISHED);
		assert_int_equal(state_of(&flow),
				 is_next ? CONNTRACK_RESET_SEEN : CONNTRACK_ESTABLISHED);
	}
}

static void rst_in_the_window_of_a_flow_that_closes_resets(void **state)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(send(&flow, RESPONDER, TCP_RST, 5300, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
}

/* Room up to 1001 + 800; behind, a window of 800 below 1001. */
static void rst_outside_the_window_is_invalid(void **state)
{
	struct conn_tcp flow = established(), before = flow;

	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 1802, 0), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 200, 0), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 0x80000000u, 0), CONN_ANSWER_INVALID);
	flow_is(&flow, &before);
}

static void rst_at_the_edges_of_the_window_passes_and_changes_nothing(void **state)
{
	struct conn_tcp flow = established(), before = flow;

	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 1801, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 201, 0), CONN_ANSWER_ESTABLISHED);
	flow_is(&flow, &before);
}

static void rst_of_any_number_resets_where_windows_are_not_checked(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(judge(&flow, segment(RESPONDER, TCP_RST, 77, 0), &trusting),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
}

static void rst_that_refuses_must_acknowledge_the_syn(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, RESPONDER, TCP_RST, 0, 1001), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, RESPONDER, RST_ACK, 0, 1000), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, RESPONDER, RST_ACK, 0, 1002), CONN_ANSWER_INVALID);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_SENT);
	assert_int_equal(send(&flow, RESPONDER, RST_ACK, 0, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
}

static void rst_that_refuses_need_not_where_windows_are_not_checked(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(judge(&flow, segment(RESPONDER, TCP_RST, 0, 0), &trusting),
			 CONN_ANSWER_ESTABLISHED);
}

static void rst_of_the_initiator_takes_its_syn_back(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 1001, 0), CONN_ANSWER_NEW);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
}

/* --- ACK and FIN ------------------------------------------------------------------------- */

static void packet_of_none_of_the_four_flags_is_invalid(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, 0, 1001, 0), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, INITIATOR, TCP_PSH, 1001, 0), CONN_ANSWER_INVALID);
	flow = reset();
	assert_int_equal(send(&flow, INITIATOR, 0, 1001, 0), CONN_ANSWER_INVALID);
}

static void fin_without_ack_is_invalid(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, TCP_FIN, 1001, 0), CONN_ANSWER_INVALID);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
}

static void ack_of_the_initiator_before_an_answer_is_invalid(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5001), CONN_ANSWER_INVALID);
	assert_int_equal(judge(&flow, segment(INITIATOR, TCP_ACK, 1001, 5001), &trusting),
			 CONN_ANSWER_INVALID);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_SENT);
}

/* A challenge (RFC 5961, 4): the responder has another connection in mind. */
static void ack_of_the_responder_to_a_syn_passes_and_opens_nothing(void **state)
{
	struct conn_tcp flow = syn_sent(), before = flow;

	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 99, 44), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_SENT);
	assert_int_equal(flow.marks & ~CONNTRACK_ANSWERED, before.marks);
	assert_memory_equal(flow.side, before.side, sizeof(flow.side));
	assert_false(conntrack_is_proven(PROTO_TCP, flow.marks));
}

static void ack_of_the_responders_syn_establishes(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(flow.marks, CONNTRACK_SYN | CONNTRACK_SYN << 1 | CONNTRACK_SYN_ACKED |
					     CONNTRACK_SYN_ACKED << 1 | CONNTRACK_ANSWERED);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
}

/* Both SYNs went by before anybody looked: nothing is known of their numbers. */
static void ack_of_any_number_establishes_what_was_read_half_open(void **state)
{
	struct conn_tcp flow = { .marks = CONNTRACK_PICKED_UP | CONNTRACK_SYN * CONNTRACK_BOTH |
					  CONNTRACK_SYN_ACKED | CONNTRACK_ANSWERED };

	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 0x87654321),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
}

static void fin_of_one_side_is_fin_wait(void **state)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(state_of(&flow), CONNTRACK_FIN_WAIT);
	assert_int_equal(flow.side[0].end, 1002);
	assert_false(flow.marks & CONNTRACK_FIN_ACKED);
}

static void fin_of_both_sides_is_closing(void **state)
{
	struct conn_tcp flow = closing();

	assert_int_equal(state_of(&flow), CONNTRACK_CLOSING);
	assert_true(flow.marks & CONNTRACK_FIN_ACKED);
	assert_false(flow.marks & CONNTRACK_FIN_ACKED << 1);
}

static void fin_of_both_acknowledged_is_time_wait(void **state)
{
	struct conn_tcp flow = time_wait();

	assert_int_equal(state_of(&flow), CONNTRACK_TIME_WAIT);
	assert_true(conntrack_is_over(flow.marks));
}

static void fin_is_acknowledged_by_its_own_number_and_no_less(void **state)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_false(flow.marks & CONNTRACK_FIN_ACKED);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1002), CONN_ANSWER_ESTABLISHED);
	assert_true(flow.marks & CONNTRACK_FIN_ACKED);
	assert_int_equal(state_of(&flow), CONNTRACK_FIN_WAIT);
}

static void fin_of_both_at_once_needs_both_acknowledgements(void **state)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(send(&flow, RESPONDER, FIN_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_CLOSING);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1002, 5002), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_CLOSING);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5002, 1002), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_TIME_WAIT);
}

static void half_closed_flow_carries_the_other_sides_data(void **state)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(send_bytes(&flow, RESPONDER, 5001, 400, 1002), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1002, 5401), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_FIN_WAIT);
}

/* --- reset ------------------------------------------------------------------------------- */

static void rest_of_a_reset_flow_passes_and_changes_nothing(void **state)
{
	changes_nothing(reset(), segment(INITIATOR, TCP_ACK, 1001, 5001));
	changes_nothing(reset(), segment(RESPONDER, FIN_ACK, 5001, 1001));
	changes_nothing(reset(), segment(INITIATOR, TCP_ACK, 3000000000u, 7));
	changes_nothing(reset(), segment(RESPONDER, SYN_ACK, 5000, 1001));
	changes_nothing(reset(), segment(RESPONDER, TCP_RST, 5001, 0));
}

/* --- proven ------------------------------------------------------------------------------ */

static void flow_is_proven_when_the_responders_syn_is_acknowledged(void **state)
{
	struct conn_tcp flow = syn_received();

	assert_false(conntrack_is_proven(PROTO_TCP, flow.marks));
	flow = established();
	assert_true(conntrack_is_proven(PROTO_TCP, flow.marks));
}

static void flow_that_is_reset_does_not_become_proven(void **state)
{
	struct conn_tcp flow = reset();

	assert_false(conntrack_is_proven(PROTO_TCP, flow.marks));
}

static void flow_of_others_is_proven_by_a_third_packet(void **state)
{
	assert_false(conntrack_is_proven(PROTO_UDP, CONNTRACK_ANSWERED));
	assert_false(conntrack_is_proven(PROTO_UDP, 0));
	assert_true(conntrack_is_proven(PROTO_UDP, CONNTRACK_ANSWERED | CONNTRACK_AGAIN));
}

/* --- asymmetric -------------------------------------------------------------------------- */

static void one_direction_alone_counts_as_answered(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(judge(&flow, segment(INITIATOR, TCP_ACK, 1001, 5001), &one_way),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
	assert_true(conntrack_is_proven(PROTO_TCP, flow.marks));
}

static void one_direction_alone_is_not_window_checked(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(judge(&flow, segment(INITIATOR, TCP_ACK, 3000000000u, 17), &one_way),
			 CONN_ANSWER_ESTABLISHED);
}

static void first_syn_ack_is_picked_up_where_only_one_direction_comes_by(void **state)
{
	struct conn_segment s = segment(INITIATOR, SYN_ACK, 5000, 1001);
	struct conn_tcp flow = {};

	assert_int_equal(tcp_begin(&flow, &s, true, true), CONN_ANSWER_NEW);
	assert_true(flow.marks & CONNTRACK_PICKED_UP);
}

/* --- names and repetition ---------------------------------------------------------------- */

static void states_are_named_by_what_weighs_most(void **state)
{
	const uint32_t syns = CONNTRACK_SYN * CONNTRACK_BOTH,
		       open = syns | CONNTRACK_SYN_ACKED * CONNTRACK_BOTH,
		       fins = open | CONNTRACK_FIN * CONNTRACK_BOTH,
		       over = fins | CONNTRACK_FIN_ACKED * CONNTRACK_BOTH;

	assert_int_equal(conntrack_tcp_state(CONNTRACK_SYN), CONNTRACK_SYN_SENT);
	assert_int_equal(conntrack_tcp_state(syns), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(conntrack_tcp_state(syns | CONNTRACK_SYN_ACKED), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(conntrack_tcp_state(open), CONNTRACK_ESTABLISHED);
	assert_int_equal(conntrack_tcp_state(open | CONNTRACK_FIN << 1), CONNTRACK_FIN_WAIT);
	assert_int_equal(conntrack_tcp_state(fins), CONNTRACK_CLOSING);
	assert_int_equal(conntrack_tcp_state(fins | CONNTRACK_FIN_ACKED), CONNTRACK_CLOSING);
	assert_int_equal(conntrack_tcp_state(over), CONNTRACK_TIME_WAIT);
	assert_int_equal(conntrack_tcp_state(over | CONNTRACK_RESET), CONNTRACK_RESET_SEEN);
	assert_int_equal(conntrack_tcp_state(CONNTRACK_SYN | CONNTRACK_RESET),
			 CONNTRACK_RESET_SEEN);
}

/* A forwarded packet is seen at two hooks: the whole of a connection, each packet `times` times. */
static struct conn_tcp connection_run(int times)
{
	static const struct {
		int side, flags;
		uint32_t seq, bytes, ack;
	} packets[] = {
		{ RESPONDER, SYN_ACK, 5000, 0, 1001 },	 { INITIATOR, TCP_ACK, 1001, 0, 5001 },
		{ INITIATOR, TCP_ACK, 1001, 300, 5001 }, { RESPONDER, TCP_ACK, 5001, 0, 1301 },
		{ RESPONDER, TCP_ACK, 5001, 99, 1301 },	 { INITIATOR, FIN_ACK, 1301, 0, 5100 },
		{ RESPONDER, TCP_ACK, 5100, 0, 1302 },	 { RESPONDER, FIN_ACK, 5100, 0, 1302 },
		{ INITIATOR, TCP_ACK, 1302, 0, 5101 },
	};
	struct conn_tcp flow = syn_sent();

	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++)
		for (int n = 0; n < times; n++) {
			struct conn_segment s = segment(packets[i].side, packets[i].flags,
							packets[i].seq, packets[i].ack);

			s.end += packets[i].bytes;
			assert_int_equal(judge(&flow, s, &checking), CONN_ANSWER_ESTABLISHED);
		}
	return flow;
}

static void packet_seen_twice_changes_nothing_more(void **state)
{
	struct conn_tcp once = connection_run(1), twice = connection_run(2);

	assert_int_equal(state_of(&once), CONNTRACK_TIME_WAIT);
	flow_is(&twice, &once);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rst_with_the_next_number_resets),
		cmocka_unit_test(rst_with_any_number_that_may_be_next_resets),
		cmocka_unit_test(rst_in_the_window_of_a_flow_that_closes_resets),
		cmocka_unit_test(rst_outside_the_window_is_invalid),
		cmocka_unit_test(rst_at_the_edges_of_the_window_passes_and_changes_nothing),
		cmocka_unit_test(rst_of_any_number_resets_where_windows_are_not_checked),
		cmocka_unit_test(rst_that_refuses_must_acknowledge_the_syn),
		cmocka_unit_test(rst_that_refuses_need_not_where_windows_are_not_checked),
		cmocka_unit_test(rst_of_the_initiator_takes_its_syn_back),
		cmocka_unit_test(packet_of_none_of_the_four_flags_is_invalid),
		cmocka_unit_test(fin_without_ack_is_invalid),
		cmocka_unit_test(ack_of_the_initiator_before_an_answer_is_invalid),
		cmocka_unit_test(ack_of_the_responder_to_a_syn_passes_and_opens_nothing),
		cmocka_unit_test(ack_of_the_responders_syn_establishes),
		cmocka_unit_test(ack_of_any_number_establishes_what_was_read_half_open),
		cmocka_unit_test(fin_of_one_side_is_fin_wait),
		cmocka_unit_test(fin_of_both_sides_is_closing),
		cmocka_unit_test(fin_of_both_acknowledged_is_time_wait),
		cmocka_unit_test(fin_is_acknowledged_by_its_own_number_and_no_less),
		cmocka_unit_test(fin_of_both_at_once_needs_both_acknowledgements),
		cmocka_unit_test(half_closed_flow_carries_the_other_sides_data),
		cmocka_unit_test(rest_of_a_reset_flow_passes_and_changes_nothing),
		cmocka_unit_test(flow_is_proven_when_the_responders_syn_is_acknowledged),
		cmocka_unit_test(flow_that_is_reset_does_not_become_proven),
		cmocka_unit_test(flow_of_others_is_proven_by_a_third_packet),
		cmocka_unit_test(one_direction_alone_counts_as_answered),
		cmocka_unit_test(one_direction_alone_is_not_window_checked),
		cmocka_unit_test(first_syn_ack_is_picked_up_where_only_one_direction_comes_by),
		cmocka_unit_test(states_are_named_by_what_weighs_most),
		cmocka_unit_test(packet_seen_twice_changes_nothing_more),
	};

	return cmocka_run_group_tests_name("conntrack-tcp", tests, NULL, NULL);
}
