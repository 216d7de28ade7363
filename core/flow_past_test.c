/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that are over: by their ends, and by when they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/feature.h"
#include "core/flow_past.h"

/* The engine goes over them; here nobody asks it. */
const struct weir_feature *const weir_features[] = { NULL };

#define ROOM 8

/* From second to second, between two hosts that are told by their last number. */
static struct weir_flow_ends life(uint8_t src, uint16_t sport, uint8_t dst, uint64_t from,
				  uint64_t to)
{
	struct weir_flow_ends made = { .sport = sport,
				       .dport = 80,
				       .proto = 6,
				       .first_ns = from * WEIR_NS_PER_S,
				       .last_ns = to * WEIR_NS_PER_S };

	made.src.be32[3] = src;
	made.dst.be32[3] = dst;
	return made;
}

static void add(struct weir_flow_past *past, struct weir_flow_ends life, uint32_t handshake_us)
{
	const struct weir_flow_quality quality = { .by = 1, .handshake_us = handshake_us };

	weir_flow_past_add(past, &life, &quality);
}

/* The handshake of what is found; 0: nothing is. */
static uint32_t find(const struct weir_flow_past *past, struct weir_flow_ends life)
{
	uint64_t apart_ns;
	const struct weir_flow_quality *found = weir_flow_past_find(past, &life, &apart_ns);

	return found ? found->handshake_us : 0;
}

static void setup(void **state)
{
	*state = weir_flow_past_new(ROOM);
	assert_non_null(*state);
}

static int past_new(void **state)
{
	setup(state);
	return 0;
}

static int past_free(void **state)
{
	weir_flow_past_free(*state);
	return 0;
}

static void flow_is_found_by_its_ends(void **state)
{
	add(*state, life(1, 1000, 2, 10, 20), 7);
	add(*state, life(1, 1001, 2, 10, 20), 8);
	assert_int_equal(find(*state, life(1, 1000, 2, 10, 20)), 7);
	assert_int_equal(find(*state, life(1, 1001, 2, 10, 20)), 8);
	assert_int_equal(find(*state, life(1, 1002, 2, 10, 20)), 0);
	assert_int_equal(find(*state, life(3, 1000, 2, 10, 20)), 0);
	assert_int_equal(find(*state, life(1, 1000, 3, 10, 20)), 0);
}

static void flow_of_another_time_is_not_found(void **state)
{
	add(*state, life(1, 1000, 2, 10, 20), 7);
	assert_int_equal(find(*state, life(1, 1000, 2, 21, 30)), 0);
	assert_int_equal(find(*state, life(1, 1000, 2, 1, 8)), 0);
	assert_int_equal(find(*state, life(1, 1000, 2, 19, 30)), 7);
	assert_int_equal(find(*state, life(1, 1000, 2, 1, 11)), 7);
}

static void flow_of_ends_used_again_is_the_one_that_began_next_to_it(void **state)
{
	add(*state, life(1, 1000, 2, 10, 20), 7);
	add(*state, life(1, 1000, 2, 20, 30), 8);
	add(*state, life(1, 1000, 2, 30, 40), 9);
	assert_int_equal(find(*state, life(1, 1000, 2, 10, 20)), 7);
	assert_int_equal(find(*state, life(1, 1000, 2, 20, 30)), 8);
	assert_int_equal(find(*state, life(1, 1000, 2, 31, 40)), 9);
}

static void flow_that_is_too_many_takes_the_oldest_ones_place(void **state)
{
	for (uint16_t i = 0; i < ROOM + 3; i++)
		add(*state, life(1, 1000 + i, 2, 10, 20), 100 + i);
	for (uint16_t i = 0; i < ROOM + 3; i++)
		assert_int_equal(find(*state, life(1, 1000 + i, 2, 10, 20)), i < 3 ? 0 : 100 + i);
}

static void flow_is_found_however_often_the_ring_went_round(void **state)
{
	for (unsigned i = 0; i < 1000; i++) {
		add(*state, life(1, (uint16_t)(i % 5), 2, i, i), i + 1);
		assert_int_equal(find(*state, life(1, (uint16_t)(i % 5), 2, i, i)), i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flow_is_found_by_its_ends, past_new, past_free),
		cmocka_unit_test_setup_teardown(flow_of_another_time_is_not_found, past_new,
						past_free),
		cmocka_unit_test_setup_teardown(
			flow_of_ends_used_again_is_the_one_that_began_next_to_it, past_new,
			past_free),
		cmocka_unit_test_setup_teardown(flow_that_is_too_many_takes_the_oldest_ones_place,
						past_new, past_free),
		cmocka_unit_test_setup_teardown(flow_is_found_however_often_the_ring_went_round,
						past_new, past_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
