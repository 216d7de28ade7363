/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory a compiled address table takes, for the shapes that cost most for each range. That its
 * answers are right is addr_table_test.c's.
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "addr_table.h"

typedef unsigned __int128 u128;

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state += 0x9e3779b97f4a7c15ULL;

	uint64_t z = random_state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static u128 u128_of(uint64_t high, uint64_t low)
{
	return (u128)high << 64 | low;
}

static u128 v4(uint32_t addr)
{
	return u128_of(0, 0xffff00000000ULL | addr);
}

static struct weir_addr addr_of(u128 number)
{
	return (struct weir_addr){ .be64 = { htobe64((uint64_t)(number >> 64)),
					     htobe64((uint64_t)number) } };
}

struct range {
	u128 from, to;
	uint32_t label;
};

/* The shapes that cost most for each entry; ceilings as in docs/design/classify.md. */
static double bytes_per_range(void (*draw)(uint32_t i, struct range *range), uint32_t count)
{
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr_compiled compiled;

	random_state = 9;
	for (uint32_t i = 0; i < count; i++) {
		struct range range = { .label = i % 3 };

		draw(i, &range);

		struct weir_addr from = addr_of(range.from), to = addr_of(range.to);

		assert_int_equal(weir_addr_table_add(table, &from, &to, range.label), 0);
	}
	assert_int_equal(weir_addr_table_compile(table, 1, &compiled), 0);

	double bytes = (double)compiled.line_count * WEIR_LINE_BYTES / count;

	weir_addr_compiled_done(&compiled);
	weir_addr_table_free(table);
	return bytes;
}

/* Every other address of two /27s in every /16: what no cut by equal parts resolves. */
static void clusters4_draw(uint32_t i, struct range *range)
{
	uint32_t part = i / 32 % 65536, cluster = i / 16 % 2, place = i % 16;

	range->from = range->to = v4(part << 16 | (1 + 2 * cluster) << 14 | place << 1);
}

static void random4_draw(uint32_t i, struct range *range)
{
	(void)i;
	range->from = range->to = v4((uint32_t)random_next());
}

static void scattered4_draw(uint32_t i, struct range *range)
{
	range->from = range->to = v4(i << 12 | 1);
}

static void labels4_draw(uint32_t i, struct range *range)
{
	range->from = v4(i << 11), range->to = v4(i << 11 | 700);
	range->label = i * 7919 % 64000;
}

static void random6_draw(uint32_t i, struct range *range)
{
	(void)i;
	range->from = range->to = u128_of(random_next(), random_next());
}

static void tails6_draw(uint32_t i, struct range *range)
{
	range->from = u128_of((uint64_t)i << 40 | i, 2), range->to = range->from + 1;
}

static void deep6_draw(uint32_t i, struct range *range)
{
	range->from = u128_of(5, (uint64_t)i * 16), range->to = range->from + 5;
}

static void memory_stays_bounded_for_hostile_shapes(void **state)
{
	static const struct {
		const char *name;
		void (*draw)(uint32_t i, struct range *range);
		uint32_t count;
		double ceiling;
	} shapes[] = {
		{ "v4 random addresses", random4_draw, 1000000, 6 },
		{ "v4 two clusters in each /16", clusters4_draw, 2000000, 6 },
		{ "v4 evenly scattered", scattered4_draw, 1000000, 6 },
		{ "v4 each another label", labels4_draw, 1000000, 40 },
		{ "v6 random addresses", random6_draw, 300000, 32 },
		{ "v6 inside /64s of their own", tails6_draw, 300000, 80 },
		{ "v6 inside one /64", deep6_draw, 300000, 32 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		double bytes = bytes_per_range(shapes[i].draw, shapes[i].count);

		print_message("%s: %.1f bytes a range\n", shapes[i].name, bytes);
		assert_true(bytes < shapes[i].ceiling);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_stays_bounded_for_hostile_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
