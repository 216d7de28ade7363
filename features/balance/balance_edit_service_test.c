/* SPDX-License-Identifier: Apache-2.0 */
/* What commands make of run time, where no packets are wanted: names that are made up, what is
 * full, and that what is refused changes nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/balance/balance_edit_fake.h"

static void made_name_is(const char *args, const char *expected)
{
	_cleanup_policy_ struct policy policy = { 0 };

	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add, args), 0);
	assert_string_equal(policy.service, expected);
	assert_int_equal(balance_name_check(expected, "", NULL), 0);
	assert_int_equal(policy.runtime.service_count, 1);
	assert_int_equal(policy.runtime.row_count, 1);
}

static void dnat_makes_a_name_of_what_it_is(void **state)
{
	(void)state;
	made_name_is("{\"vip\":\"192.168.1.100\",\"vport\":80,\"rip\":\"10.0.0.1\"}",
		     "192.168.1.100-80-tcp");
	made_name_is("{\"vip\":\"2001:db8::64\",\"vport\":\"53\",\"rip\":\"fd00::1\","
		     "\"protocol\":\"udp\"}",
		     "2001.db8..64-53-udp");
	/* However it is written. */
	made_name_is("{\"vip\":\"2001:DB8:0::64\",\"vport\":53,\"rip\":\"fd00::1\","
		     "\"protocol\":\"udp\"}",
		     "2001.db8..64-53-udp");
}

static void name_that_would_be_too_long_is_a_hash(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };
	char first[BALANCE_NAME_MAX + 1];

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"2001:db8:1111:2222:3333:4444:5555:6666\",\"vport\":80,"
			      "\"rip\":\"fd00::1\"}"),
			 0);
	memcpy(first, policy.service, sizeof(first));
	assert_int_equal(strncmp(first, "vip", 3), 0);
	assert_string_equal(first + strlen("vip01234567"), "-80-tcp");
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"2001:db8:1111:2222:3333:4444:5555:6667\",\"vport\":80,"
			      "\"rip\":\"fd00::2\"}"),
			 0);
	assert_string_not_equal(policy.service, first);
}

static void dnat_into_a_service_that_is_there_makes_none(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.1\",\"vport\":80,\"rip\":\"10.0.0.2\"}"),
			 0);
	assert_string_equal(policy.service, "web");
	assert_int_equal(policy.runtime.service_count, 0);
	assert_string_equal(policy.runtime.rows[0].service, "web");
	assert_int_equal(policy.runtime.rows[0].port, 80);
}

static void source_is(const char *args, const char *expected)
{
	_cleanup_policy_ struct policy policy = { 0 };

	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add, args), 0);
	assert_int_equal(policy.runtime.service_count, 1);
	if (expected)
		assert_string_equal(policy.runtime.services[0].source, expected);
	else
		assert_null(policy.runtime.services[0].source);
}

static void dnat_among_neighbours_has_a_source(void **state)
{
	(void)state;
	source_is("{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.10\"}", "192.0.2.1");
	source_is("{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"10.0.0.10\"}", NULL);
	source_is("{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.10\","
		  "\"source\":\"none\"}",
		  NULL);
	source_is("{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.10\","
		  "\"source\":\"192.0.2.3\"}",
		  "192.0.2.3");
	source_is("{\"vip\":\"2001:db8::9\",\"vport\":80,\"rip\":\"2001:db8::10\"}", NULL);
}

/* 192.0.2.9 is of a network of this host's, and so is the second backend alone. */
static void dnat_of_a_neighbour_more_without_a_source_is_warned_of(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"10.0.0.10\"}"),
			 0);
	assert_int_equal(policy.diag.count, 0);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.10\"}"),
			 0);
	assert_int_equal(policy.diag.count, 1);
	assert_non_null(
		strstr(policy.diag.entries[0].what, "has no source, as 192.0.2.1 would be"));
	assert_non_null(strstr(policy.diag.entries[0].mend, "--source"));
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.11\","
			      "\"source\":\"none\"}"),
			 0);
	assert_int_equal(policy.diag.count, 0);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"10.0.0.11\"}"),
			 0);
	assert_int_equal(policy.diag.count, 0);
}

