/* SPDX-License-Identifier: Apache-2.0 */
/* How connections of TCP begin: what the first packets of both sides may be. Numbers are worked out
 * by hand from those of conntrack_packets.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/conntrack_packets.h"

/* --- the first packet -------------------------------------------------------------------- */

static void first_syn_is_new_and_sent(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(flow.marks, CONNTRACK_SYN);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_SENT);
	assert_int_equal(flow.side[0].end, 1001);
	assert_int_equal(flow.side[0].max_win, 500);
	assert_true(flow.side[0].flags & CONNTRACK_SIDE_SEEN);
	assert_false(flow.side[1].flags & CONNTRACK_SIDE_SEEN);
}

static void first_ack_is_picked_up(void **state)
{
	struct conn_tcp flow = picked_up();

	assert_int_equal(flow.marks, CONNTRACK_PICKED_UP | CONNTRACK_SYN | CONNTRACK_SYN << 1 |
					     CONNTRACK_SYN_ACKED | CONNTRACK_SYN_ACKED << 1);
}

static void first_fin_is_picked_up_with_its_mark(void **state)
{
	struct conn_tcp flow;

	assert_int_equal(begin(&flow, FIN_ACK), CONN_ANSWER_NEW);
	assert_true(flow.marks & CONNTRACK_PICKED_UP && flow.marks & CONNTRACK_FIN);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_FIN_WAIT);
}

static void first_ack_is_invalid_where_none_is_picked_up(void **state)
{
	struct conn_segment s = segment(INITIATOR, TCP_ACK, 1001, 5001);
	struct conn_tcp flow = {};

	assert_int_equal(tcp_begin(&flow, &s, false, false), CONN_ANSWER_INVALID);
}

static void first_of_any_other_flags_is_invalid(void **state)
{
	static const int flags[] = { TCP_RST, RST_ACK, SYN_ACK, TCP_SYN | TCP_RST,
				     TCP_FIN, 0,       TCP_PSH, TCP_RST | SYN_ACK };
	struct conn_tcp flow;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		assert_int_equal(begin(&flow, flags[i]), CONN_ANSWER_INVALID);
}

/* --- picked up --------------------------------------------------------------------------- */

static void picked_up_is_established_once_the_other_side_is_seen(void **state)
{
	struct conn_tcp flow = picked_up();

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1000, 5001), CONN_ANSWER_NEW);
	assert_false(conntrack_is_proven(PROTO_TCP, flow.marks));
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1000), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1000, 5001), CONN_ANSWER_ESTABLISHED);
	assert_true(conntrack_is_proven(PROTO_TCP, flow.marks));
}

/* It does not live for days because of one packet. */
static void picked_up_is_opening_until_it_is_answered(void **state)
{
	struct conn_tcp flow = picked_up();

	assert_int_equal(state_of(&flow), CONNTRACK_SYN_SENT);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1000), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
}

static void picked_up_is_never_window_checked(void **state)
{
	struct conn_tcp flow = picked_up();

	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1000), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 3000000000u, 9), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_RST, 3000000000u, 0), CONN_ANSWER_ESTABLISHED);
}

/* --- SYN --------------------------------------------------------------------------------- */

static void syn_on_a_flow_that_is_over_begins_anew(void **state)
{
	for (int side = 0; side < 2; side++) {
		struct conn_tcp flow = reset();

		assert_int_equal(send(&flow, side, TCP_SYN, 9000, 0), CONN_ANSWER_ANEW);
		flow = time_wait();
		assert_int_equal(send(&flow, side, TCP_SYN, 9000, 0), CONN_ANSWER_ANEW);
	}
}

static const struct conn_tcp_options direct = { .is_asymmetric = true, .is_one_way = true };

/* The end of what it sent is 1002, its FIN counted. */
static void syn_of_an_initiator_who_closed_begins_anew_where_no_responder_is_seen(void **state)
{
	static const uint32_t begins[] = { 1002, 1003, 0x80000000u }, stays[] = { 1000, 1001 };

	for (size_t i = 0; i < 5; i++) {
		struct conn_tcp flow = syn_sent();
		struct conn_segment syn =
			segment(INITIATOR, TCP_SYN, i < 3 ? begins[i] : stays[i - 3], 0);

		judge(&flow, segment(INITIATOR, TCP_ACK, 1001, 5001), &direct);
		assert_int_equal(judge(&flow, syn, &direct), CONN_ANSWER_ESTABLISHED);
		judge(&flow, segment(INITIATOR, FIN_ACK, 1001, 5001), &direct);
		assert_int_equal(judge(&flow, syn, &direct),
				 i < 3 ? CONN_ANSWER_ANEW : CONN_ANSWER_ESTABLISHED);
	}
}

