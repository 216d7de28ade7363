/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over when the table of clients is another size, and what names are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/balance_affinity.h"

#define NOW 1000u

static struct balance_affinity_table table_new(uint32_t sets)
{
	struct balance_affinity_table table = { .count = sets * BALANCE_AFFINITY_WAYS };

	table.at = calloc(table.count, sizeof(*table.at));
	assert_non_null(table.at);
	return table;
}

/* As packets place it: not asked of the code that brings them over. */
static const struct balance_affinity *found(const struct balance_affinity_table *table,
					    uint32_t client)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->at[i].client.be32[3] == client && table->at[i].word) {
			const uint64_t sets = table->count / BALANCE_AFFINITY_WAYS;

			assert_int_equal(i / BALANCE_AFFINITY_WAYS,
					 balance_affinity_hash(&table->at[i]) * sets >> 32);
			return &table->at[i];
		}
	return NULL;
}

static void client_add(struct balance_affinity_table *table, uint32_t at, uint32_t client,
		       uint32_t expires_ticks, uint32_t word)
{
	table->at[at] = (struct balance_affinity){
		.client.be32[3] = client, .service = 7, .expires_ticks = expires_ticks, .word = word
	};
}

static void who_is_remembered_comes_over_and_nobody_else(void **state)
{
	struct balance_affinity_table from = table_new(4), to = table_new(64);

	client_add(&from, 0, 1, NOW + 50, 3);
	client_add(&from, 9, 2, NOW, 3);
	client_add(&from, 17, 3, NOW + 50, BALANCE_AFFINITY_TURN); /* forgotten */
	client_add(&from, 31, 4, NOW + 1, BALANCE_AFFINITY_TURN | 9);
	balance_affinity_bring(&from, &to, NOW);
	assert_int_equal(found(&to, 1)->word & BALANCE_AFFINITY_NUMBER, 3);
	assert_int_equal(found(&to, 1)->expires_ticks, NOW + 50);
	assert_null(found(&to, 2));
	assert_null(found(&to, 3));
	assert_int_equal(found(&to, 4)->word & BALANCE_AFFINITY_NUMBER, 9);
	free(from.at);
	free(to.at);
	(void)state;
}

static void where_there_is_no_room_those_last_longest(void **state)
{
	struct balance_affinity_table from = table_new(4), to = table_new(1);

	for (uint32_t i = 0; i < from.count; i++)
		client_add(&from, i, i + 1, NOW + 1 + i * 7 % 32, 1);
	balance_affinity_bring(&from, &to, NOW);
	for (uint32_t i = 0; i < from.count; i++)
		assert_int_equal(!!found(&to, i + 1), i * 7 % 32 >= 24);
	free(from.at);
	free(to.at);
	(void)state;
}

/* Written down: another one would forget everybody at an upgrade. */
static void a_name_is_what_it_was(void **state)
{
	struct balance_end end = { .port = 80, .proto = 6 };
	uint64_t name;

	assert_int_equal(weir_addr_from_string("192.0.2.1", 9, &end.addr), 0);
	name = balance_affinity_name(&end);
	assert_true(name == 0x3aa0da278b163badull);
	end.port = 81;
	assert_true(balance_affinity_name(&end) != name);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_remembered_comes_over_and_nobody_else),
		cmocka_unit_test(where_there_is_no_room_those_last_longest),
		cmocka_unit_test(a_name_is_what_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
