/* SPDX-License-Identifier: Apache-2.0 */
/* When a flow was last seen, while policies with other timeouts go live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/conntrack/conntrack_idle.h"

/* In ticks, 60 of which are a second, as far as these tests go. */
#define S 60u
#define MIN (60 * S)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)

static struct conntrack_timeouts stream_of(uint32_t ticks)
{
	struct conntrack_timeouts timeouts = { .ticks = { [CONNTRACK_ESTABLISHED] = 5 * DAY } };

	timeouts.ticks[CONNTRACK_STREAM] = ticks;
	return timeouts;
}

static void live(struct conntrack_past *past, uint32_t stream, uint32_t at)
{
	struct conntrack_timeouts timeouts = stream_of(stream);

	conntrack_past_add(past, &timeouts, at);
}

/* Of datagrams, last seen at `seen` under a timeout of `stream`. */
static uint32_t idle(const struct conntrack_past *past, uint32_t seen, uint32_t stream,
		     uint32_t now)
{
	struct conntrack_flow flow = {
		.key = { .proto = CONNTRACK_UDP },
		.word = CONNTRACK_LIVE | CONNTRACK_ANSWERED | CONNTRACK_AGAIN,
		.born = seen - 10 * S,
		.expires_ticks = seen + stream,
	};

	return conntrack_idle_ticks(past, &flow, now);
}

/* At which tick the first policy goes live: also ticks that come round soon. */
static const uint32_t begins[] = { 0, 100 * DAY, UINT32_MAX - 5 * MIN };

static void flow_seen_before_a_change_is_idle_by_the_timeout_of_then(void **state)
{
	static const uint32_t streams[][2] = { { 10 * MIN, 2 * HOUR }, { 2 * HOUR, 10 * MIN } };

	(void)state;
	for (size_t b = 0; b < 3; b++)
		for (size_t i = 0; i < 2; i++) {
			struct conntrack_past past = {};
			uint32_t at = begins[b], change = at + 5 * MIN;

			live(&past, streams[i][0], at);
			assert_int_equal(idle(&past, change - S, streams[i][0], change - S), 0);
			live(&past, streams[i][1], change);
			assert_int_equal(idle(&past, change - S, streams[i][0], change), S);
			assert_int_equal(idle(&past, at + MIN, streams[i][0], change), 4 * MIN);
			assert_int_equal(idle(&past, change - S, streams[i][0], change + 4 * MIN),
					 4 * MIN + S);
			assert_int_equal(idle(&past, change + MIN, streams[i][1], change + 4 * MIN),
					 3 * MIN);
		}
}

static void flow_is_idle_by_any_of_three_timeouts_before(void **state)
{
	static const uint32_t streams[] = { 10 * MIN, 2 * HOUR, 40 * MIN, 12 * HOUR };
	struct conntrack_past past = {};

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		live(&past, streams[i], i * 5 * MIN);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(idle(&past, i * 5 * MIN + MIN, streams[i], 18 * MIN),
				 17 * MIN - i * 5 * MIN);
}

static void flow_of_before_all_that_is_known_is_idle_since_then_at_least(void **state)
{
	struct conntrack_past past = {};

	(void)state;
	live(&past, 3 * HOUR, 0);
	for (uint32_t i = 1; i <= 4; i++)
		live(&past, i * MIN, i * 10 * S);
	/* Of the first nothing is known any more; the second was live from 10 s on. */
	assert_int_equal(past.count, 4);
	assert_int_equal(idle(&past, 5 * S, 3 * HOUR, 70 * S), 60 * S);
	assert_int_equal(idle(&(struct conntrack_past){}, 5 * S, HOUR, 70 * S), 0);
}

static void flow_is_never_older_than_its_age(void **state)
{
	struct conntrack_past past = {};

	(void)state;
	live(&past, MIN, 0);
	/* Born ten seconds before it was seen, under a timeout nobody knows of. */
	assert_int_equal(idle(&past, DAY, 3 * HOUR, DAY + 2 * S), 12 * S);
}

static void flow_seen_on_an_interface_that_went_over_first_is_not_idle(void **state)
{
	struct conntrack_past past = {};

	(void)state;
	live(&past, 10 * MIN, 0);
	live(&past, 2 * HOUR, HOUR);
	assert_int_equal(idle(&past, HOUR - S, 2 * HOUR, HOUR), S);
	assert_int_equal(idle(&past, HOUR + 1, 2 * HOUR, HOUR), 0);
}

#define QUARTER 53644 /* 900 s / 16.777216 ms */