/* He may go on listening, and the responder speaking. */
static void syn_of_an_initiator_who_closed_changes_nothing_where_both_may_be_seen(void **state)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(send(&flow, INITIATOR, TCP_SYN, 9000, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(judge(&flow, segment(INITIATOR, TCP_SYN, 9000, 0), &one_way),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_FIN_WAIT);
}

static void syn_of_both_sides_at_once_opens(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, RESPONDER, TCP_SYN, 5000, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(send(&flow, INITIATOR, SYN_ACK, 1000, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
}

static void syn_sent_again_changes_nothing(void **state)
{
	struct conn_tcp flow = syn_sent(), before = flow;

	assert_int_equal(send(&flow, INITIATOR, TCP_SYN, 1000, 0), CONN_ANSWER_NEW);
	flow_is(&flow, &before);
	changes_nothing(syn_received(), segment(INITIATOR, TCP_SYN, 1000, 0));
}

static void syn_of_another_number_replaces_one_that_nobody_answered(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, INITIATOR, TCP_SYN, 7000, 0), CONN_ANSWER_NEW);
	assert_int_equal(flow.side[0].end, 7001);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1001), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 7001), CONN_ANSWER_ESTABLISHED);
}

static void syn_of_another_number_replaces_none_that_was_answered(void **state)
{
	changes_nothing(syn_received(), segment(INITIATOR, TCP_SYN, 7000, 0));
}

static void syn_of_the_initiator_in_an_open_flow_passes_and_changes_nothing(void **state)
{
	changes_nothing(established(), segment(INITIATOR, TCP_SYN, 7000, 0));
	changes_nothing(fin_wait(), segment(INITIATOR, TCP_SYN, 7000, 0));
	changes_nothing(closing(), segment(INITIATOR, TCP_SYN, 7000, 0));
}

/* The responder has lost the connection: the host was started anew. */
static void syn_in_an_open_flow_begins_anew_when_it_is_answered(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, TCP_SYN, 7000, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 90000, 7001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 7001, 90001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 7001);
	assert_int_equal(flow.side[1].end, 90001);
	assert_int_equal(flow.side[0].max_end, 7801);
	assert_int_equal(send(&flow, RESPONDER, FIN_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow),
			 CONNTRACK_ESTABLISHED); /* it came late, of the one before */
}

static void syn_of_the_responder_in_an_open_flow_is_invalid(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, RESPONDER, TCP_SYN, 5000, 0), CONN_ANSWER_INVALID);
	flow = fin_wait();
	assert_int_equal(send(&flow, RESPONDER, TCP_SYN, 5000, 0), CONN_ANSWER_INVALID);
	flow = closing();
	assert_int_equal(send(&flow, RESPONDER, TCP_SYN, 5000, 0), CONN_ANSWER_INVALID);
}

/* --- SYN+ACK ----------------------------------------------------------------------------- */

static void syn_ack_receives(void **state)
{
	struct conn_tcp flow = syn_received();

	assert_int_equal(flow.marks, CONNTRACK_SYN | CONNTRACK_SYN << 1 | CONNTRACK_SYN_ACKED |
					     CONNTRACK_ANSWERED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
	assert_int_equal(flow.side[1].end, 5001);
	assert_int_equal(flow.side[1].max_win, 800);
	assert_int_equal(flow.side[0].max_end, 1801);
}

static void syn_ack_must_acknowledge_the_syn(void **state)
{
	struct conn_tcp flow = syn_sent(), before = flow;

	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1000), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1002), CONN_ANSWER_INVALID);
	flow_is(&flow, &before);
}

static void syn_ack_need_not_where_windows_are_not_checked(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(judge(&flow, segment(RESPONDER, SYN_ACK, 5000, 1), &trusting),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
}

static void syn_ack_of_the_initiator_to_no_syn_is_invalid(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, INITIATOR, SYN_ACK, 1000, 5001), CONN_ANSWER_INVALID);
	assert_int_equal(judge(&flow, segment(INITIATOR, SYN_ACK, 1000, 5001), &trusting),
			 CONN_ANSWER_INVALID);
}

static void syn_ack_sent_again_changes_nothing(void **state)
{
	changes_nothing(syn_received(), segment(RESPONDER, SYN_ACK, 5000, 1001));
	changes_nothing(established(), segment(RESPONDER, SYN_ACK, 5000, 1001));
	changes_nothing(fin_wait(), segment(RESPONDER, SYN_ACK, 5000, 1001));
}

