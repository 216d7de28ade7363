/* SPDX-License-Identifier: Apache-2.0 */
/* How long an offender is blocked, the first time and after. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/limit/limit_state.h"

#define SECOND 1000000000ULL
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static struct limit_auto autos;
static const struct limit_block block = { 20, MINUTE, 10 * MINUTE, HOUR, false };
static uint64_t now_ns;

static int begin(void **state)
{
	memset(&autos, 0, sizeof(autos));
	now_ns = 1000 * HOUR;
	(void)state;
	return 0;
}

static uint64_t length_of(uint32_t host, const struct limit_block *how, bool *ret_is_full)
{
	struct weir_addr addr = { .be32 = { 0, 0, htonl(0xffff), htonl(host) } };
	struct weir_range range = { addr, addr };

	return limit_auto_length(&autos, &range, how, now_ns, ret_is_full);
}

static void blocked_for(uint64_t expected_ns)
{
	bool is_full;

	assert_int_equal(length_of(1, &block, &is_full), expected_ns);
	assert_false(is_full);
}

static void each_time_is_twice_as_long_up_to_the_most(void **state)
{
	static const uint64_t minutes[] = { 10, 20, 40, 60, 60 };

	for (int i = 0; i < 5; i++) {
		blocked_for(minutes[i] * MINUTE);
		now_ns += minutes[i] * MINUTE + SECOND;
	}
	(void)state;
}

static void who_was_good_for_long_begins_anew(void **state)
{
	blocked_for(10 * MINUTE);
	now_ns += 10 * MINUTE + HOUR;
	blocked_for(20 * MINUTE);
	now_ns += 20 * MINUTE + HOUR + SECOND;
	blocked_for(10 * MINUTE);
	(void)state;
}

static void who_was_let_out_by_hand_begins_anew(void **state)
{
	blocked_for(10 * MINUTE);
	now_ns += 11 * MINUTE;
	blocked_for(20 * MINUTE);
	now_ns += MINUTE;
	blocked_for(10 * MINUTE);
	(void)state;
}

static void packets_of_before_the_block_are_no_new_offence(void **state)
{
	blocked_for(10 * MINUTE);
	now_ns += 2 * SECOND;
	blocked_for(0);
	(void)state;
}

static void dry_run_tells_once_in_each_time(void **state)
{
	struct limit_block dry = block;
	bool is_full;

	dry.is_dry = true;
	assert_int_equal(length_of(1, &dry, &is_full), 10 * MINUTE);
	now_ns += 9 * MINUTE;
	assert_int_equal(length_of(1, &dry, &is_full), 0);
	now_ns += MINUTE;
	assert_int_equal(length_of(1, &dry, &is_full), 20 * MINUTE);
	(void)state;
}

static void there_is_room_for_so_many_at_a_time(void **state)
{
	bool is_full;

	for (uint32_t i = 0; i < LIMIT_OFFENDERS; i++)
		assert_int_equal(length_of(100 + i, &block, &is_full), 10 * MINUTE);
	assert_int_equal(length_of(1, &block, &is_full), 0);
	assert_true(is_full);
	now_ns += 10 * MINUTE;
	assert_int_equal(length_of(1, &block, &is_full), 10 * MINUTE);
	assert_false(is_full);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_time_is_twice_as_long_up_to_the_most, begin),
		cmocka_unit_test_setup(who_was_good_for_long_begins_anew, begin),
		cmocka_unit_test_setup(who_was_let_out_by_hand_begins_anew, begin),
		cmocka_unit_test_setup(packets_of_before_the_block_are_no_new_offence, begin),
		cmocka_unit_test_setup(dry_run_tells_once_in_each_time, begin),
		cmocka_unit_test_setup(there_is_room_for_so_many_at_a_time, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
