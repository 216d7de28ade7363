/* SPDX-License-Identifier: Apache-2.0 */
/* Who is over a limit, from events that are a sample and counts that are exact. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/limit/limit_state.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

static struct limit_top top;
static uint64_t now_ns;

static struct weir_addr v4(uint32_t number)
{
	return (struct weir_addr){ .be32 = { 0, 0, htonl(0xffff), htonl(number) } };
}

static const struct limit_guests no_guests;

/* Limits of these names and keys live, and looked at with nothing over them. */
static void limits_are(const char *per, const char *first, const char *second)
{
	struct limit_text texts[2] = {
		{ .name = (char *)first, .per = (char *)per, .packets = (char *)"10/s" },
		{ .name = (char *)second, .per = (char *)per, .packets = (char *)"10/s" },
	};
	struct limit_list list = { .at = { { .text = &texts[0] }, { .text = &texts[1] } },
				   .count = second ? 2 : 1 };

	limit_top_live(&top, &list, &no_guests);
}

static int begin(void **state)
{
	memset(&top, 0, sizeof(top));
	now_ns = START;
	limits_are("source", "a", NULL);
	limit_top_look(&top, (uint64_t[LIMIT_KNOWN_MAX]){ 500, 500 }, now_ns);
	(void)state;
	return 0;
}

static void tell(unsigned limit, struct weir_addr src, unsigned times)
{
	struct weir_event event = { .time_ns = now_ns,
				    .kind = WEIR_EVENT_DROP,
				    .reason = WEIR_DROP_LIMIT,
				    .list = LIMIT_LIST | top.known[limit].row.count,
				    .src = src,
				    .dst = v4(0xc6120001),
				    .proto = 17,
				    .dport = htons(53) };

	while (times--)
		limit_top_event(&top, &event);
}

static void look(uint64_t first, uint64_t second)
{
	now_ns += SECOND;
	limit_top_look(&top, (uint64_t[LIMIT_KNOWN_MAX]){ first, second }, now_ns);
}

static const struct limit_over *entry_of(struct weir_addr addr)
{
	for (int i = 0; i < LIMIT_TOP_ENTRIES; i++)
		if (top.keys[i] && memcmp(&top.at[i].addr, &addr, sizeof(addr)) == 0)
			return &top.at[i];
	return NULL;
}

static void over_is(struct weir_addr addr, double packets, uint64_t told)
{
	const struct limit_over *over = entry_of(addr);

	assert_non_null(over);
	assert_true(over->over > packets - 0.5 && over->over < packets + 0.5);
	assert_int_equal(over->told, told);
}

static void excess_is_shared_as_events_name_it(void **state)
{
	tell(0, v4(1), 30);
	tell(0, v4(2), 10);
	look(500 + 4000, 0);
	over_is(v4(1), 3000, 30);
	over_is(v4(2), 1000, 10);
	tell(0, v4(2), 5);
	look(500 + 4000 + 50, 0);
	over_is(v4(1), 3000, 30);
	over_is(v4(2), 1050, 15);
	(void)state;
}

static void what_was_over_before_the_first_look_is_nobodys(void **state)
{
	memset(&top, 0, sizeof(top));
	limits_are("source", "a", NULL);
	tell(0, v4(1), 2);
	look(1000000, 0);
	over_is(v4(1), 2, 2);
	(void)state;
}

static void event_stands_for_one_packet_at_least(void **state)
{
	tell(0, v4(1), 3);
	look(500, 0); /* its packets are not counted yet */
	over_is(v4(1), 3, 3);
	(void)state;
}

static void packets_wait_for_their_event(void **state)
{
	look(600, 0);
	look(600, 0);
	tell(0, v4(1), 1);
	look(600, 0);
	over_is(v4(1), 100, 1);
	for (int i = 0; i < 6; i++)
		look(700, 0);
	assert_int_equal(top.known[0].untold, 100);
	tell(0, v4(1), 1);
	look(710, 0);
	over_is(v4(1), 110, 2);
	(void)state;
}

static void each_limit_has_its_own_excess(void **state)
{
	limits_are("source", "a", "b");
	look(500, 500);
	tell(0, v4(1), 1);
	tell(1, v4(2), 1);
	look(510, 520);
	over_is(v4(1), 10, 1);
	over_is(v4(2), 20, 1);
	(void)state;
}

