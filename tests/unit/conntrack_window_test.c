/* SPDX-License-Identifier: Apache-2.0 */
/* Which numbers of TCP the window check lets pass. Limits are worked out by hand from the numbers
 * of conntrack_packets.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/conntrack_packets.h"

static void seq_may_reach_what_was_given_room_for(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1802, 5001), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1801, 5001), CONN_ANSWER_ESTABLISHED);
	flow = established();
	/* The responder's: 5001 + 500. */
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5502, 1001), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5501, 1001), CONN_ANSWER_ESTABLISHED);
}

/* Of a packet that passes: whether the flow learns from it, as a larger window than any before. */
static bool teaches(struct conn_tcp flow, struct conn_segment s)
{
	__u32 before = flow.side[s.side].max_win;

	s.window = 0xffff;
	assert_int_equal(judge(&flow, s, &checking), CONN_ANSWER_ESTABLISHED);
	return flow.side[s.side].max_win > before;
}

static void end_may_lie_a_window_back(void **state)
{
	struct conn_tcp flow = established();
	struct conn_segment s = segment(INITIATOR, TCP_ACK, 100, 5001);

	assert_false(teaches(flow, segment(INITIATOR, TCP_ACK, 200, 5001)));
	assert_true(teaches(flow, segment(INITIATOR, TCP_ACK, 201, 5001)));
	/* It is the end that counts. */
	s.end = 200;
	assert_false(teaches(flow, s));
	s.end = 201;
	assert_true(teaches(flow, s));
}

/* 201 - 268435456, modulo 2^32. */
static void what_is_late_may_lie_far_back_and_changes_nothing(void **state)
{
	struct conn_tcp flow = established(), before = flow;

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 4026532041u, 5001),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, FIN_ACK, 4026532041u, 5001),
			 CONN_ANSWER_ESTABLISHED);
	assert_memory_equal(&flow, &before, sizeof(flow));
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 4026532040u, 5001), CONN_ANSWER_INVALID);
	/* -60999 - 268435456: an acknowledgement. */
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 4026470841u),
			 CONN_ANSWER_ESTABLISHED);
	assert_memory_equal(&flow, &before, sizeof(flow));
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 4026470840u), CONN_ANSWER_INVALID);
}

static void ack_may_reach_what_was_sent(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5002), CONN_ANSWER_INVALID);
	assert_int_equal(send_bytes(&flow, RESPONDER, 5001, 300, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5302), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5301), CONN_ANSWER_ESTABLISHED);
}

/* 5001 - 66000 = -60999, which is 4294906297 modulo 2^32. */
static void ack_may_be_66000_bytes_old(void **state)
{
	struct conn_tcp flow = established();

	assert_false(teaches(flow, segment(INITIATOR, TCP_ACK, 1001, 4294906296u)));
	assert_true(teaches(flow, segment(INITIATOR, TCP_ACK, 1001, 4294906297u)));
}

/* A connection whose sides scale by 7 and 3. */
static struct conn_tcp scaled(int own, int other)
{
	struct conn_segment syn = segment(INITIATOR, TCP_SYN, 1000, 0),
			    answer = segment(RESPONDER, SYN_ACK, 5000, 1001),
			    ack = segment(INITIATOR, TCP_ACK, 1001, 5001);
	struct conn_tcp flow = {};

	syn.scale = own;
	answer.scale = other;
	ack.window = 1000;
	assert_int_equal(tcp_begin(&flow, &syn, true, false), CONN_ANSWER_NEW);
	assert_int_equal(judge(&flow, answer, &checking), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(judge(&flow, ack, &checking), CONN_ANSWER_ESTABLISHED);
	return flow;
}

static void window_is_scaled_when_both_have_the_option(void **state)
{
	struct conn_tcp flow = scaled(7, 3);

	assert_int_equal(flow.side[0].max_win, 128000);
	assert_int_equal(flow.side[1].max_end, 5001 + 128000);
	/* That of a SYN is as it stands. */
	assert_int_equal(flow.side[1].max_win, 800);
	assert_int_equal(flow.side[0].max_end, 1801);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].max_win, 6400);
	assert_int_equal(flow.side[0].max_end, 1001 + 6400);
}

static void window_is_not_scaled_when_one_lacks_the_option(void **state)
{
	struct conn_tcp flow = scaled(7, -1);

	assert_int_equal(flow.side[0].max_win, 1000);
	flow = scaled(-1, 3);
	assert_int_equal(flow.side[0].max_win, 1000);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].max_win, 800);
}

static void scale_of_zero_counts_as_the_option(void **state)
{
	struct conn_tcp flow = scaled(0, 3);

	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].max_win, 6400);
}

/* 5001 - 128000 = -122999, which is 4294844297 modulo 2^32. */
static void ack_may_be_as_old_as_the_largest_window(void **state)
{
	struct conn_tcp flow = scaled(7, 3);

	assert_false(teaches(flow, segment(INITIATOR, TCP_ACK, 1001, 4294844296u)));
	assert_true(teaches(flow, segment(INITIATOR, TCP_ACK, 1001, 4294844297u)));
}

static void window_that_shrinks_leaves_the_room_that_was_given(void **state)
{
	struct conn_tcp flow = established();
	struct conn_segment small = segment(RESPONDER, TCP_ACK, 5001, 1001);

	small.window = 10;
	assert_int_equal(judge(&flow, small, &checking), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].max_win, 800);
	assert_int_equal(flow.side[0].max_end, 1801);
}

static void window_of_zero_counts_as_one(void **state)
{
	struct conn_tcp flow = syn_sent();
	struct conn_segment answer = segment(RESPONDER, SYN_ACK, 5000, 1001);

	answer.window = 0;
	assert_int_equal(judge(&flow, answer, &checking), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].max_win, 1);
	assert_int_equal(flow.side[0].max_end, 1002);
}

