/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about backends of several ports: whose a port is, and who gives way. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/balance/balance_edit_fake.h"

#define ADD_RANGE(name, address, ports, backend)                                     \
	"{\"name\":\"" name "\",\"address\":\"" address "\",\"port\":\"" ports "\"," \
	"\"backend\":\"" backend "\"}"

static int one_add(struct policy *policy)
{
	return edit(policy, balance_edit_add,
		    ADD_RANGE("one", "192.0.2.8", "8000-8099", "10.0.0.8,10.0.0.9"));
}

static int backend_delete(struct policy *policy)
{
	return edit(policy, balance_edit_backend_del,
		    "{\"service\":\"one\",\"backend\":\"10.0.0.8\"}");
}

static unsigned acting_rows(struct policy *policy)
{
	_cleanup_live_ struct balance_live live = { 0 };
	unsigned count = 0;

	assert_int_equal(
		balance_live_make(policy->config->sections[weir_feature_index(&weir_balance)],
				  &policy->runtime, &live),
		0);
	for (unsigned i = 0; i < policy->runtime.row_count; i++)
		count += live.row_fates[i] == BALANCE_ACTS;
	return count;
}

static void backend_that_leaves_gives_way_to_one_of_a_range_that_overlaps(void **state)
{
	static const char two[] = ADD_RANGE("two", "192.0.2.9", "8050-8149", "10.0.0.8");
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(one_add(&policy), 0);
	assert_int_equal(edit(&policy, balance_edit_add, two), -EEXIST);
	assert_int_equal(backend_delete(&policy), 0);
	assert_true(policy.runtime.rows[0].is_leaving);
	assert_int_equal(acting_rows(&policy), 2);
	assert_int_equal(edit(&policy, balance_edit_add, two), 0);
	assert_int_equal(policy.runtime.row_count, 3);
	assert_int_equal(acting_rows(&policy), 2); /* it is cut */
}

static void backend_that_leaves_gives_way_to_one_port_of_its_range(void **state)
{
	static const char two[] = "{\"name\":\"two\",\"address\":\"192.0.2.9\",\"port\":8070,"
				  "\"backend\":\"10.0.0.8\"}";
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(one_add(&policy), 0);
	assert_int_equal(edit(&policy, balance_edit_add, two), -EEXIST);
	assert_int_equal(backend_delete(&policy), 0);
	assert_int_equal(edit(&policy, balance_edit_add, two), 0);
	assert_int_equal(acting_rows(&policy), 2);
}

static void backend_that_leaves_gives_way_to_a_service_at_its_end(void **state)
{
	static const char *const two[] = {
		ADD_RANGE("two", "10.0.0.8", "8000-8099", "10.0.0.10"),
		ADD_RANGE("two", "10.0.0.8", "8050-8060", "10.0.0.10"),
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_policy_ struct policy policy = { 0 };

		policy_make(&policy);
		assert_int_equal(one_add(&policy), 0);
		assert_int_equal(edit(&policy, balance_edit_add, two[i]), -EEXIST);
		assert_int_equal(backend_delete(&policy), 0);
		assert_int_equal(edit(&policy, balance_edit_add, two[i]), 0);
		assert_int_equal(acting_rows(&policy), 2);
	}
}

/* Which of the two a client is answered by, its answer does not say. */
static void ranges_of_one_backend_may_not_overlap_in_one_command(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_add,
			      ADD_RANGE("one", "192.0.2.8", "8000-8099", "10.0.0.8,10.0.0.8:8050")),
			 -EEXIST);
	assert_int_equal(edit(&policy, balance_edit_add,
			      ADD_RANGE("one", "192.0.2.8", "8000-8099", "10.0.0.8,10.0.0.8:8100")),
			 0);
	assert_int_equal(acting_rows(&policy), 2);
}

/* Nor may those of the service itself, which is not there yet. */
static void backend_may_not_have_ports_of_its_new_service(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.8\",\"vport\":\"8000-8099\","
			      "\"rip\":\"192.0.2.8\",\"rport\":8080}"),
			 -EEXIST);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.8\",\"vport\":\"8000-8099\","
			      "\"rip\":\"192.0.2.8\",\"rport\":8100}"),
			 0);
	assert_int_equal(acting_rows(&policy), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backend_that_leaves_gives_way_to_one_of_a_range_that_overlaps),
		cmocka_unit_test(backend_that_leaves_gives_way_to_one_port_of_its_range),
		cmocka_unit_test(backend_that_leaves_gives_way_to_a_service_at_its_end),
		cmocka_unit_test(ranges_of_one_backend_may_not_overlap_in_one_command),
		cmocka_unit_test(backend_may_not_have_ports_of_its_new_service),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
