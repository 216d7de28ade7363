/* SPDX-License-Identifier: Apache-2.0 */
/* On which links an address is told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/announce_where.h"

static struct weir_addr addr_of(const char *text)
{
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

/* `length` as a person has it: of 32 for IPv4. */
static struct weir_host_address has(uint32_t ifindex, const char *text, uint8_t length)
{
	bool is_v4 = !strchr(text, ':');

	return (struct weir_host_address){ .ifindex = ifindex,
					   .addr = addr_of(text),
					   .length = length + (is_v4 ? 96 : 0),
					   .is_proven = true };
}

static bool is_there(const struct announce_host *host, uint32_t ifindex, const char *text)
{
	struct weir_addr addr = addr_of(text);
	const struct announce_link link = { .ifindex = ifindex };

	return announce_is_there(host, &link, &addr);
}

static void set(struct announce_host *host, struct weir_host_address *all, unsigned count)
{
	*host = (struct announce_host){ 0 };
	assert_int_equal(announce_host_set(host, all, count), 0);
}

static void address_of_a_link_is_told_there_and_nowhere_else(void **state)
{
	struct weir_host_address all[] = { has(3, "192.0.2.100", 32), has(2, "198.51.100.1", 24),
					   has(3, "192.0.2.1", 24) };
	struct announce_host host;

	(void)state;
	set(&host, all, 3);
	assert_true(is_there(&host, 3, "192.0.2.100"));
	assert_false(is_there(&host, 2, "192.0.2.100"));
	announce_host_done(&host);
}

static void address_on_another_device_is_told_where_its_network_is(void **state)
{
	struct weir_host_address all[] = { has(1, "192.0.2.100", 32), has(2, "192.0.2.1", 26),
					   has(3, "192.0.2.65", 25), has(1, "2001:db8::100", 128),
					   has(3, "2001:db8::1", 64) };
	struct announce_host host;

	(void)state;
	set(&host, all, 5);
	assert_false(is_there(&host, 2, "192.0.2.100")); /* .0 to .63 */
	assert_true(is_there(&host, 3, "192.0.2.100"));	 /* .0 to .127 */
	assert_false(is_there(&host, 2, "2001:db8::100"));
	assert_true(is_there(&host, 3, "2001:db8::100"));
	announce_host_done(&host);
}

static void address_of_nobody_here_is_told_nowhere(void **state)
{
	struct weir_host_address all[] = { has(2, "192.0.2.1", 24) };
	struct weir_addr other = addr_of("192.0.2.100"), own = addr_of("192.0.2.1");
	struct announce_host host;

	(void)state;
	set(&host, all, 1);
	assert_false(is_there(&host, 2, "192.0.2.100"));
	assert_false(announce_is_own(&host, &other));
	assert_true(announce_is_own(&host, &own));
	announce_host_done(&host);
}

static void address_that_may_be_anothers_is_told_nowhere(void **state)
{
	struct weir_host_address all[] = { has(2, "2001:db8::1", 64), has(2, "fe80::1", 64) };
	struct announce_host host;

	(void)state;
	all[0].is_proven = false;
	set(&host, all, 2);
	assert_false(is_there(&host, 2, "2001:db8::1"));
	assert_true(is_there(&host, 2, "fe80::1"));
	announce_host_done(&host);
}

/* ::/0 would have all of IPv4 among it. */
static void networks_are_of_one_family(void **state)
{
	struct weir_host_address all[] = { has(1, "192.0.2.100", 32), has(2, "2001:db8::1", 0) };
	struct announce_host host;

	(void)state;
	set(&host, all, 2);
	assert_false(is_there(&host, 2, "192.0.2.100"));
	announce_host_done(&host);
}

static void network_is_compared_by_its_bits(void **state)
{
	struct weir_addr a = addr_of("192.0.2.100"), b = addr_of("192.0.2.127");

	(void)state;
	assert_true(weir_addr_is_in(&a, &b, 96 + 27));
	assert_false(weir_addr_is_in(&a, &b, 96 + 28));
	assert_true(weir_addr_is_in(&a, &b, 0));
	assert_false(weir_addr_is_in(&a, &b, 128));
	assert_true(weir_addr_is_in(&a, &a, 128));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_of_a_link_is_told_there_and_nowhere_else),
		cmocka_unit_test(address_on_another_device_is_told_where_its_network_is),
		cmocka_unit_test(address_of_nobody_here_is_told_nowhere),
		cmocka_unit_test(address_that_may_be_anothers_is_told_nowhere),
		cmocka_unit_test(networks_are_of_one_family),
		cmocka_unit_test(network_is_compared_by_its_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