static void dnat_without_a_source_is_refused_where_the_service_has_one(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.10\"}"),
			 0);
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.11\","
			      "\"source\":\"none\"}"),
			 -EINVAL);
	assert_non_null(strstr(policy.diag.entries[0].what, "has the source 192.0.2.1"));
	assert_int_equal(edit(&policy, balance_edit_dnat_add,
			      "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"192.0.2.11\","
			      "\"source\":\"192.0.2.1\"}"),
			 0);
}

/* As a query of the API has them. */
static void flags_that_come_as_text_are_read(void **state)
{
	static const char del[] =
		"{\"service\":\"web\",\"backend\":\"10.0.0.2:80\",\"now\":\"%s\"}";
	static const char *const truths[] = { "true", "1", "" }, *const lies[] = { "false", "0" };
	char args[128];

	(void)state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(truths) + WEIR_ARRAY_SIZE(lies); i++) {
		bool is = i < WEIR_ARRAY_SIZE(truths);
		const char *word = is ? truths[i] : lies[i - WEIR_ARRAY_SIZE(truths)];
		_cleanup_policy_ struct policy policy = { 0 };

		policy_make(&policy);
		snprintf(args, sizeof(args),
			 "{\"vip\":\"192.0.2.9\",\"vport\":80,\"rip\":\"10.0.0.10\","
			 "\"announce\":\"%s\"}",
			 word);
		assert_int_equal(edit(&policy, balance_edit_dnat_add, args), 0);
		assert_int_equal(policy.runtime.services[0].announce, is);
		assert_int_equal(edit(&policy, balance_edit_backend_add,
				      "{\"service\":\"web\",\"backend\":\"10.0.0.2:80\"}"),
				 0);
		snprintf(args, sizeof(args), del, word);
		assert_int_equal(edit(&policy, balance_edit_backend_del, args), 0);
		assert_int_equal(policy.runtime.row_count, is ? 1 : 2); /* it leaves, or is gone */
	}
}

static void full_of_services_is_refused_with_the_number(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	for (unsigned i = 0; i < BALANCE_SERVICES_MAX - 1; i++) {
		char name[32], address[32];
		const struct balance_text text = { .name = name, .address = address, .port = 1 };

		snprintf(name, sizeof(name), "s%u", i);
		snprintf(address, sizeof(address), "198.51.%u.%u", i >> 8, i & 255);
		assert_int_equal(balance_runtime_add_service(&policy.runtime, &text), 0);
	}
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"more\",\"address\":\"192.0.2.2\",\"port\":80}"),
			 -ENOSPC);
	assert_string_equal(policy.diag.entries[0].what,
			    "there are 10000 services, which is the most");
	assert_int_equal(edit(&policy, balance_edit_del, "{\"name\":\"s7\"}"), 0);
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"more\",\"address\":\"192.0.2.2\",\"port\":80}"),
			 0);
}

static void full_of_backends_is_refused_with_the_number(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	for (unsigned i = 1; i < BALANCE_BACKENDS_MAX; i++) {
		const struct balance_row row = { .service = (char *)"web",
						 .address = (char *)"10.0.0.9",
						 .port = i,
						 .weight = 1,
						 .has_weight = true,
						 .is_added = true };

		assert_int_equal(balance_runtime_add_row(&policy.runtime, &row), 0);
	}
	assert_int_equal(edit(&policy, balance_edit_backend_add,
			      "{\"service\":\"web\",\"backend\":\"10.0.0.8\"}"),
			 -ENOSPC);
	assert_string_equal(policy.diag.entries[0].what,
			    "the service has 65535 backends, which is the most");
}

static void of_several_backends_one_that_is_wrong_leaves_none(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"more\",\"address\":\"192.0.2.2\",\"port\":80,"
			      "\"backend\":\"10.0.0.2, 10.0.0.3:81,10.0.0.1:8080\"}"),
			 -EEXIST);
	assert_true(balance_runtime_is_empty(&policy.runtime));
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"more\",\"address\":\"192.0.2.2\",\"port\":80,"
			      "\"backend\":\"10.0.0.2, 10.0.0.3:81,\"}"),
			 0);
	assert_int_equal(policy.runtime.row_count, 2);
	assert_int_equal(policy.runtime.rows[1].port, 81);
}

