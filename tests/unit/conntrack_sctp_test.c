/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How associations of SCTP go on and end, and which verification tags their packets must bear (RFC
 * 9260, 8.5). The initiator gives itself 17, the responder 34. Each line of a talk is a packet;
 * what is to come of it is worked out by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "features/conntrack/conntrack_sctp.bpf.h"

#define A 0 /* the initiator */
#define B 1
#define T 1 /* the flag: it bears its sender's own tag */

enum {
	DATA = 0,
	INIT = 1,
	INIT_ACK = 2,
	SACK = 3,
	HEARTBEAT = 4,
	ABORT = 6,
	SHUTDOWN = 7,
	SHUTDOWN_ACK = 8,
	ERROR = 9,
	COOKIE_ECHO = 10,
	COOKIE_ACK = 11,
	COMPLETE = 14,
	ASCONF = 193,
	NO_CHUNK = 255,
};

static const struct conn_tcp_options checking = { .notes_windows = true, .checks_windows = true };
static const struct conn_tcp_options trusting = {};
static const struct conn_tcp_options one_way = { .notes_windows = true,
						 .checks_windows = true,
						 .is_asymmetric = true };

/* The last two are what is to be: of the packet, and of the association afterwards. */
struct line {
	int side, chunk;
	uint32_t tag, initiate;
	int flags;
	enum conn_answer answer;
	enum conntrack_state state;
};

#define NEW CONN_ANSWER_NEW
#define YES CONN_ANSWER_ESTABLISHED
#define INVALID CONN_ANSWER_INVALID
#define ANEW CONN_ANSWER_ANEW
#define OPENING CONNTRACK_SYN_SENT
#define RECEIVED CONNTRACK_SYN_RECEIVED
#define OPEN CONNTRACK_ESTABLISHED
#define CLOSES CONNTRACK_FIN_WAIT
#define CLOSED CONNTRACK_TIME_WAIT
#define RESET CONNTRACK_RESET_SEEN

/* clang-format off */
#define HANDSHAKE                                   \
	{ A, INIT, 0, 17, 0, NEW, OPENING },        \
	{ B, INIT_ACK, 17, 34, 0, YES, RECEIVED },  \
	{ A, COOKIE_ECHO, 34, 0, 0, YES, OPEN },    \
	{ B, COOKIE_ACK, 17, 0, 0, YES, OPEN }
/* clang-format on */

static struct pkt packet_of(const struct line *line)
{
	return (struct pkt){
		.proto = PROTO_SCTP,
		.chunk = (uint8_t)line->chunk,
		.sctp_tag = line->tag,
		.sctp_initiate = line->initiate,
		.chunk_flags = (uint16_t)line->flags,
	};
}

/* As the data path does: what is invalid, or begins another flow, leaves no trace. */
static enum conn_answer judge(struct conn_tcp *flow, const struct line *line,
			      const struct conn_tcp_options *options)
{
	struct pkt p = packet_of(line);
	struct conn_tcp copy = *flow;
	uint8_t notes;
	enum conn_answer answer =
		flow->marks ? sctp_judge(&copy, &p, (uint32_t)line->side, options, &notes) :
			      sctp_begin(&copy, &p, true);

	if (answer != INVALID && answer != ANEW)
		*flow = copy;
	return answer;
}

static struct conn_tcp talk_on(struct conn_tcp flow, const struct line *lines, size_t count,
			       const struct conn_tcp_options *options)
{
	for (size_t i = 0; i < count; i++) {
		enum conn_answer answer = judge(&flow, &lines[i], options);
		enum conntrack_state state = conntrack_state_of(PROTO_SCTP, flow.marks);

		if (answer != lines[i].answer || state != lines[i].state)
			fail_msg("packet %zu: answer %d, state %d", i + 1, answer, state);
	}
	return flow;
}

#define TALK_BY(options, ...)                                              \
	talk_on((struct conn_tcp){}, (const struct line[]){ __VA_ARGS__ }, \
		sizeof((const struct line[]){ __VA_ARGS__ }) / sizeof(struct line), options)
