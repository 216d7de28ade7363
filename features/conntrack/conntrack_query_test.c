/* SPDX-License-Identifier: Apache-2.0 */
/* What a look at all flows meets, and what it reads of them: as they were drawn. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_fake_table.h"
#include "features/conntrack/conntrack_query.h"
#include "features/conntrack/conntrack_top.h"
#include "tests/unit/drawn.h"

#define SETS 600u
#define DRAWN 3000u
#define HOSTS 97u
#define SEED 42u
#define TICKS_A_SECOND 60u

/* A flow as it was drawn, from whom it began. */
struct drawn {
	bool is_half, is_over, is_tcp, is_v4, is_counted;
	uint32_t src, dst, age_ticks;
	uint64_t packets[2], bytes[2];
};

struct fixture {
	struct conntrack state;
	struct drawn drawn[DRAWN];
	struct weir_call *call;
};

static struct weir_addr host(uint32_t number, bool is_v4)
{
	struct weir_addr addr = {};

	addr.be32[0] = is_v4 ? 0 : htonl(0x20010db8);
	addr.be32[2] = is_v4 ? htonl(0xffff) : 0;
	addr.be32[3] = htonl(is_v4 ? 0x0a000000 + number : number);
	return addr;
}

static struct drawn flow_draw(void)
{
	return (struct drawn){
		.is_half = draw() % 4 == 0,
		.is_over = draw() % 5 == 0,
		.is_tcp = draw() % 2,
		.is_v4 = draw() % 3,
		.is_counted = draw() % 8,
		.src = (uint32_t)(draw() % HOSTS),
		.dst = (uint32_t)(draw() % HOSTS),
		/* Below 403 s or above 604: none comes to the 500 that are asked for. */
		.age_ticks = (uint32_t)(draw() % (400 * TICKS_A_SECOND) +
					draw() % 2 * 600 * TICKS_A_SECOND),
		.packets = { draw() % 1000, draw() % 1000 },
		.bytes = { draw() % 1000000, draw() % 1000000 },
	};
}

/* Its ends in no order: which began it is a mark. Its numbers, or those of the flow before it. */
static void flow_place(struct fixture *fixture, const struct drawn *drawn, uint16_t number)
{
	struct conntrack_table *table = &fixture->state.tables[drawn->is_half];
	uint32_t now = conntrack_now();
	unsigned src = number & 1;
	struct conntrack_flow flow = {
		.key = { .port = { htons(number), htons(80) },
			 .proto = drawn->is_tcp ? CONNTRACK_TCP : CONNTRACK_UDP,
			 .family = drawn->is_v4 ? 4 : 6 },
		.word = CONNTRACK_LIVE | CONNTRACK_SYN | (src ? CONNTRACK_SECOND : 0),
		.expires_ticks = now + (drawn->is_over ? -100 : 100000),
		.born = now - drawn->age_ticks,
	};
	struct conntrack_place place;

	flow.key.addr[src] = host(drawn->src, drawn->is_v4);
	flow.key.addr[!src] = host(drawn->dst, drawn->is_v4);
	assert_int_equal(conntrack_table_put(table, &flow, SEED, now, &place), 0);

	uint64_t turn =
		conntrack_sum_turn(drawn->is_counted ? place.word : place.word + CONNTRACK_TURN);
	__u64 *words = table->sums[CONNTRACK_SUM_ROW(place.index)].words;

	for (int side = 0; side < 2; side++) {
		words[CONNTRACK_SUM_PACKETS + side] = turn | drawn->packets[side];
		words[CONNTRACK_SUM_BYTES + side] = turn | drawn->bytes[side];
	}
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		struct conntrack_table *table = &fixture->state.tables[i];

		*table = table_new((enum conntrack_table_kind)i, SETS);
		table->sums = calloc(SETS * CONNTRACK_WAYS + 1, sizeof(*table->sums));
		table->ended = calloc(1, sizeof(*table->ended));
		assert_true(table->sums && table->ended);
	}
	for (uint32_t i = 0; i < DRAWN; i++) {
		fixture->drawn[i] = flow_draw();
		flow_place(fixture, &fixture->drawn[i], (uint16_t)(i + 1000));
	}
	fixture->call = weir_call_new(weir_op_find("flow.count"));
	assert_non_null(fixture->call);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		free(fixture->state.tables[i].sums);
		free(fixture->state.tables[i].ended);
		table_free(&fixture->state.tables[i]);
	}
	weir_call_free(fixture->call);
	free(fixture);
	return 0;
}

static void filter_set(struct fixture *fixture, const char *filter)
{
	_cleanup_buf_ struct weir_buf args = { 0 };

	weir_buf_addf(&args, "{\"filter\":\"%s\"}", filter);
	weir_json_free(fixture->call->args);
	assert_int_equal(weir_json_parse(weir_buf_str(&args), args.len, NULL, NULL,
					 &fixture->call->args),
			 0);
}

static bool passes_all(const struct drawn *drawn)
{
	return true;
}

static uint64_t bytes_of(const struct drawn *drawn)
{
	return drawn->is_counted ? drawn->bytes[0] + drawn->bytes[1] : 0;
}

static bool passes_bytes(const struct drawn *drawn)
{
	return bytes_of(drawn) > 900000;
}

static bool passes_host(const struct drawn *drawn)
{
	return drawn->is_v4 && (drawn->src == 7 || drawn->dst == 7);
}

static bool passes_age(const struct drawn *drawn)
{
	return drawn->age_ticks > 500 * TICKS_A_SECOND;
}

static bool passes_three(const struct drawn *drawn)
{
	return drawn->is_tcp && (passes_age(drawn) || passes_bytes(drawn));
}

