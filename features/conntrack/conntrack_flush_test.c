/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that are forgotten while packets change them: what a packet does meanwhile is written into
 * the word by hand, after the copy was made that the filter saw. */
#include <arpa/inet.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_fake_table.h"
#include "features/conntrack/conntrack_flush.h"

#define SEED 0x5eed5eed5eed5eedULL
#define NOW 1000u
#define TURN_OF(word) ((word) & ~CONNTRACK_MARKS)

struct fixture {
	struct conntrack_table table;
	struct conntrack_flow copy;
	uint32_t index;
};

static int note(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct fixture *fixture = arg;

	fixture->copy = *flow;
	fixture->index = index;
	return 0;
}

/* A TCP flow whose SYN was seen, as a walk has found it. */
static struct fixture fixture_new(void)
{
	struct fixture fixture = { .table = table_new(CONNTRACK_TABLE_HALF, 4) };
	struct conntrack_flow flow = {
		.key = { .proto = CONNTRACK_TCP, .family = 4, .port = { htons(1024), htons(80) } },
		.word = CONNTRACK_SYN,
		.expires_ticks = NOW + 100,
		.born = NOW,
	};

	assert_int_equal(conntrack_table_add(&fixture.table, &flow, SEED, NOW), 0);
	conntrack_table_each(&fixture.table, NOW, note, &fixture);
	return fixture;
}

/* Whether it is forgotten once a packet has made its word another one. */
static bool is_flushed(struct fixture *fixture, uint32_t word, const char *text)
{
	_cleanup_filter_ struct weir_filter *filter = NULL;
	struct conntrack_past past = { .count = 1 };
	struct conntrack_view view = {
		.flow = &fixture->copy,
		.table = fixture->table.kind,
		.now = NOW,
		.past = &past,
	};

	assert_int_equal(weir_filter_new(text, conntrack_filter_fields, NULL, &filter), 0);
	fixture->table.flows[fixture->index].word = word;
	bool is = conntrack_flush(&fixture->table, fixture->index, &view, filter);

	assert_int_equal(fixture->table.flows[fixture->index].word,
			 is ? conntrack_word_next(word) : word);
	assert_int_equal(conntrack_table_count(&fixture->table, NOW),
			 is || !(word & CONNTRACK_LIVE) ? 0 : 1);
	table_free(&fixture->table);
	return is;
}

static void flow_that_a_packet_changes_meanwhile_is_forgotten(void **state)
{
	struct fixture fixture = fixture_new();

	(void)state;
	assert_true(is_flushed(&fixture,
			       fixture.copy.word | CONNTRACK_SYN << 1 | CONNTRACK_ANSWERED,
			       "proto=tcp"));
}

static void flow_that_passes_the_filter_no_more_stays(void **state)
{
	struct fixture fixture = fixture_new();

	(void)state;
	assert_false(is_flushed(&fixture, fixture.copy.word | CONNTRACK_RESET, "state=syn_sent"));
}

static void flow_that_is_in_its_place_by_now_stays(void **state)
{
	struct fixture fixture = fixture_new();

	(void)state;
	assert_false(is_flushed(&fixture,
				TURN_OF(fixture.copy.word) + CONNTRACK_TURN + CONNTRACK_LIVE,
				"proto=tcp"));
}

static void flow_that_is_gone_or_under_way_is_left(void **state)
{
	struct fixture gone = fixture_new(), moving = fixture_new();

	(void)state;
	assert_false(is_flushed(&gone, conntrack_word_next(gone.copy.word), "proto=tcp"));
	assert_false(is_flushed(&moving, moving.copy.word | CONNTRACK_MOVING, "proto=tcp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_that_a_packet_changes_meanwhile_is_forgotten),
		cmocka_unit_test(flow_that_passes_the_filter_no_more_stays),
		cmocka_unit_test(flow_that_is_in_its_place_by_now_stays),
		cmocka_unit_test(flow_that_is_gone_or_under_way_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
