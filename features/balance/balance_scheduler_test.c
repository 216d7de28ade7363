/* SPDX-License-Identifier: Apache-2.0 */
/* What of a client counts, and that shares of clients are those of weights. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"

#define BACKENDS 3
#define CLIENTS 1000000

static const uint32_t weights[BACKENDS] = { 1, 2, 5 };

static struct balance_service written(const struct balance_text *text, const char *address,
				      uint16_t *slots)
{
	static const char *const names[BACKENDS] = { "a", "b", "c" };
	struct balance_maglev_backend shares[BACKENDS] = { 0 };
	struct balance_service service = { 0 };

	assert_int_equal(weir_addr_from_string(address, strlen(address), &service.addr), 0);
	for (unsigned i = 0; i < BACKENDS; i++)
		shares[i] = (struct balance_maglev_backend){ names[i], 1, weights[i],
							     (uint16_t)(i + 1) };
	int count = balance_scheduler_slots(text->scheduler, shares, BACKENDS);

	assert_true(count > 0);
	service.slots = (uint32_t)count;
	balance_scheduler_write(text, &service);
	assert_int_equal(balance_scheduler_fill(text->scheduler, shares, BACKENDS, slots), 0);
	return service;
}

static void mask_is(const char *address, int scheduler, uint32_t prefix, const char *mask,
		    uint16_t port_mask)
{
	const struct balance_text text = { .backend_count = BACKENDS,
					   .scheduler = scheduler,
					   .client_prefix = prefix };
	uint16_t *slots = calloc(BALANCE_SLOTS, sizeof(*slots));
	struct in6_addr wanted;

	assert_non_null(slots);
	assert_int_equal(inet_pton(AF_INET6, mask, &wanted), 1);
	struct balance_service service = written(&text, address, slots);

	assert_memory_equal(&service.mask, &wanted, sizeof(wanted));
	assert_int_equal(service.port_mask, port_mask);
	free(slots);
}

#define ALL "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static void what_counts_of_a_client_is_what_is_written(void **state)
{
	mask_is("192.0.2.1", BALANCE_MAGLEV, 0, ALL, 0xffff);
	mask_is("192.0.2.1", BALANCE_SOURCE_HASH, 0, ALL, 0);
	mask_is("192.0.2.1", BALANCE_SOURCE_HASH, 20, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:f000", 0);
	mask_is("2001:db8::1", BALANCE_SOURCE_HASH, 56, "ffff:ffff:ffff:ff00::", 0);
	(void)state;
}

static void clients_are_shared_out_by_weight(void **state)
{
	const struct balance_text text = { .backend_count = BACKENDS,
					   .scheduler = BALANCE_SOURCE_HASH };
	uint16_t *slots = calloc(BALANCE_SLOTS, sizeof(*slots));
	unsigned counts[BACKENDS] = { 0 };

	assert_non_null(slots);
	struct balance_service service = written(&text, "192.0.2.1", slots);
	struct weir_addr client = service.addr;

	srandom(1);
	for (unsigned i = 0; i < CLIENTS; i++) {
		client.be32[3] = (uint32_t)random();
		counts[slots[balance_slot(&client, 0, service.slots)] - 1]++;
	}
	for (unsigned i = 0; i < BACKENDS; i++) {
		double share = counts[i] / (CLIENTS * weights[i] / 8.0);

		assert_true(share > 0.98 && share < 1.02);
	}
	free(slots);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_counts_of_a_client_is_what_is_written),
		cmocka_unit_test(clients_are_shared_out_by_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