static void entry_is_what_has_a_bucket(void **state)
{
	limits_are("source/24,/48 + service", "a", NULL);
	tell(0, v4(0x0a000102), 1);
	tell(0, v4(0x0a0001fe), 1);
	look(600, 0);
	const struct limit_over *over = entry_of(v4(0x0a000100));

	assert_non_null(over);
	assert_int_equal(over->length, 120);
	assert_true(over->has_service);
	assert_int_equal(over->proto, 17);
	assert_int_equal(over->port, 53);
	assert_int_equal(over->told, 2);
	(void)state;
}

static void other_events_are_not_looked_at(void **state)
{
	struct weir_event event = { .kind = WEIR_EVENT_DROP,
				    .reason = WEIR_DROP_LIMIT - 1,
				    .list = LIMIT_LIST | top.known[0].row.count,
				    .src = v4(1) };

	limit_top_event(&top, &event);
	event.reason = WEIR_DROP_LIMIT;
	event.list++;
	limit_top_event(&top, &event);
	assert_null(entry_of(v4(1)));
	event.kind = WEIR_EVENT_OVER;
	event.reason = WEIR_PASS;
	event.list--;
	limit_top_event(&top, &event);
	assert_non_null(entry_of(v4(1)));
	(void)state;
}

static void who_is_quiet_or_whose_limit_goes_is_forgotten(void **state)
{
	tell(0, v4(1), 1);
	look(510, 0);
	now_ns += 598 * SECOND;
	look(510, 0);
	assert_non_null(entry_of(v4(1)));
	look(510, 0);
	look(510, 0);
	assert_null(entry_of(v4(1)));
	tell(0, v4(2), 1);
	limits_are("source", "other", NULL);
	assert_null(entry_of(v4(2)));
	(void)state;
}

/* 3,000 events a second, one in ten of one source, the others of ever new ones; 300,000 packets a
 * second in truth. What is told of it is too high by no more than is said. */
static void heavy_source_is_found_among_ever_new_ones(void **state)
{
	uint32_t other = 0x10000000;
	uint64_t over = 500;

	for (int second = 0; second < 20; second++) {
		for (int i = 0; i < 300; i++) {
			tell(0, v4(1), 1);
			for (int j = 0; j < 9; j++)
				tell(0, v4(other++), 1);
		}
		look(over += 300000, 0);
	}
	const struct limit_over *heavy = entry_of(v4(1));

	assert_non_null(heavy);
	assert_true(heavy->over >= 600000 - 1);
	assert_true(heavy->over - heavy->error <= 600000 + 1);
	assert_true(heavy->error <= 20 * 300000.0 / LIMIT_TOP_ENTRIES);
	assert_true(heavy->pps > 28000 && heavy->pps < 32000);
	(void)state;
}

/* Limits that block after so many packets over them, looked at with nothing over them. */
static void blocks_after(const char *rate)
{
	struct limit_text text = {
		.name = (char *)"a",
		.per = (char *)"source",
		.packets = (char *)"10/s",
		.block_after = (char *)rate,
		.block_for = { .value = 600 * SECOND },
		.block_most = { .value = 3600 * SECOND },
	};
	struct limit_list list = { .at = { { .text = &text } }, .count = 1 };

	limit_top_live(&top, &list, &no_guests);
}

static void who_goes_on_within_the_time_offends(void **state)
{
	blocks_after("10/m");
	for (int i = 0; i < 3; i++) {
		tell(0, v4(1), 3);
		look(500 + 3 * (i + 1), 0);
		assert_false(entry_of(v4(1))->offends);
	}
	tell(0, v4(1), 1);
	look(510, 0);
	assert_true(entry_of(v4(1))->offends);
	assert_int_equal(entry_of(v4(1))->window_ns, START + SECOND);
	(void)state;
}

static void what_is_longer_ago_does_not_count(void **state)
{
	blocks_after("10/m");
	tell(0, v4(1), 9);
	look(509, 0);
	now_ns += 60 * SECOND;
	tell(0, v4(1), 9);
	look(518, 0);
	assert_false(entry_of(v4(1))->offends);
	tell(0, v4(1), 1);
	look(519, 0);
	assert_true(entry_of(v4(1))->offends);
	(void)state;
}

