/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets for the tests of conntrack_tcp.bpf.h, compiled natively, and flows as those leave them.
 * The initiator begins at 1000 and announces 500 bytes, the responder begins at 5000 and announces
 * 800. For a test to include behind cmocka.h.
 */
#ifndef WEIR_TESTS_CONNTRACK_PACKETS_H
#define WEIR_TESTS_CONNTRACK_PACKETS_H

#include "features/conntrack/conntrack_tcp.bpf.h"

#define INITIATOR 0
#define RESPONDER 1
#define TCP_PSH 0x08
#define SYN_ACK (TCP_SYN | TCP_ACK)
#define FIN_ACK (TCP_FIN | TCP_ACK)
#define RST_ACK (TCP_RST | TCP_ACK)

static const struct conn_tcp_options checking = { .notes_windows = true, .checks_windows = true };
static const struct conn_tcp_options noting = { .notes_windows = true };
static const struct conn_tcp_options trusting = {};
static const struct conn_tcp_options one_way = { .notes_windows = true,
						 .checks_windows = true,
						 .is_asymmetric = true };

/* Without data; SYN and FIN take a number each. */
static inline struct conn_segment segment(int side, int flags, uint32_t seq, uint32_t ack)
{
	return (struct conn_segment){
		.seq = seq,
		.end = seq + !!(flags & TCP_SYN) + !!(flags & TCP_FIN),
		.ack = ack,
		.window = side == INITIATOR ? 500 : 800,
		.scale = -1,
		.flags = (uint8_t)flags,
		.side = (uint8_t)side,
	};
}

/* As the data path does: what is invalid, or begins another flow, leaves no trace. */
static inline enum conn_answer judge(struct conn_tcp *flow, struct conn_segment s,
				     const struct conn_tcp_options *options)
{
	struct conn_tcp copy = *flow;
	enum conn_answer answer = tcp_judge(&copy, &s, options);

	if (answer == CONN_ANSWER_NEW || answer == CONN_ANSWER_ESTABLISHED)
		*flow = copy;
	return answer;
}

static inline enum conn_answer send(struct conn_tcp *flow, int side, int flags, uint32_t seq,
				    uint32_t ack)
{
	return judge(flow, segment(side, flags, seq, ack), &checking);
}

static inline enum conn_answer send_bytes(struct conn_tcp *flow, int side, uint32_t seq,
					  uint32_t bytes, uint32_t ack)
{
	struct conn_segment s = segment(side, TCP_ACK, seq, ack);

	s.end += bytes;
	return judge(flow, s, &checking);
}

static inline enum conntrack_state state_of(const struct conn_tcp *flow)
{
	return conntrack_state_of(PROTO_TCP, flow->marks);
}

static inline enum conn_answer begin(struct conn_tcp *flow, int flags)
{
	struct conn_segment s = segment(INITIATOR, flags, 1000, flags & TCP_ACK ? 5001 : 0);

	*flow = (struct conn_tcp){};
	return tcp_begin(flow, &s, true, false);
}

static inline struct conn_tcp syn_sent(void)
{
	struct conn_tcp flow;

	assert_int_equal(begin(&flow, TCP_SYN), CONN_ANSWER_NEW);
	return flow;
}

static inline struct conn_tcp syn_received(void)
{
	struct conn_tcp flow = syn_sent();

	assert_int_equal(send(&flow, RESPONDER, SYN_ACK, 5000, 1001), CONN_ANSWER_ESTABLISHED);
	return flow;
}

static inline struct conn_tcp established(void)
{
	struct conn_tcp flow = syn_received();

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1001, 5001), CONN_ANSWER_ESTABLISHED);
	return flow;
}

/* The initiator has closed. */
static inline struct conn_tcp fin_wait(void)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, INITIATOR, FIN_ACK, 1001, 5001), CONN_ANSWER_ESTABLISHED);
	return flow;
}

static inline struct conn_tcp closing(void)
{
	struct conn_tcp flow = fin_wait();

	assert_int_equal(send(&flow, RESPONDER, FIN_ACK, 5001, 1002), CONN_ANSWER_ESTABLISHED);
	return flow;
}

static inline struct conn_tcp time_wait(void)
{
	struct conn_tcp flow = closing();

	assert_int_equal(send(&flow, INITIATOR, TCP_ACK, 1002, 5002), CONN_ANSWER_ESTABLISHED);
	return flow;
}

static inline struct conn_tcp reset(void)
{
	struct conn_tcp flow = established();

	assert_int_equal(send(&flow, RESPONDER, RST_ACK, 5001, 1001), CONN_ANSWER_ESTABLISHED);
	return flow;
}

static inline struct conn_tcp picked_up(void)
{
	struct conn_tcp flow;

	assert_int_equal(begin(&flow, TCP_ACK), CONN_ANSWER_NEW);
	return flow;
}

static inline void flow_is(const struct conn_tcp *flow, const struct conn_tcp *same)
{
	assert_memory_equal(flow, same, sizeof(*flow));
}

/* A packet that passes and changes nothing; that a SYN came by is noted aside. */
static inline void changes_nothing(struct conn_tcp flow, struct conn_segment s)
{
	struct conn_tcp before = flow;

	assert_int_equal(judge(&flow, s, &checking), CONN_ANSWER_ESTABLISHED);
	flow.again = before.again;
	flow_is(&flow, &before);
}

#endif