#define TALK(...) TALK_BY(&checking, __VA_ARGS__)

static void association_opens_speaks_and_closes(void **state)
{
	struct conn_tcp flow =
		TALK(HANDSHAKE, { A, DATA, 34, 0, 0, YES, OPEN }, { B, SACK, 17, 0, 0, YES, OPEN },
		     { A, SHUTDOWN, 34, 0, 0, YES, CLOSES },
		     { B, SHUTDOWN_ACK, 17, 0, 0, YES, CONNTRACK_CLOSING },
		     { A, COMPLETE, 34, 0, 0, YES, CLOSED }, { A, INIT, 0, 18, 0, ANEW, CLOSED });

	(void)state;
	assert_int_equal(flow.side[0].tag, 17);
	assert_int_equal(flow.side[1].tag, 34);
}

static void cookie_of_the_right_tag_shakes_hands_and_no_other(void **state)
{
	struct conn_tcp flow =
		TALK({ A, INIT, 0, 17, 0, NEW, OPENING },
		     { A, COOKIE_ECHO, 34, 0, 0, INVALID, OPENING }, /* before any was given */
		     { B, INIT_ACK, 17, 34, 0, YES, RECEIVED },
		     { A, COOKIE_ECHO, 0, 0, 0, INVALID, RECEIVED },
		     { A, COOKIE_ECHO, 17, 0, 0, INVALID, RECEIVED });

	(void)state;
	assert_false(conntrack_is_proven(PROTO_SCTP, flow.marks));
	flow = TALK(HANDSHAKE);
	assert_true(conntrack_is_proven(PROTO_SCTP, flow.marks));
	assert_true(conntrack_has_shaken(PROTO_SCTP, flow.marks));
}

static void first_packet_is_an_init_without_a_tag_that_gives_one(void **state)
{
	static const struct line wrong[] = {
		{ .chunk = INIT, .tag = 34, .initiate = 17 },
		{ .chunk = INIT },
		{ .chunk = INIT_ACK, .tag = 1, .initiate = 17 },
		{ .chunk = ABORT, .tag = 1 },
		{ .chunk = SHUTDOWN, .tag = 1 },
		{ .chunk = COOKIE_ACK, .tag = 1 },
		{ .chunk = COMPLETE, .tag = 1 },
		{ .chunk = NO_CHUNK, .tag = 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct conn_tcp flow = {};

		assert_int_equal(judge(&flow, &wrong[i], &checking), INVALID);
	}
}

static void packet_with_a_wrong_tag_is_invalid(void **state)
{
	static const int chunks[] = { DATA,	SACK,	      HEARTBEAT,   ABORT,      SHUTDOWN,
				      ERROR,	SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, COMPLETE,
				      INIT_ACK, ASCONF,	      NO_CHUNK };
	const struct conn_tcp before = TALK(HANDSHAKE);

	(void)state;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		static const uint32_t tags[] = { 0, 17, 33, 35 };

		for (size_t k = 0; k < 4; k++) {
			struct line line = { A, chunks[i], tags[k], 17, 0, INVALID, OPEN };
			struct conn_tcp flow = before;

			assert_int_equal(judge(&flow, &line, &checking), INVALID);
			assert_int_equal(judge(&flow, &line, &trusting), YES);
			assert_memory_equal(&flow, &before, sizeof(flow));
		}
	}
}

static void abort_and_complete_may_reflect_the_tag_of_what_they_answer(void **state)
{
	(void)state;
	TALK(HANDSHAKE, { B, ABORT, 17, 0, T, INVALID, OPEN },
	     { B, ABORT, 34, 0, 0, INVALID, OPEN }, { B, ABORT, 34, 0, T, YES, RESET });
	TALK(HANDSHAKE, { B, SHUTDOWN, 17, 0, 0, YES, CLOSES },
	     { A, COMPLETE, 17, 0, 0, INVALID, CLOSES }, { A, COMPLETE, 34, 0, T, INVALID, CLOSES },
	     { A, COMPLETE, 17, 0, T, YES, CLOSED });
	/* Of others the flag means nothing. */
	TALK(HANDSHAKE, { A, DATA, 17, 0, T, INVALID, OPEN }, { A, DATA, 34, 0, T, YES, OPEN });
}

