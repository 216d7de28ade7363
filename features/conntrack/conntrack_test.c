/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy that goes live does to the flows there are. */
#include "features/conntrack/conntrack_fake_table.h"
#include "features/conntrack/conntrack_state.h"

struct fixture {
	struct conntrack state;
	struct conntrack_section section;
	struct weir_config config;
	struct conntrack_flow *flows[CONNTRACK_TABLES]; /* one in each table */
};

static void flow_add(struct fixture *fixture, int kind)
{
	struct conntrack_table *table = &fixture->state.tables[kind];
	struct conntrack_flow flow = {
		.key = { .proto = CONNTRACK_TCP, .family = 4, .port = { 1, 2 } },
		.word = CONNTRACK_SYN,
		.expires_ticks = conntrack_now() + 60000,
		.born = conntrack_now(),
	};
	uint32_t index;

	assert_int_equal(conntrack_table_add(table, &flow, 1, conntrack_now()), 0);
	assert_true(conntrack_table_find(table, &flow.key, 1, conntrack_now(), &flow, &index));
	fixture->flows[kind] = &table->flows[index];
}

static struct fixture *fixture_new(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->state.is_on = true;
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		fixture->state.tables[i] = table_new((enum conntrack_table_kind)i, 4);
		flow_add(fixture, i);
	}
	fixture->config.sections[weir_feature_index(&weir_conntrack)] = &fixture->section;
	return fixture;
}

static void fixture_free(struct fixture *fixture)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		table_free(&fixture->state.tables[i]);
	free(fixture);
}

/* Whether a policy that goes live goes through the flows of both tables to say that their numbers
 * are not followed. */
static bool walks(struct fixture *fixture, bool window_check)
{
	int lost = 0;

	for (int i = 0; i < CONNTRACK_TABLES; i++)
		fixture->flows[i]->side[0].flags = 0;
	fixture->section.window_check = window_check;
	weir_conntrack.live(&fixture->state, &fixture->config);
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		lost += !!(fixture->flows[i]->side[0].flags & CONNTRACK_SIDE_LOST);
	assert_int_equal(lost % CONNTRACK_TABLES, 0);
	return lost;
}

static void flows_are_walked_only_by_what_switches_the_window_check_off(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_false(walks(fixture, true));
	assert_true(walks(fixture, false));
	assert_false(walks(fixture, false));
	assert_false(walks(fixture, true));
	assert_true(walks(fixture, false));
	fixture_free(fixture);
}

static void start_without_the_window_check_walks_flows_it_does_not_know(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	assert_true(walks(fixture, false));
	assert_false(walks(fixture, false));
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_walked_only_by_what_switches_the_window_check_off),
		cmocka_unit_test(start_without_the_window_check_walks_flows_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
