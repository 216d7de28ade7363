/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells of a connection, once or again, and what becomes of it in the tables. What
 * packets do meanwhile is written into the words by hand. */
#include <arpa/inet.h>
#include <string.h>

#include "base/addr.h"
#include "core/kernel_flows.h"
#include "features/conntrack/conntrack_fake_table.h"
#include "features/conntrack/conntrack_state.h"

#define SETS 64
#define OPEN ((CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH)

struct fixture {
	struct conntrack state;
	struct conntrack_section section;
	struct weir_config config;
};

static struct fixture *fixture_new(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->state.seed = 0x5eed5eed5eed5eedULL;
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		fixture->state.tables[i] = table_new((enum conntrack_table_kind)i, SETS);
	for (int i = 0; i < CONNTRACK_STATE_COUNT; i++)
		fixture->section.timeouts.of_state[i].value = 60000000000;
	fixture->config.sections[weir_feature_index(&weir_conntrack)] = &fixture->section;
	return fixture;
}

static void fixture_free(struct fixture *fixture)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		table_free(&fixture->state.tables[i]);
	free(fixture);
}

/* 10.0.0.7:40000 to 192.0.2.1:443. */
static struct weir_kernel_flow told(enum weir_kernel_flow_stage stage, bool answered)
{
	struct weir_kernel_flow flow = {
		.initiator_port = htons(40000),
		.responder_port = htons(443),
		.proto = CONNTRACK_TCP,
		.stage = stage,
		.answered = answered,
		.assured = stage == WEIR_KERNEL_FLOW_ESTABLISHED,
	};

	weir_addr_from_string("10.0.0.7", 8, &flow.initiator);
	weir_addr_from_string("192.0.2.1", 9, &flow.responder);
	return flow;
}

static void hand_over(struct fixture *fixture, const struct weir_kernel_flow *flow)
{
	uint64_t before = fixture->state.adopted;
	int r = conntrack_adopt(&fixture->state, &fixture->config, flow, WEIR_ADOPTED_GRANTED);

	assert_int_equal(r, fixture->state.adopted - before);
}

static void adopt(struct fixture *fixture, enum weir_kernel_flow_stage stage, bool answered)
{
	struct weir_kernel_flow flow = told(stage, answered);

	hand_over(fixture, &flow);
}

static int first_take(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	*(struct conntrack_flow **)arg = (struct conntrack_flow *)flow;
	return (int)index + 1;
}

/* The only flow of a table, in its place; NULL: there is none. */
static struct conntrack_flow *only(struct fixture *fixture, enum conntrack_table_kind kind)
{
	struct conntrack_table *table = &fixture->state.tables[kind];
	struct conntrack_flow *copy;
	int at = conntrack_table_each(table, conntrack_now(), first_take, &copy);

	assert_in_range(conntrack_table_count(table, conntrack_now()), 0, 1);
	return at ? &table->flows[at - 1] : NULL;
}

static void connection_told_twice_is_one(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	for (int i = 0; i < 2; i++) {
		adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
		assert_non_null(only(fixture, CONNTRACK_TABLE_PROVEN));
		assert_null(only(fixture, CONNTRACK_TABLE_HALF));
		assert_int_equal(fixture->state.adopted, 1);
	}
	fixture_free(fixture);
}

static void connection_read_half_open_is_proven_when_told_so(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	adopt(fixture, WEIR_KERNEL_FLOW_OPENING, false);
	assert_int_equal(only(fixture, CONNTRACK_TABLE_HALF)->word & CONNTRACK_TCP_MARKS,
			 CONNTRACK_SYN);
	adopt(fixture, WEIR_KERNEL_FLOW_OPENING, true);
	assert_int_equal(only(fixture, CONNTRACK_TABLE_HALF)->word & CONNTRACK_TCP_MARKS,
			 CONNTRACK_SYN * CONNTRACK_BOTH | CONNTRACK_SYN_ACKED);
	adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
	assert_null(only(fixture, CONNTRACK_TABLE_HALF));
	struct conntrack_flow *flow = only(fixture, CONNTRACK_TABLE_PROVEN);

	assert_non_null(flow);
	assert_int_equal(flow->word & CONNTRACK_TCP_MARKS, OPEN);
	assert_true(flow->word & CONNTRACK_GRANTED);
	assert_int_equal(fixture->state.adopted, 1);
	fixture_free(fixture);
}

static void what_packets_have_shown_of_it_stays(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	adopt(fixture, WEIR_KERNEL_FLOW_OPENING, true);
	struct conntrack_flow *half = only(fixture, CONNTRACK_TABLE_HALF);

	half->word |= CONNTRACK_FIN;
	half->mark = 7;
	half->side[0].end = 0x90000000;
	adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
	const struct conntrack_flow *flow = only(fixture, CONNTRACK_TABLE_PROVEN);

	assert_non_null(flow);
	assert_int_equal(flow->word & CONNTRACK_TCP_MARKS, OPEN | CONNTRACK_FIN);
	assert_int_equal(flow->mark, 7);
	assert_int_equal(flow->side[0].end, 0x90000000);
	fixture_free(fixture);
}