static void abort_refuses_an_init_by_its_tag(void **state)
{
	(void)state;
	TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { B, ABORT, 18, 0, 0, INVALID, OPENING },
	     { B, ABORT, 0, 0, T, INVALID, OPENING }, { B, ABORT, 17, 0, 0, YES, RESET });
	TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { A, INIT, 0, 18, 0, NEW, OPENING },
	     { B, ABORT, 18, 0, 0, YES, RESET });
}

static void association_begins_anew_by_a_cookie_of_what_was_offered(void **state)
{
	struct conn_tcp flow =
		TALK(HANDSHAKE, { A, INIT, 0, 55, 0, YES, OPEN }, { B, DATA, 17, 0, 0, YES, OPEN },
		     { B, INIT_ACK, 55, 66, 0, YES, OPEN }, { B, DATA, 17, 0, 0, YES, OPEN },
		     { B, DATA, 55, 0, 0, INVALID, OPEN }, { A, COOKIE_ECHO, 66, 0, 0, YES, OPEN },
		     { B, COOKIE_ACK, 55, 0, 0, YES, OPEN }, { A, DATA, 66, 0, 0, YES, OPEN },
		     { A, DATA, 34, 0, 0, INVALID, OPEN }, { B, DATA, 17, 0, 0, INVALID, OPEN },
		     { A, COOKIE_ECHO, 34, 0, 0, INVALID, OPEN });

	(void)state;
	assert_int_equal(flow.side[0].tag, 55);
	assert_int_equal(flow.side[1].tag, 66);
	TALK(HANDSHAKE, { B, INIT, 0, 66, 0, YES, OPEN }, { A, INIT_ACK, 66, 55, 0, YES, OPEN },
	     { B, COOKIE_ECHO, 55, 0, 0, YES, OPEN }, { A, COOKIE_ACK, 66, 0, 0, YES, OPEN },
	     { B, DATA, 55, 0, 0, YES, OPEN }, { B, DATA, 17, 0, 0, INVALID, OPEN });
}

static void association_that_begins_anew_has_closed_nothing(void **state)
{
	(void)state;
	TALK(HANDSHAKE, { A, SHUTDOWN, 34, 0, 0, YES, CLOSES }, { A, INIT, 0, 55, 0, YES, CLOSES },
	     { B, INIT_ACK, 55, 66, 0, YES, CLOSES }, { A, COOKIE_ECHO, 66, 0, 0, YES, OPEN },
	     { A, SHUTDOWN, 66, 0, 0, YES, CLOSES },
	     { A, COOKIE_ECHO, 66, 0, 0, YES, CLOSES }); /* seen twice */
}

static void forged_init_takes_nothing_from_what_stands(void **state)
{
	struct conn_tcp flow =
		TALK(HANDSHAKE, { A, INIT, 0, 77, 0, YES, OPEN },
		     { B, INIT_ACK, 77, 88, 0, YES, OPEN }, /* so its receiver does */
		     { B, ABORT, 77, 0, 0, YES, OPEN }, { A, COOKIE_ECHO, 89, 0, 0, INVALID, OPEN },
		     { A, ABORT, 88, 0, 0, INVALID, OPEN }, { A, DATA, 34, 0, 0, YES, OPEN },
		     { B, DATA, 17, 0, 0, YES, OPEN });

	(void)state;
	assert_int_equal(flow.side[0].tag, 17);
	assert_int_equal(flow.side[1].tag, 34);
}

static void forged_init_does_not_change_what_was_offered(void **state)
{
	(void)state;
	TALK(HANDSHAKE, { A, INIT, 0, 55, 0, YES, OPEN }, { B, INIT_ACK, 55, 66, 0, YES, OPEN },
	     { A, INIT, 0, 77, 0, YES, OPEN }, { A, COOKIE_ECHO, 66, 0, 0, YES, OPEN },
	     { B, COOKIE_ACK, 55, 0, 0, YES, OPEN });
}