/* An established connection to a service, of which so much is left. */
static uint32_t idle_of_served(uint32_t timeout_ticks, uint8_t flags, uint32_t age, uint32_t left)
{
	struct conntrack_timeouts timeouts = { .ticks = { [CONNTRACK_ESTABLISHED] =
								  timeout_ticks } };
	struct conntrack_flow flow = {
		.key = { .proto = CONNTRACK_TCP },
		.word = CONNTRACK_LIVE | CONNTRACK_ANSWERED |
			(CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH,
		.born = DAY,
		.expires_ticks = DAY + age + left,
		.side = { { .flags = flags } },
		.backend = 7,
	};
	struct conntrack_past past = {};

	conntrack_past_add(&past, &timeouts, 0);
	return conntrack_idle_ticks(&past, &flow, DAY + age);
}

static const struct {
	uint32_t timeout_ticks, age;
} long_lives[] = {
	{ HOUR, 10 * S },	    { HOUR, 44 * MIN }, { HOUR, 50 * MIN },
	{ HOUR, 9 * HOUR },	    { 5 * DAY, HOUR },	{ 5 * DAY, 5 * DAY - 10 * MIN },
	{ 5 * DAY, 7 * DAY + MIN },
};

/* To a service that answers past this host: a quarter of an hour, and not what its state gives. */
static void flow_seen_one_way_is_idle_by_its_shorter_life_at_any_age(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(long_lives) / sizeof(*long_lives); i++) {
		uint32_t timeout_ticks = long_lives[i].timeout_ticks, age = long_lives[i].age;

		assert_int_equal(
			idle_of_served(timeout_ticks, CONNTRACK_SIDE_ONE_WAY, age, QUARTER), 0);
		assert_int_equal(idle_of_served(timeout_ticks,
						CONNTRACK_SIDE_LOST | CONNTRACK_SIDE_ONE_WAY, age,
						QUARTER - 2 * S),
				 2 * S);
		assert_int_equal(idle_of_served(timeout_ticks, CONNTRACK_SIDE_ONE_WAY, age, 0),
				 QUARTER);
	}
	/* A state that gives less gives no more. */
	assert_int_equal(idle_of_served(5 * MIN, CONNTRACK_SIDE_ONE_WAY, HOUR, 4 * MIN), MIN);
}

static void flow_seen_both_ways_is_idle_by_its_state_with_as_little_left(void **state)
{
	(void)state;
	assert_int_equal(idle_of_served(HOUR, 0, 50 * MIN, QUARTER), HOUR - QUARTER);
	assert_int_equal(idle_of_served(HOUR, CONNTRACK_SIDE_LOST, 9 * HOUR, S), HOUR - S);
	assert_int_equal(idle_of_served(5 * DAY, 0, 5 * DAY - 10 * S, 10 * S), 5 * DAY - 10 * S);
}

static void policy_with_the_same_timeouts_changes_nothing(void **state)
{
	struct conntrack_timeouts timeouts = stream_of(MIN);
	struct conntrack_past past = {};

	(void)state;
	assert_true(conntrack_past_add(&past, &timeouts, 5));
	assert_false(conntrack_past_add(&past, &timeouts, 600));
	assert_int_equal(past.count, 1);
	assert_int_equal(past.since[0], 5);
}

static void timeouts_are_forgotten_once_no_flow_can_have_its_time_by_them(void **state)
{
	struct conntrack_past past = {};

	(void)state;
	live(&past, HOUR, 0);
	assert_false(conntrack_past_trim(&past, 200 * DAY));
	live(&past, MIN, 200 * DAY);
	assert_false(conntrack_past_trim(&past, 298 * DAY));
	assert_true(conntrack_past_trim(&past, 301 * DAY));
	assert_false(conntrack_past_trim(&past, 301 * DAY));
	assert_int_equal(past.count, 1);
	assert_int_equal(past.timeouts[0].ticks[CONNTRACK_STREAM], MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_seen_before_a_change_is_idle_by_the_timeout_of_then),
		cmocka_unit_test(flow_is_idle_by_any_of_three_timeouts_before),
		cmocka_unit_test(flow_of_before_all_that_is_known_is_idle_since_then_at_least),
		cmocka_unit_test(flow_is_never_older_than_its_age),
		cmocka_unit_test(flow_seen_on_an_interface_that_went_over_first_is_not_idle),
		cmocka_unit_test(flow_seen_one_way_is_idle_by_its_shorter_life_at_any_age),
		cmocka_unit_test(flow_seen_both_ways_is_idle_by_its_state_with_as_little_left),
		cmocka_unit_test(policy_with_the_same_timeouts_changes_nothing),
		cmocka_unit_test(timeouts_are_forgotten_once_no_flow_can_have_its_time_by_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