static void what_the_file_says_anyway_is_no_edit(void **state)
{
	static const char set[] = "{\"service\":\"web\",\"backend\":\"10.0.0.1:8080\","
				  "\"weight\":%u}";
	static const char drain[] = "{\"service\":\"web\",\"backend\":\"10.0.0.1:8080\"}";
	_cleanup_policy_ struct policy policy = { 0 };
	char args[96];

	(void)state;
	policy_make(&policy);
	snprintf(args, sizeof(args), set, 3);
	assert_int_equal(edit(&policy, balance_edit_backend_set, args), 0);
	assert_int_equal(policy.runtime.row_count, 0);
	snprintf(args, sizeof(args), set, 5);
	assert_int_equal(edit(&policy, balance_edit_backend_set, args), 0);
	assert_int_equal(edit(&policy, balance_edit_backend_drain, drain), 0);
	assert_int_equal(edit(&policy, balance_edit_backend_drain, drain), 0);
	assert_int_equal(policy.runtime.row_count, 1);
	assert_true(policy.runtime.rows[0].is_drained && policy.runtime.rows[0].weight == 5);
	snprintf(args, sizeof(args), set, 3);
	assert_int_equal(edit(&policy, balance_edit_backend_set, args), 0);
	assert_true(policy.runtime.rows[0].is_drained && !policy.runtime.rows[0].has_weight);
	assert_int_equal(edit(&policy, balance_edit_backend_undrain, drain), 0);
	assert_int_equal(policy.runtime.row_count, 0);
}

/* As in the configuration: DSR changes no port, and the service's address says of no backend which
 * one it is. */
static void direct_backends_have_the_services_port(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make_of(&policy, DIRECT);
	assert_int_equal(edit(&policy, balance_edit_backend_add,
			      "{\"service\":\"direct\",\"backend\":\"10.0.0.1:8080\"}"),
			 -EINVAL);
	assert_int_equal(edit(&policy, balance_edit_backend_add,
			      "{\"service\":\"direct\",\"backend\":\"192.0.2.2\"}"),
			 -EINVAL);
	assert_int_equal(edit(&policy, balance_edit_backend_add,
			      "{\"service\":\"direct\",\"backend\":\"10.0.0.1\"}"),
			 0);
	assert_int_equal(edit(&policy, balance_edit_backend_add,
			      "{\"service\":\"direct\",\"backend\":\"10.0.0.1:80\"}"),
			 -EEXIST);
}

static void direct_service_is_made_as_one_of_the_file_is(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"far\",\"address\":\"192.0.2.2\",\"port\":8080,"
			      "\"forward\":\"ipip\",\"source\":\"192.0.2.3\"}"),
			 -EINVAL);
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"far\",\"address\":\"192.0.2.2\",\"port\":8080,"
			      "\"forward\":\"ipip\",\"backend\":\"10.0.0.2:8081\"}"),
			 -EINVAL);
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"far\",\"address\":\"192.0.2.2\",\"port\":8080,"
			      "\"forward\":\"ipip\",\"backend\":\"10.0.0.2,10.0.0.2:8080\"}"),
			 -EEXIST);
	/* It answers by the service's address: it may be web's backend, too. */
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"far\",\"address\":\"192.0.2.2\",\"port\":8080,"
			      "\"forward\":\"ipip\",\"backend\":\"10.0.0.1,2001:db8::1\"}"),
			 0);
	assert_int_equal(policy.runtime.services[0].forward, WEIR_FORWARD_IPIP);
	assert_int_equal(policy.runtime.row_count, 2);
	assert_int_equal(edit(&policy, balance_edit_backend_add,
			      "{\"service\":\"far\",\"backend\":\"10.0.0.1\"}"),
			 -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dnat_makes_a_name_of_what_it_is),
		cmocka_unit_test(name_that_would_be_too_long_is_a_hash),
		cmocka_unit_test(dnat_into_a_service_that_is_there_makes_none),
		cmocka_unit_test(dnat_among_neighbours_has_a_source),
		cmocka_unit_test(dnat_of_a_neighbour_more_without_a_source_is_warned_of),
		cmocka_unit_test(dnat_without_a_source_is_refused_where_the_service_has_one),
		cmocka_unit_test(flags_that_come_as_text_are_read),
		cmocka_unit_test(full_of_services_is_refused_with_the_number),
		cmocka_unit_test(full_of_backends_is_refused_with_the_number),
		cmocka_unit_test(of_several_backends_one_that_is_wrong_leaves_none),
		cmocka_unit_test(what_the_file_says_anyway_is_no_edit),
		cmocka_unit_test(direct_backends_have_the_services_port),
		cmocka_unit_test(direct_service_is_made_as_one_of_the_file_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