struct sums {
	uint64_t flows, half, packets, bytes;
};

static int sums_each(struct conntrack_query *query, uint32_t index)
{
	struct sums *sums = query->arg;

	sums->flows++;
	sums->half += query->view.table == CONNTRACK_TABLE_HALF;
	sums->packets += query->view.carried.packets[0] + query->view.carried.packets[1];
	sums->bytes += query->view.carried.bytes[0] + query->view.carried.bytes[1];
	return 0;
}

static struct sums sums_drawn(const struct fixture *fixture, bool (*passes)(const struct drawn *))
{
	struct sums sums = {};

	for (uint32_t i = 0; i < DRAWN; i++) {
		const struct drawn *drawn = &fixture->drawn[i];

		if (drawn->is_over || !passes(drawn))
			continue;
		sums.flows++;
		sums.half += drawn->is_half;
		sums.packets += drawn->is_counted ? drawn->packets[0] + drawn->packets[1] : 0;
		sums.bytes += bytes_of(drawn);
	}
	return sums;
}

static void each_flow_that_passes_is_met_once(void **state)
{
	static const struct {
		const char *filter;
		bool (*passes)(const struct drawn *drawn);
	} filters[] = {
		{ "", passes_all },
		{ "bytes>900000", passes_bytes },
		{ "host=10.0.0.7", passes_host },
		{ "age>500s", passes_age },
		{ "proto=tcp and (age>500s or bytes>900000)", passes_three },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(filters); i++) {
		struct sums sums = {}, expected = sums_drawn(fixture, filters[i].passes);
		struct conntrack_query query = { .state = &fixture->state,
						 .lines = CONNTRACK_QUERY_SUM,
						 .each = sums_each,
						 .arg = &sums };

		filter_set(fixture, filters[i].filter);
		assert_int_equal(conntrack_query_run(&query, fixture->call), 0);
		assert_true(expected.flows > 0);
		assert_int_equal(query.total, expected.flows);
		assert_memory_equal(&sums, &expected, sizeof(sums));
	}
}

static int groups_each(struct conntrack_query *query, uint32_t index)
{
	return conntrack_groups_add(query->arg, &query->view);
}

/* By host, as whoever reads the list of what was drawn would count with a pencil. */
static void group_expected(const struct fixture *fixture, const struct weir_addr *addr,
			   struct conntrack_totals *ret_totals)
{
	*ret_totals = (struct conntrack_totals){};
	for (uint32_t i = 0; i < DRAWN; i++) {
		const struct drawn *drawn = &fixture->drawn[i];
		struct weir_addr src = host(drawn->src, drawn->is_v4),
				 dst = host(drawn->dst, drawn->is_v4);
		bool is_src = memcmp(&src, addr, sizeof(src)) == 0;

		if (drawn->is_over || (!is_src && memcmp(&dst, addr, sizeof(dst)) != 0))
			continue;
		ret_totals->flows++;
		for (int side = 0; side < 2 && drawn->is_counted; side++) {
			ret_totals->packets[side] += drawn->packets[is_src ? side : !side];
			ret_totals->bytes[side] += drawn->bytes[is_src ? side : !side];
		}
	}
}

static void hosts_have_what_their_flows_carried(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_HOST,
							    .length = { 32, 128 } };
	struct conntrack_query query = { .state = &fixture->state,
					 .lines = CONNTRACK_QUERY_SUM,
					 .each = groups_each,
					 .arg = &groups };

	filter_set(fixture, "");
	assert_int_equal(conntrack_query_run(&query, fixture->call), 0);
	assert_int_equal(conntrack_groups_rank(&groups, CONNTRACK_BY_PACKETS, 50), 0);
	assert_int_equal(conntrack_groups_count(&groups), 2 * HOSTS); /* 12 flows and more each */
	assert_int_equal(groups.rank.count, 50);
	for (size_t i = 0; i < 50; i++) {
		struct conntrack_group group = conntrack_groups_at(&groups, i);
		struct conntrack_totals expected;

		group_expected(fixture, &group.key.addr, &expected);
		assert_memory_equal(&group.totals, &expected, sizeof(expected));
	}
}

static int whole_each(struct conntrack_query *query, uint32_t index)
{
	struct fixture *fixture = query->arg;
	uint32_t number = ntohs(query->flow.key.port[0]) - 1000u;

	query->flow.born = 0;
	assert_false(query->view.is_counted);
	if (query->total == 1) { /* gone, and its place is another's */
		query->table->flows[index].word += CONNTRACK_TURN;
		assert_false(conntrack_query_whole(query, index));
		query->table->flows[index].word -= CONNTRACK_TURN;
	}
	assert_true(conntrack_query_whole(query, index));

	uint32_t age = query->view.now - query->flow.born;
	const struct drawn *drawn = &fixture->drawn[number];

	assert_true(query->view.is_counted);
	assert_int_equal(query->view.carried.bytes[0] + query->view.carried.bytes[1],
			 bytes_of(drawn));

	assert_in_range(age, drawn->age_ticks, drawn->age_ticks + 600);
	return 0;
}

static void all_is_of_the_flow_at_hand(void **state)
{
	struct fixture *fixture = *state;
	struct conntrack_query query = { .state = &fixture->state,
					 .each = whole_each,
					 .arg = fixture };

	filter_set(fixture, "");
	assert_int_equal(conntrack_query_run(&query, fixture->call), 0);
	assert_int_equal(query.total, sums_drawn(fixture, passes_all).flows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_flow_that_passes_is_met_once, setup, teardown),
		cmocka_unit_test_setup_teardown(hosts_have_what_their_flows_carried, setup,
						teardown),
		cmocka_unit_test_setup_teardown(all_is_of_the_flow_at_hand, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