static void room_follows_what_is_acknowledged(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send_bytes(&flow, INITIATOR, 1001, 700, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 1701);
	assert_int_equal(flow.side[0].max_end, 1801);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 5001, 1701), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].max_end, 2501);
}

static void data_sent_again_does_not_move_the_end_back(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send_bytes(&flow, INITIATOR, 1001, 700, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send_bytes(&flow, INITIATOR, 1001, 200, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 1701);
}

/* From 4294967290, 2 bytes after a SYN end at 4294967293; then 10 more are over the edge at 7. */
static void numbers_wrap_around(void **state)
{
	struct conn_segment syn = segment(INITIATOR, TCP_SYN, 4294967290u, 0);
	struct conn_tcp flow = {};

	assert_int_equal(tcp_begin(&flow, &syn, true, false), CONN_ANSWER_NEW);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 4294967295u, 4294967291u),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].end, 0);
	assert_int_equal(flow.side[0].max_end, 795); /* 4294967291 + 800 */
	assert_int_equal(send_bytes(&flow, INITIATOR, 4294967291u, 2, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send_bytes(&flow, INITIATOR, 4294967293u, 10, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 7);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 796, 0), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, RESPONDER, FIN_ACK, 0, 7), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, FIN_ACK, 7, 1), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 1, 8), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_TIME_WAIT);
}

static void invalid_packet_changes_nothing_for_the_next(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, FIN_ACK, 900000, 5001), CONN_ANSWER_INVALID);
	assert_int_equal(send(&flow, INITIATOR, FIN_ACK, 1001, 900000), CONN_ANSWER_INVALID);
	assert_int_equal(state_of(&flow), CONNTRACK_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 1001);
}

static void ends_are_kept_at_syn_and_fin_only_without_the_check(void **state)
{
	struct conn_tcp flow = established();
	struct conn_segment data = segment(INITIATOR, TCP_ACK, 1001, 5001);

	data.end += 700;
	assert_int_equal(judge(&flow, data, &trusting), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 1001);
	assert_int_equal(judge(&flow, segment(INITIATOR, FIN_ACK, 1701, 5001), &trusting),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 1702);
	assert_int_equal(judge(&flow, segment(RESPONDER, FIN_ACK, 5001, 1702), &trusting),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(judge(&flow, segment(INITIATOR, TCP_ACK, 1702, 5002), &trusting),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(state_of(&flow), CONNTRACK_TIME_WAIT);
}

static void ends_that_are_noted_are_not_checked_yet(void **state)
{
	struct conn_tcp flow = established();
	struct conn_segment data = segment(INITIATOR, TCP_ACK, 9001, 5001);

	data.end += 700;
	assert_int_equal(judge(&flow, data, &noting), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].end, 9701);
	assert_int_equal(flow.side[1].max_end, 5501);
}

static void any_number_passes_without_the_check(void **state)
{
	struct conn_tcp flow = established();

	assert_int_equal(judge(&flow, segment(RESPONDER, TCP_ACK, 3000000000u, 17), &trusting),
			 CONN_ANSWER_ESTABLISHED);
}

/* Of two SYNs at once, one has the option: neither scales. */
static void window_is_not_scaled_when_one_of_two_syns_lacks_the_option(void **state)
{
	struct conn_segment syn = segment(INITIATOR, TCP_SYN, 1000, 0);
	struct conn_tcp flow = {};

	syn.scale = 7;
	assert_int_equal(tcp_begin(&flow, &syn, true, false), CONN_ANSWER_NEW);
	assert_int_equal(send(&flow, RESPONDER, TCP_SYN, 5000, 0), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, SYN_ACK, 1000, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5001), CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[0].max_win, 500);
}

static void room_of_the_responder_is_kept_wherever_it_begins(void **state)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 3000000000u, 1001),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 3000000001u),
			 CONN_ANSWER_ESTABLISHED);
	assert_int_equal(flow.side[1].max_end, 3000000501u);
	assert_int_equal(send(&flow, RESPONDER, TCP_ACK, 3000000502u, 1001), CONN_ANSWER_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seq_may_reach_what_was_given_room_for),
		cmocka_unit_test(end_may_lie_a_window_back),
		cmocka_unit_test(ack_may_reach_what_was_sent),
		cmocka_unit_test(what_is_late_may_lie_far_back_and_changes_nothing),
		cmocka_unit_test(ack_may_be_66000_bytes_old),
		cmocka_unit_test(window_is_scaled_when_both_have_the_option),
		cmocka_unit_test(window_is_not_scaled_when_one_lacks_the_option),
		cmocka_unit_test(scale_of_zero_counts_as_the_option),
		cmocka_unit_test(ack_may_be_as_old_as_the_largest_window),
		cmocka_unit_test(window_that_shrinks_leaves_the_room_that_was_given),
		cmocka_unit_test(window_of_zero_counts_as_one),
		cmocka_unit_test(room_follows_what_is_acknowledged),
		cmocka_unit_test(data_sent_again_does_not_move_the_end_back),
		cmocka_unit_test(numbers_wrap_around),
		cmocka_unit_test(invalid_packet_changes_nothing_for_the_next),
		cmocka_unit_test(ends_are_kept_at_syn_and_fin_only_without_the_check),
		cmocka_unit_test(ends_that_are_noted_are_not_checked_yet),
		cmocka_unit_test(any_number_passes_without_the_check),
		cmocka_unit_test(window_is_not_scaled_when_one_of_two_syns_lacks_the_option),
		cmocka_unit_test(room_of_the_responder_is_kept_wherever_it_begins),
	};

	return cmocka_run_group_tests_name("conntrack-window", tests, NULL, NULL);
}