static void either_answer_to_an_init_sent_twice_may_be_taken(void **state)
{
	static const uint32_t taken[] = { 34, 35 };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { A, INIT, 0, 17, 0, NEW, OPENING },
		     { B, INIT_ACK, 17, 34, 0, YES, RECEIVED },
		     { B, INIT_ACK, 17, 35, 0, YES, RECEIVED },
		     { A, COOKIE_ECHO, taken[i], 0, 0, YES, OPEN },
		     { A, DATA, taken[i], 0, 0, YES, OPEN },
		     { A, DATA, taken[!i], 0, 0, INVALID, OPEN });
}

static void offer_is_of_the_init_that_it_answers(void **state)
{
	struct conn_tcp flow =
		TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { A, INIT, 0, 18, 0, NEW, OPENING },
		     { B, INIT_ACK, 19, 34, 0, INVALID, OPENING },
		     { B, INIT_ACK, 18, 34, 0, YES, RECEIVED },
		     { A, COOKIE_ECHO, 34, 0, 0, YES, OPEN }, { B, DATA, 18, 0, 0, YES, OPEN },
		     { B, DATA, 17, 0, 0, INVALID, OPEN });

	(void)state;
	assert_int_equal(flow.side[0].tag, 18);
	/* Its receiver gives up (RFC 9260, 3.3.3). */
	flow = TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { B, INIT_ACK, 17, 0, 0, YES, RECEIVED },
		    { A, COOKIE_ECHO, 0, 0, 0, INVALID, RECEIVED });
	assert_int_equal(flow.side[1].tag | flow.side[0].next | flow.side[1].next, 0);
}

static void both_may_begin_at_once(void **state)
{
	struct conn_tcp flow =
		TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { B, INIT, 0, 34, 0, YES, RECEIVED },
		     { A, INIT_ACK, 34, 17, 0, YES, RECEIVED },
		     { B, COOKIE_ECHO, 17, 0, 0, YES, OPEN },
		     { A, COOKIE_ACK, 34, 0, 0, YES, OPEN },
		     { B, INIT_ACK, 77, 34, 0, INVALID, OPEN }, { A, DATA, 34, 0, 0, YES, OPEN });

	(void)state;
	assert_true(conntrack_is_proven(PROTO_SCTP, flow.marks));
}

static void shutdown_ack_of_before_is_none_of_what_begins(void **state)
{
	(void)state;
	TALK({ A, INIT, 0, 17, 0, NEW, OPENING }, { B, SHUTDOWN_ACK, 99, 0, 0, YES, OPENING },
	     { B, INIT_ACK, 17, 34, 0, YES, RECEIVED }, { A, COOKIE_ECHO, 34, 0, 0, YES, OPEN },
	     { B, SHUTDOWN_ACK, 99, 0, 0, INVALID, OPEN });
}

static void association_that_was_picked_up_learns_its_tags_when_it_begins_anew(void **state)
{
	struct conn_tcp flow =
		TALK({ A, DATA, 5, 0, 0, NEW, OPENING }, { B, SACK, 6, 0, 0, YES, OPEN },
		     { A, DATA, 7, 0, 0, YES, OPEN }, /* whatever */
		     { B, INIT_ACK, 8, 9, 0, YES, OPEN }, { A, COOKIE_ECHO, 9, 0, 0, YES, OPEN },
		     { A, INIT, 0, 77, 0, YES, OPEN }, { B, DATA, 6, 0, 0, YES, OPEN });

	(void)state;
	assert_int_equal(flow.side[0].tag | flow.side[1].tag, 0);
	flow = TALK({ A, DATA, 5, 0, 0, NEW, OPENING }, { B, SACK, 6, 0, 0, YES, OPEN },
		    { A, INIT, 0, 55, 0, YES, OPEN }, { B, INIT_ACK, 55, 66, 0, YES, OPEN },
		    { A, DATA, 5, 0, 0, YES, OPEN }, { A, COOKIE_ECHO, 66, 0, 0, YES, OPEN },
		    { A, DATA, 5, 0, 0, INVALID, OPEN }, { A, DATA, 66, 0, 0, YES, OPEN },
		    { B, ABORT, 6, 0, 0, INVALID, OPEN });
	assert_false(flow.marks & CONNTRACK_PICKED_UP);
}