/* 1,000 packets a second, a hundredth of them told of: 25 events are 2,500 packets, give or take
 * 500; two such errors below is 1,500. */
static void estimate_counts_as_far_as_it_is_sure(void **state)
{
	blocks_after("1501/m");
	tell(0, v4(1), 25);
	look(500 + 2500, 0);
	assert_false(entry_of(v4(1))->offends);
	blocks_after("1500/m");
	tell(0, v4(2), 25);
	look(500 + 5000, 0);
	assert_true(entry_of(v4(2))->offends);
	tell(0, v4(3), 1);
	look(500 + 5000 + 1000000, 0);
	assert_false(entry_of(v4(3))->offends);
	(void)state;
}

static void what_comes_with_a_place_is_no_offence(void **state)
{
	blocks_after("10/m");
	for (uint32_t i = 0; i < LIMIT_TOP_ENTRIES; i++)
		tell(0, v4(100 + i), 9);
	tell(0, v4(1), 1);
	look(500 + 9 * LIMIT_TOP_ENTRIES + 1, 0);
	assert_int_equal(entry_of(v4(1))->told, 1);
	assert_true(entry_of(v4(1))->over > 9);
	assert_false(entry_of(v4(1))->offends);
	(void)state;
}

/* Beside a limit whose counter has the number of the rule: events of one are not the other's. */
static void limits_of_rules_are_known_by_their_rule(void **state)
{
	struct limit_text text = { .name = (char *)"a",
				   .per = (char *)"source",
				   .packets = (char *)"10/s" };
	struct limit_list list = { .at = { { .text = &text } }, .count = 1 };
	struct limit_guests guests = { .count = 1 };
	uint32_t row = top.known[0].row.count;
	struct weir_event event = { .time_ns = START,
				    .kind = WEIR_EVENT_DROP,
				    .reason = WEIR_DROP_RULE_LIMIT,
				    .rule = row,
				    .src = v4(5) };

	guests.at[0] =
		(struct weir_image_limit){ .name = "r", .rule = row, .row = top.known[0].row };
	guests.at[0].row.id ^= 1;
	limit_top_live(&top, &list, &guests);
	assert_int_equal(top.known_count, 2);
	limit_top_look(&top, (uint64_t[LIMIT_KNOWN_MAX]){ 500, 70 }, now_ns);
	limit_top_event(&top, &event);
	event.rule = row + 1;
	limit_top_event(&top, &event);
	tell(0, v4(6), 1);
	look(503, 75);
	over_is(v4(5), 5, 1);
	over_is(v4(6), 3, 1);
	assert_string_equal(limit_top_known(&top, entry_of(v4(5))->limit)->name, "r");
	limit_top_live(&top, &list, &no_guests);
	assert_null(entry_of(v4(5)));
	(void)state;
}

static void nobody_offends_where_it_is_not_asked_for(void **state)
{
	tell(0, v4(1), 100000);
	look(100500, 0);
	assert_false(entry_of(v4(1))->offends);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(excess_is_shared_as_events_name_it, begin),
		cmocka_unit_test_setup(what_was_over_before_the_first_look_is_nobodys, begin),
		cmocka_unit_test_setup(event_stands_for_one_packet_at_least, begin),
		cmocka_unit_test_setup(packets_wait_for_their_event, begin),
		cmocka_unit_test_setup(each_limit_has_its_own_excess, begin),
		cmocka_unit_test_setup(entry_is_what_has_a_bucket, begin),
		cmocka_unit_test_setup(other_events_are_not_looked_at, begin),
		cmocka_unit_test_setup(who_is_quiet_or_whose_limit_goes_is_forgotten, begin),
		cmocka_unit_test_setup(who_goes_on_within_the_time_offends, begin),
		cmocka_unit_test_setup(what_is_longer_ago_does_not_count, begin),
		cmocka_unit_test_setup(estimate_counts_as_far_as_it_is_sure, begin),
		cmocka_unit_test_setup(what_comes_with_a_place_is_no_offence, begin),
		cmocka_unit_test_setup(limits_of_rules_are_known_by_their_rule, begin),
		cmocka_unit_test_setup(nobody_offends_where_it_is_not_asked_for, begin),
		cmocka_unit_test_setup(heavy_source_is_found_among_ever_new_ones, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
