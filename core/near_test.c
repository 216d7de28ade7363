/* SPDX-License-Identifier: Apache-2.0 */
/* When the map of near lines changes its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi/maps.h"
#include "near.h"

static void capacity_without_a_map_is_the_least(void **state)
{
	assert_int_equal(weir_near_capacity_for(0, 0), 4096);
	assert_int_equal(weir_near_capacity_for(1, 0), 4096);
	(void)state;
}

static void capacity_below_the_least_is_not_kept(void **state)
{
	assert_int_equal(weir_near_capacity_for(1, 64), 4096);
	(void)state;
}

static void capacity_grows_with_room_to_spare(void **state)
{
	/* An eighth is added, and the next power of two taken. */
	assert_int_equal(weir_near_capacity_for(14563, 0), 16384);
	assert_int_equal(weir_near_capacity_for(14565, 0), 32768);
	assert_int_equal(weir_near_capacity_for(100000, 16384), 131072);
	(void)state;
}

static void capacity_that_fits_is_kept(void **state)
{
	assert_int_equal(weir_near_capacity_for(16384, 16384), 16384);
	assert_int_equal(weir_near_capacity_for(16385, 16384), 32768);
	assert_int_equal(weir_near_capacity_for(5, 32768), 32768);
	(void)state;
}

static void capacity_far_too_large_shrinks(void **state)
{
	assert_int_equal(weir_near_capacity_for(5, 65536), 4096);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capacity_without_a_map_is_the_least),
		cmocka_unit_test(capacity_below_the_least_is_not_kept),
		cmocka_unit_test(capacity_grows_with_room_to_spare),
		cmocka_unit_test(capacity_that_fits_is_kept),
		cmocka_unit_test(capacity_far_too_large_shrinks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