/* As nf_conntrack told it: the initiator's INIT was seen, or the whole handshake. */
static void tags_that_were_told_are_checked(void **state)
{
	struct conn_tcp flow = {
		.marks = CONNTRACK_PICKED_UP | CONNTRACK_SYN,
		.side[0].tag = 17,
	};
	static const struct line lines[] = { { B, INIT_ACK, 18, 34, 0, INVALID, OPENING },
					     { B, INIT_ACK, 17, 34, 0, YES, RECEIVED },
					     { A, COOKIE_ECHO, 33, 0, 0, INVALID, RECEIVED },
					     { A, COOKIE_ECHO, 34, 0, 0, YES, OPEN } };

	(void)state;
	talk_on(flow, lines, 4, &checking);
}

/* A program that kept no tags may have followed it before this one. */
static void association_that_stands_without_tags_is_not_cut(void **state)
{
	struct conn_tcp flow = { .marks = CONNTRACK_ANSWERED |
					  (CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH };
	static const struct line lines[] = { { A, DATA, 5, 0, 0, YES, OPEN },
					     { B, SACK, 6, 0, 0, YES, OPEN },
					     { B, SHUTDOWN, 6, 0, 0, YES, CLOSES } };

	(void)state;
	talk_on(flow, lines, 3, &checking);
}

static void wrong_tags_pass_and_end_nothing_where_they_are_not_checked(void **state)
{
	static const struct conn_tcp_options *const options[] = { &trusting, &one_way };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		TALK_BY(options[i], HANDSHAKE, { B, ABORT, 18, 0, 0, YES, OPEN },
			{ A, SHUTDOWN, 18, 0, 0, YES, OPEN }, { A, COMPLETE, 18, 0, 0, YES, OPEN },
			{ A, INIT, 9, 0, 0, YES, OPEN }, { B, ABORT, 17, 0, 0, YES, RESET });
}

static void one_direction_alone_goes_by_what_it_shows(void **state)
{
	(void)state;
	TALK_BY(&one_way, { A, INIT, 0, 17, 0, NEW, OPENING },
		{ A, COOKIE_ECHO, 34, 0, 0, NEW, OPENING }, { A, ABORT, 34, 0, 0, NEW, RESET });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(association_opens_speaks_and_closes),
		cmocka_unit_test(cookie_of_the_right_tag_shakes_hands_and_no_other),
		cmocka_unit_test(first_packet_is_an_init_without_a_tag_that_gives_one),
		cmocka_unit_test(packet_with_a_wrong_tag_is_invalid),
		cmocka_unit_test(abort_and_complete_may_reflect_the_tag_of_what_they_answer),
		cmocka_unit_test(abort_refuses_an_init_by_its_tag),
		cmocka_unit_test(association_begins_anew_by_a_cookie_of_what_was_offered),
		cmocka_unit_test(association_that_begins_anew_has_closed_nothing),
		cmocka_unit_test(forged_init_takes_nothing_from_what_stands),
		cmocka_unit_test(forged_init_does_not_change_what_was_offered),
		cmocka_unit_test(either_answer_to_an_init_sent_twice_may_be_taken),
		cmocka_unit_test(offer_is_of_the_init_that_it_answers),
		cmocka_unit_test(both_may_begin_at_once),
		cmocka_unit_test(shutdown_ack_of_before_is_none_of_what_begins),
		cmocka_unit_test(
			association_that_was_picked_up_learns_its_tags_when_it_begins_anew),
		cmocka_unit_test(tags_that_were_told_are_checked),
		cmocka_unit_test(association_that_stands_without_tags_is_not_cut),
		cmocka_unit_test(wrong_tags_pass_and_end_nothing_where_they_are_not_checked),
		cmocka_unit_test(one_direction_alone_goes_by_what_it_shows),
	};

	return cmocka_run_group_tests_name("conntrack-sctp", tests, NULL, NULL);
}
