/* SPDX-License-Identifier: Apache-2.0 */
/* What a look at all flows proves of a count, and what it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/balance/balance_active.h"

static void error_is(uint64_t count, uint64_t seen, uint64_t begun, uint64_t ended, int64_t error)
{
	const struct balance_found found = { seen, begun, ended };

	assert_int_equal(balance_active_error(count, &found), error);
}

static void a_count_of_quiet_flows_is_made_what_was_seen(void **state)
{
	error_is(7, 7, 0, 0, 0);
	error_is(9, 7, 0, 0, -2);
	error_is(0, 7, 0, 0, 7);
	(void)state;
}

static void a_count_that_may_be_true_is_left_alone(void **state)
{
	error_is(95, 100, 0, 5, 0);  /* five of those that were seen have ended */
	error_is(104, 100, 4, 0, 0); /* four began and were not seen */
	error_is(108, 100, 4, 0, 0); /* and four changed tables, and were missed */
	error_is(0, 3, 0, 5, 0);
	(void)state;
}

static void one_that_cannot_be_is_moved_as_little_as_can_be(void **state)
{
	error_is(90, 100, 0, 5, 5);
	error_is(120, 100, 4, 5, -12);
	(void)state;
}

static void a_count_below_nothing_is_nothing(void **state)
{
	const struct balance_active few = { .begun = 3, .ended = 5, .base = 1 },
				    some = { .begun = 3, .ended = 5, .base = 4 };

	assert_int_equal(balance_active_count(&few), 0);
	assert_int_equal(balance_active_count(&some), 2);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_of_quiet_flows_is_made_what_was_seen),
		cmocka_unit_test(a_count_that_may_be_true_is_left_alone),
		cmocka_unit_test(one_that_cannot_be_is_moved_as_little_as_can_be),
		cmocka_unit_test(a_count_below_nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
