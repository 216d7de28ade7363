/* SPDX-License-Identifier: Apache-2.0 */
/* Which entry of a list holds an address, against a look at every one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/block/block_list.h"

#define ROUNDS 3000
#define SINGLES 300

static struct weir_range range_of(const char *text)
{
	struct weir_range range;
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, NULL), 0);
	return range;
}

static void insert(struct block_list *list, const struct weir_range *range)
{
	struct block_single single = { .range = *range };
	size_t index;
	if (!block_list_find_single(list, range, &index))
		assert_int_equal(block_list_insert_single(list, index, &single), 0);
}

/* Small ranges and large ones, IPv4 and IPv6, so that they nest, overlap and leave gaps. */
static struct weir_range random_range(void)
{
	struct weir_range range = range_of(rand() % 2 ? "192.0.0.0" : "2001:db8::");
	unsigned from = (unsigned)rand() % 65536,
		 to = from + (unsigned)rand() % (rand() % 20 ? 4 : 20000);
	to = to > 65535 ? 65535 : to;
	range.from.bytes[14] = (uint8_t)(from >> 8);
	range.from.bytes[15] = (uint8_t)from;
	range.to.bytes[14] = (uint8_t)(to >> 8);
	range.to.bytes[15] = (uint8_t)to;
	return range;
}

/* The last in order that holds it. */
static const struct block_single *look_at_all(const struct block_list *list,
					      const struct weir_addr *addr)
{
	const struct block_single *found = NULL;
	for (size_t i = 0; i < list->single_count; i++)
		if (weir_range_contains(&list->singles[i].range, addr))
			found = &list->singles[i];
	return found;
}

static void list_cover_agrees_with_a_look_at_every_single(void **state)
{
	_cleanup_list_ struct block_list *list =
		block_list_new("l", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	srand(7);
	for (int round = 0; round < ROUNDS; round++) {
		struct weir_range range = random_range();
		insert(list, &range);
		if (list->single_count > SINGLES)
			block_list_delete_single(list, (size_t)rand() % list->single_count);
		struct weir_addr addr = random_range().to;
		struct block_shown shown;
		const struct block_single *expected = look_at_all(list, &addr);
		assert_int_equal(block_list_cover(list, &addr, &shown), !!expected);
		if (expected)
			assert_int_equal(weir_range_compare(&shown.range, &expected->range), 0);
	}
	(void)state;
}

static void list_cover_of_v4_is_no_v6_range_around_it(void **state)
{
	_cleanup_list_ struct block_list *list =
		block_list_new("l", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	struct weir_range everything = range_of("::/0"), some = range_of("192.0.2.0/24");
	struct weir_addr addr = range_of("192.0.2.7").from;
	struct block_shown shown;
	insert(list, &everything);
	assert_false(block_list_cover(list, &addr, &shown));
	insert(list, &some);
	assert_true(block_list_cover(list, &addr, &shown));
	assert_int_equal(weir_range_compare(&shown.range, &some), 0);
	(void)state;
}

static void name_begins_with_a_letter_or_digit(void **state)
{
	assert_null(block_name_fault("9.spam_list-x"));
	assert_non_null(block_name_fault(".."));
	assert_non_null(block_name_fault("-x"));
	assert_non_null(block_name_fault("_x"));
	assert_non_null(block_name_fault(""));
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_begins_with_a_letter_or_digit),
		cmocka_unit_test(list_cover_agrees_with_a_look_at_every_single),
		cmocka_unit_test(list_cover_of_v4_is_no_v6_range_around_it),
	};
	return cmocka_run_group_tests_name("block_list", tests, NULL, NULL);
}
