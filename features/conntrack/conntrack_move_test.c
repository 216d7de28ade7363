/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of another size: what has room in them, and what comes over while flows go on to begin. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "features/conntrack/conntrack_fake_table.h"
#include "features/conntrack/conntrack_state.h"

#define OPEN ((CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH | CONNTRACK_ANSWERED)

struct fixture {
	struct conntrack state;
	struct conntrack_section section;
	struct weir_config config;
	struct weir_diag diag;
};

/* From a table for so many flows into another. */
static struct fixture *fixture_new(uint32_t from, uint32_t to)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->state.is_on = true;
	fixture->state.seed = 0x5eed5eed5eed5eedULL;
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		bool is_proven = i == CONNTRACK_TABLE_PROVEN;

		fixture->state.old[i] = table_new(i, conntrack_sets(is_proven ? from : 100));
		fixture->state.tables[i] = table_new(i, conntrack_sets(is_proven ? to : 100));
	}
	fixture->section = (struct conntrack_section){ .capacity = to, .half_open = 100 };
	fixture->config.sections[weir_feature_index(&weir_conntrack)] = &fixture->section;
	return fixture;
}

static void fixture_free(struct fixture *fixture)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		table_free(&fixture->state.tables[i]);
		table_free(&fixture->state.old[i]);
	}
	weir_diag_done(&fixture->diag);
	free(fixture);
}

/* Established connections from ports [first, end) into the table of before. */
static void begin(struct fixture *fixture, uint16_t first, uint16_t end)
{
	for (uint16_t port = first; port < end; port++) {
		struct conntrack_flow flow = {
			.key = { .proto = CONNTRACK_TCP, .family = 4, .port = { htons(port), 80 } },
			.word = OPEN,
			.expires_ticks = conntrack_now() + 60000,
			.born = conntrack_now(),
		};

		assert_int_equal(conntrack_table_add(&fixture->state.old[CONNTRACK_TABLE_PROVEN],
						     &flow, fixture->state.seed, conntrack_now()),
				 0);
	}
}

static int fits(struct fixture *fixture, bool drops)
{
	return conntrack_fits(&fixture->state, &fixture->config, drops, &fixture->diag);
}

static void settles(struct fixture *fixture, uint64_t moved, uint64_t dropped)
{
	struct weir_settling settling = {};

	conntrack_settle(&fixture->state, &settling);
	assert_int_equal(settling.moved, moved);
	assert_int_equal(settling.dropped, dropped);
}

static void flows_that_begin_after_a_shrink_was_accepted_come_over_too(void **state)
{
	struct fixture *fixture = fixture_new(200, 100);

	(void)state;
	begin(fixture, 1, 101);
	assert_int_equal(fits(fixture, false), 0);
	begin(fixture, 101, 111);
	settles(fixture, 110, 0);
	fixture_free(fixture);
}

static void table_that_grows_takes_what_it_has_places_for(void **state)
{
	struct fixture *fixture = fixture_new(100, 110);

	(void)state;
	begin(fixture, 1, 125);
	assert_int_equal(fits(fixture, false), 0);
	settles(fixture, 124, 0);
	fixture_free(fixture);
}

static void shrink_below_what_is_stored_is_refused_also_where_there_are_places(void **state)
{
	struct fixture *fixture = fixture_new(200, 100);

	(void)state;
	begin(fixture, 1, 102);
	assert_int_equal(fits(fixture, false), -ENOSPC);
	fixture_free(fixture);
}

static void shrink_that_may_drop_keeps_as_many_as_were_promised(void **state)
{
	struct fixture *fixture = fixture_new(200, 100);

	(void)state;
	begin(fixture, 1, 121);
	assert_int_equal(fits(fixture, true), 0);
	settles(fixture, 100, 20);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_that_begin_after_a_shrink_was_accepted_come_over_too),
		cmocka_unit_test(table_that_grows_takes_what_it_has_places_for),
		cmocka_unit_test(
			shrink_below_what_is_stored_is_refused_also_where_there_are_places),
		cmocka_unit_test(shrink_that_may_drop_keeps_as_many_as_were_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
