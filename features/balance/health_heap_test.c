/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out of the heap, against the order that qsort gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "features/balance/health_heap.h"

#define COUNT 1000

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void heap_empty_has_no_first(void **state)
{
	struct health_heap heap = { 0 };

	(void)state;
	assert_null(health_heap_first(&heap));
}

/* Every third is taken out again before the rest is looked at. */
static void heap_gives_what_is_due_first_first(void **state)
{
	static struct health_due dues[COUNT];
	static uint64_t left[COUNT];
	struct health_heap heap = { 0 };
	uint32_t random = 7, count = 0;

	(void)state;
	assert_int_equal(health_heap_reserve(&heap, COUNT), 0);
	for (int i = 0; i < COUNT; i++) {
		random = random * 1664525 + 1013904223;
		health_heap_add(&heap, &dues[i], random >> 22); /* many are equal */
		if (i % 3)
			left[count++] = random >> 22;
	}
	for (int i = 0; i < COUNT; i += 3)
		health_heap_del(&heap, &dues[i]);
	qsort(left, count, sizeof(left[0]), by_time);
	for (uint32_t i = 0; i < count; i++) {
		struct health_due *first = health_heap_first(&heap);

		assert_non_null(first);
		assert_int_equal(first->due_ns, left[i]);
		health_heap_del(&heap, first);
		health_heap_del(&heap, first); /* is not there any more */
	}
	assert_null(health_heap_first(&heap));
	health_heap_done(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_empty_has_no_first),
		cmocka_unit_test(heap_gives_what_is_due_first_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