/* What was answered may be followed by data at once (RFC 7413), or taken back. */
static void data_of_the_responder_before_it_is_acknowledged_is_good(void **state)
{
	struct conn_tcp flow = syn_received();

	assert_int_equal(send_bytes(&flow, RESPONDER, 5001, 100, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
}

static void rst_of_the_responder_before_it_is_acknowledged_resets(void **state)
{
	struct conn_tcp flow = syn_received();

	assert_int_equal(send(&flow, RESPONDER, RST_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_RESET_SEEN);
}

static void first_syn_with_fin_is_invalid(void **state)
{
	struct conn_tcp flow;

	assert_int_equal(begin(&flow, TCP_SYN | TCP_FIN), CONN_ANSWER_INVALID);
}

static void ack_that_does_not_cover_the_syn_does_not_establish(void **state)
{
	struct conn_tcp flow = syn_received();

	send(&flow, INITIATOR, TCP_ACK, 1001, 5000);
	assert_int_equal(state_of(&flow), CONNTRACK_SYN_RECEIVED);
	assert_false(conntrack_is_proven(PROTO_TCP, flow.marks));
	judge(&flow, segment(INITIATOR, TCP_ACK, 1001, 5000), &trusting);
	assert_false(conntrack_is_proven(PROTO_TCP, flow.marks));
}

/* A SYN with 10 bytes (RFC 7413): the responder may take the bytes, or the SYN alone. */
static void syn_ack_may_leave_out_the_data_of_the_syn(void **state)
{
	struct conn_segment syn = segment(INITIATOR, TCP_SYN, 1000, 0);
	struct conn_tcp flow = {}, other;

	syn.end += 10;
	assert_int_equal(tcp_begin(&flow, &syn, true, false), CONN_ANSWER_NEW);
	other = flow;
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1011), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&other, RESPONDER, SYN_ACK, 5000, 1001), CONN_ANSWER_ESTABLISHED);
}

/* The SYN that is sent again goes without them, and the first is answered. */
static void syn_sent_again_without_data_leaves_that_of_the_first(void **state)
{
	struct conn_segment syn = segment(INITIATOR, TCP_SYN, 1000, 0);
	struct conn_tcp flow = {};

	syn.end += 10;
	assert_int_equal(tcp_begin(&flow, &syn, true, false), CONN_ANSWER_NEW);
	assert_int_equal(send(&flow, INITIATOR, TCP_SYN, 1000, 0), CONN_ANSWER_NEW);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1011), CONN_ANSWER_ESTABLISHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_syn_is_new_and_sent),
		cmocka_unit_test(first_ack_is_picked_up),
		cmocka_unit_test(first_fin_is_picked_up_with_its_mark),
		cmocka_unit_test(first_ack_is_invalid_where_none_is_picked_up),
		cmocka_unit_test(first_of_any_other_flags_is_invalid),
		cmocka_unit_test(picked_up_is_established_once_the_other_side_is_seen),
		cmocka_unit_test(picked_up_is_opening_until_it_is_answered),
		cmocka_unit_test(picked_up_is_never_window_checked),
		cmocka_unit_test(syn_on_a_flow_that_is_over_begins_anew),
		cmocka_unit_test(
			syn_of_an_initiator_who_closed_begins_anew_where_no_responder_is_seen),
		cmocka_unit_test(
			syn_of_an_initiator_who_closed_changes_nothing_where_both_may_be_seen),
		cmocka_unit_test(syn_of_both_sides_at_once_opens),
		cmocka_unit_test(syn_sent_again_changes_nothing),
		cmocka_unit_test(syn_of_another_number_replaces_one_that_nobody_answered),
		cmocka_unit_test(syn_of_another_number_replaces_none_that_was_answered),
		cmocka_unit_test(syn_of_the_initiator_in_an_open_flow_passes_and_changes_nothing),
		cmocka_unit_test(syn_in_an_open_flow_begins_anew_when_it_is_answered),
		cmocka_unit_test(syn_of_the_responder_in_an_open_flow_is_invalid),
		cmocka_unit_test(syn_ack_receives),
		cmocka_unit_test(syn_ack_must_acknowledge_the_syn),
		cmocka_unit_test(syn_ack_need_not_where_windows_are_not_checked),
		cmocka_unit_test(syn_ack_of_the_initiator_to_no_syn_is_invalid),
		cmocka_unit_test(syn_ack_sent_again_changes_nothing),
		cmocka_unit_test(data_of_the_responder_before_it_is_acknowledged_is_good),
		cmocka_unit_test(rst_of_the_responder_before_it_is_acknowledged_resets),
		cmocka_unit_test(first_syn_with_fin_is_invalid),
		cmocka_unit_test(ack_that_does_not_cover_the_syn_does_not_establish),
		cmocka_unit_test(syn_ack_may_leave_out_the_data_of_the_syn),
		cmocka_unit_test(syn_sent_again_without_data_leaves_that_of_the_first),
	};

	return cmocka_run_group_tests_name("conntrack-handshake", tests, NULL, NULL);
}