static void adopt_sctp(struct fixture *fixture, enum weir_kernel_flow_stage stage,
		       uint32_t initiator, uint32_t responder)
{
	struct weir_kernel_flow flow = told(stage, responder);

	flow.proto = CONNTRACK_SCTP;
	flow.initiator_tag = initiator;
	flow.responder_tag = responder;
	hand_over(fixture, &flow);
}

static void association_keeps_its_tags(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	adopt_sctp(fixture, WEIR_KERNEL_FLOW_OPENING, 17, 0);
	struct conntrack_flow *half = only(fixture, CONNTRACK_TABLE_HALF);

	assert_int_equal(half->side[0].tag, 17);
	half->side[0].asked = 17; /* the INIT was seen again */
	adopt_sctp(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, 18, 34);
	const struct conntrack_flow *flow = only(fixture, CONNTRACK_TABLE_PROVEN);

	assert_non_null(flow);
	assert_int_equal(flow->side[0].tag, 17);
	assert_int_equal(flow->side[0].asked, 17);
	assert_int_equal(flow->side[1].tag, 34);
	fixture_free(fixture);
}

/* The half-open flow with these marks set and taken is as it was after the kernel tells more. */
static void stays_with(uint32_t set, uint32_t taken)
{
	struct fixture *fixture = fixture_new();

	adopt(fixture, WEIR_KERNEL_FLOW_OPENING, true);
	struct conntrack_flow *half = only(fixture, CONNTRACK_TABLE_HALF);

	half->word = (half->word | set) & ~taken;
	uint32_t word = half->word;

	adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
	assert_null(only(fixture, CONNTRACK_TABLE_PROVEN));
	assert_int_equal(half->word, word);
	fixture_free(fixture);
}

static void flow_of_packets_is_left_to_them(void **state)
{
	(void)state;
	stays_with(0, CONNTRACK_PICKED_UP | CONNTRACK_GRANTED); /* a SYN that a rule let in */
	stays_with(0, CONNTRACK_PICKED_UP);			/* … or that a helper expected */
	stays_with(0, CONNTRACK_GRANTED);			/* picked up */
	stays_with(CONNTRACK_RESET, 0);
	stays_with(CONNTRACK_MOVING, 0); /* a packet proves it right now */
}

/* The SYN was seen by one hook, its answer by none: that hook was not attached yet. */
static void flow_whose_answer_nobody_saw_is_told_of_it(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	adopt(fixture, WEIR_KERNEL_FLOW_OPENING, false);
	struct conntrack_flow *half = only(fixture, CONNTRACK_TABLE_HALF);

	half->word &= ~(CONNTRACK_PICKED_UP | CONNTRACK_GRANTED);
	half->mark = 7;
	adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
	const struct conntrack_flow *flow = only(fixture, CONNTRACK_TABLE_PROVEN);

	assert_null(only(fixture, CONNTRACK_TABLE_HALF));
	assert_non_null(flow);
	assert_int_equal(flow->word & CONNTRACK_TCP_MARKS, OPEN);
	assert_true(flow->word & CONNTRACK_PICKED_UP); /* its numbers were not followed */
	assert_false(flow->word & CONNTRACK_GRANTED);
	assert_int_equal(flow->mark, 7);
	fixture_free(fixture);
}

static void proven_flow_keeps_what_it_has(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
	struct conntrack_flow *flow = only(fixture, CONNTRACK_TABLE_PROVEN);

	flow->word |= CONNTRACK_FIN | CONNTRACK_RESET;
	uint32_t word = flow->word, expires_ticks = --flow->expires_ticks;

	adopt(fixture, WEIR_KERNEL_FLOW_ESTABLISHED, true);
	assert_int_equal(flow->word, word);
	assert_int_equal(flow->expires_ticks, expires_ticks);
	assert_int_equal(fixture->state.adopted, 1);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_told_twice_is_one),
		cmocka_unit_test(connection_read_half_open_is_proven_when_told_so),
		cmocka_unit_test(what_packets_have_shown_of_it_stays),
		cmocka_unit_test(association_keeps_its_tags),
		cmocka_unit_test(flow_of_packets_is_left_to_them),
		cmocka_unit_test(flow_whose_answer_nobody_saw_is_told_of_it),
		cmocka_unit_test(proven_flow_keeps_what_it_has),
	};

	return cmocka_run_group_tests_name("conntrack-adopt", tests, NULL, NULL);
}
