/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address table against two models that share nothing with it: the list of ranges itself, tried
 * one by one, and a painted universe of 65,536 places laid over any part of the address. Look-ups
 * go through the data path's own code, built natively.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)(random_next() % n);
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

static u128 text(const char *string)
{
	struct weir_addr addr;

	if (strchr(string, ':')) {
		assert_int_equal(inet_pton(AF_INET6, string, &addr), 1);
	} else {
		struct in_addr in;

		assert_int_equal(inet_pton(AF_INET, string, &in), 1);
		return v4(ntohl(in.s_addr));
	}
	return u128_of(be64toh(addr.be64[0]), be64toh(addr.be64[1]));
}

struct range {
	u128 from, to;
	uint32_t label;
};

static bool number_is_v4(u128 number)
{
	return number >> 32 == 0xffff;
}

static bool range_is_v4(const struct range *range)
{
	return number_is_v4(range->from) && number_is_v4(range->to);
}

static void table_compile(const struct range *ranges, uint32_t count, uint32_t first_line,
			  struct weir_addr_compiled *compiled)
{
	struct weir_addr_table *table = weir_addr_table_new();

	assert_non_null(table);
	for (uint32_t i = 0; i < count; i++) {
		struct weir_addr from = addr_of(ranges[i].from), to = addr_of(ranges[i].to);

		assert_int_equal(weir_addr_table_add(table, &from, &to, ranges[i].label), 0);
	}
	assert_int_equal(weir_addr_table_compile(table, first_line, compiled), 0);
	weir_addr_table_free(table);
}

static uint64_t class_labels(const struct weir_addr_compiled *compiled, uint32_t class)
{
	const struct weir_addr_classes *classes = &compiled->classes;
	uint64_t labels = 0;

	assert_true(class < classes->count);
	for (uint32_t i = classes->first[class]; i < classes->first[class + 1]; i++)
		labels |= 1ULL << classes->label[i];
	return labels;
}

/* Labels, all below 64, as bits. */
static uint64_t answer(const struct weir_addr_compiled *compiled, u128 number, bool is_v4)
{
	struct weir_addr addr = addr_of(number);

	return class_labels(compiled, weir_addr_compiled_lookup(compiled, &addr, is_v4));
}

static uint64_t expected(const struct range *ranges, uint32_t count, u128 number, bool is_v4)
{
	uint64_t labels = 0;

	for (uint32_t i = 0; i < count; i++)
		if (range_is_v4(&ranges[i]) == is_v4 && ranges[i].from <= number &&
		    number <= ranges[i].to)
			labels |= 1ULL << ranges[i].label;
	return labels;
}

static void probe(const struct weir_addr_compiled *compiled, const struct range *ranges,
		  uint32_t count, u128 number)
{
	for (int is_v4 = number_is_v4(number); is_v4 >= 0; is_v4--) {
		uint64_t is = answer(compiled, number, is_v4),
			 should = expected(ranges, count, number, is_v4);

		if (is == should)
			continue;
		print_error("%016lx %016lx as %s: labels %lx, not %lx\n",
			    (unsigned long)(number >> 64), (unsigned long)number,
			    is_v4 ? "v4" : "v6", is, should);
		for (uint32_t i = 0; i < count && i < 40; i++)
			print_error("  range %016lx %016lx - %016lx %016lx label %u\n",
				    (unsigned long)(ranges[i].from >> 64),
				    (unsigned long)ranges[i].from,
				    (unsigned long)(ranges[i].to >> 64),
				    (unsigned long)ranges[i].to, ranges[i].label);
		fail();
	}
}

static void probe_all(const struct weir_addr_compiled *compiled, const struct range *ranges,
		      uint32_t count, uint32_t random)
{
	static const char *const corners[] = { "0.0.0.0",
					       "255.255.255.255",
					       "0.0.255.255",
					       "0.1.0.0",
					       "::",
					       "::1",
					       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					       "ffff:ffff:ffff:ffff::",
					       "::ffff:0:0:0",
					       "0:0:0:1::",
					       "1::",
					       "0:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };

	for (size_t i = 0; i < sizeof(corners) / sizeof(*corners); i++)
		probe(compiled, ranges, count, text(corners[i]));
	for (uint32_t i = 0; i < count; i++) {
		probe(compiled, ranges, count, ranges[i].from);
		probe(compiled, ranges, count, ranges[i].to);
		probe(compiled, ranges, count, ranges[i].from - 1);
		probe(compiled, ranges, count, ranges[i].to + 1);
		probe(compiled, ranges, count,
		      ranges[i].from + (ranges[i].to - ranges[i].from) / 2);
	}
	for (uint32_t i = 0; i < random; i++) {
		probe(compiled, ranges, count, v4((uint32_t)random_next()));
		probe(compiled, ranges, count, u128_of(random_next(), random_next()));
	}
}

static void check(const struct range *ranges, uint32_t count)
{
	struct weir_addr_compiled compiled;

	table_compile(ranges, count, 1, &compiled);
	probe_all(&compiled, ranges, count, 50);
	weir_addr_compiled_done(&compiled);
}

static void no_ranges_every_address_is_class_0(void **state)
{
	(void)state;
	check(NULL, 0);
}

static void whole_families_answer_for_themselves_only(void **state)
{
	(void)state;

	struct range v4_all = { text("0.0.0.0"), text("255.255.255.255"), 1 };
	struct range v6_all = { text("::"), text("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 2 };
	struct range both[] = { v4_all, v6_all };
	struct weir_addr_compiled compiled;

	check(&v4_all, 1);
	check(&v6_all, 1);
	check(both, 2);
	table_compile(&v6_all, 1, 1, &compiled);
	assert_int_equal(answer(&compiled, text("10.0.0.1"), true), 0);
	assert_int_equal(answer(&compiled, text("::ffff:10.0.0.1"), false), 1 << 2);
	weir_addr_compiled_done(&compiled);
}

/* Every pair of neighbours of a corner, as a range of its own. */
static void ranges_at_every_edge_are_exact(void **state)
{
	static const char *const edges[] = { "0.0.0.0",
					     "0.0.0.1",
					     "0.0.255.254",
					     "0.0.255.255",
					     "0.1.0.0",
					     "0.1.0.1",
					     "10.0.127.255",
					     "10.0.128.0",
					     "255.255.0.0",
					     "255.255.255.254",
					     "255.255.255.255",
					     "::",
					     "::1",
					     "::2",
					     "::ffff",
					     "::fffe:ffff:ffff",
					     "::1:0:0:0",
					     "0:0:0:0:ffff:ffff:ffff:ffff",
					     "0:0:0:1::",
					     "0:0:0:1::1",
					     "0:0:0:2::",
					     "2001:db8::",
					     "2001:db8:0:0:ffff:ffff:ffff:ffff",
					     "2001:db8:0:1::",
					     "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
					     "2001:ffff:ffff:ffff::",
					     "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					     "2002::",
					     "2002::1",
					     "ffff::",
					     "ffff:ffff:ffff:ffff::",
					     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
					     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	size_t n = sizeof(edges) / sizeof(*edges);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			struct range range = { text(edges[i]), text(edges[j]), 3 };

			if (range.from <= range.to)
				check(&range, 1);
		}
}

static void nested_adjacent_and_repeated_ranges_add_up(void **state)
{
	struct range ranges[] = {
		{ text("10.0.0.0"), text("10.255.255.255"), 1 },
		{ text("10.1.0.0"), text("10.1.255.255"), 2 },
		{ text("10.1.2.0"), text("10.1.2.255"), 3 },
		{ text("10.1.2.0"), text("10.1.2.255"), 3 },
		{ text("10.1.2.3"), text("10.1.2.3"), 4 },
		{ text("10.1.2.4"), text("10.1.2.4"), 4 },
		{ text("11.0.0.0"), text("11.0.0.255"), 1 },
		{ text("10.1.2.3"), text("10.1.2.3"), 1 },
		{ text("2001:db8::"), text("2001:db8::ffff"), 1 },
		{ text("2001:db8::1"), text("2001:db8::1"), 2 },
		{ text("2001:db8::2"), text("2001:db8::2"), 3 },
		{ text("2001:db8::2"), text("2001:db8::2"), 3 },
		{ text("2001:db8::1:0"), text("2001:db8::1:ff"), 1 },
		{ text("2001:d00::"), text("2001:dff::"), 5 },
	};

	(void)state;
	check(ranges, sizeof(ranges) / sizeof(*ranges));
}

/* Clusters, so that ranges meet: few high parts, and low parts of every width. */
static u128 random_number(bool is_v4)
{
	uint32_t width = random_below(is_v4 ? 33 : 129);
	u128 low = u128_of(random_next(), random_next());

	low = width == 128 ? low : low & (((u128)1 << width) - 1);
	if (is_v4)
		return v4((uint32_t)low ^ random_below(3) * 0x0a0a0000U);
	low ^= (u128)random_below(3) * u128_of(0x20010db800000000ULL, 0);
	return random_below(8) ? low : ~low;
}

static struct range random_range(void)
{
	bool is_v4 = random_below(2);
	struct range range = { .from = random_number(is_v4),
			       .label = random_below(random_below(2) ? 2 : 60) };
	u128 end = is_v4 ? v4(UINT32_MAX) : ~(u128)0;

	switch (random_below(4)) {
	case 0:
		range.to = range.from;
		break;
	case 1: /* a prefix */
		range.to = range.from | (((u128)1 << random_below(is_v4 ? 32 : 128)) - 1);
		range.from &= ~(range.to ^ range.from);
		break;
	case 2: /* a few neighbours */
		range.to = end - range.from < 8 ? end : range.from + random_below(8);
		break;
	default:
		range.to = random_number(is_v4);
		if (range.to < range.from) {
			u128 swap = range.to;

			range.to = range.from;
			range.from = swap;
		}
	}
	return range;
}

static void random_sets_agree_with_the_list_of_ranges(void **state)
{
	(void)state;
	for (uint32_t set = 0; set < 1500; set++) {
		struct range ranges[400];

		random_state = set;

		uint32_t count = random_below(set % 25 ? 60 : 400);

		for (uint32_t i = 0; i < count; i++)
			ranges[i] = random_range();
		check(ranges, count);
	}
}

#define PLACES 65536

/* A universe of 65,536 places at bit `shift` of the address above `base`; a place holds the labels
 * painted on it. */
struct universe {
	u128 base;
	uint32_t shift;
	bool is_v4;
};

static void universe_check(const struct universe *universe, uint32_t count, uint32_t longest,
			   uint32_t labels)
{
	static uint64_t paint[PLACES];
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr_compiled compiled;

	memset(paint, 0, sizeof(paint));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t from = random_below(PLACES), length = 1 + random_below(longest),
			 label = random_below(labels);
		uint32_t to = from + length > PLACES ? PLACES : from + length;
		struct weir_addr first = addr_of(universe->base + ((u128)from << universe->shift));
		struct weir_addr last = addr_of(universe->base + ((u128)to << universe->shift) - 1);

		assert_int_equal(weir_addr_table_add(table, &first, &last, label), 0);
		for (uint32_t place = from; place < to; place++)
			paint[place] |= 1ULL << label;
	}
	assert_int_equal(weir_addr_table_compile(table, 7, &compiled), 0);
	for (uint32_t place = 0; place < PLACES; place++) {
		u128 first = universe->base + ((u128)place << universe->shift);

		assert_int_equal(answer(&compiled, first, universe->is_v4), paint[place]);
		assert_int_equal(answer(&compiled, first + (((u128)1 << universe->shift) - 1),
					universe->is_v4),
				 paint[place]);
	}
	weir_addr_compiled_done(&compiled);
	weir_addr_table_free(table);
}

static void painted_v4_parts_agree_at_every_address(void **state)
{
	static const uint32_t counts[] = { 1, 15, 20, 25, 100, 1000, 10000, 60000 };

	(void)state;
	random_state = 4;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		universe_check(&(struct universe){ v4(0x0a008000), 0, true }, counts[i], 1, 2);
		universe_check(&(struct universe){ v4(0xffff0000), 0, true }, counts[i], 3, 40);
		universe_check(&(struct universe){ v4(0x00000000), 0, true }, counts[i], 40, 6);
		universe_check(&(struct universe){ v4(0), 16, true }, counts[i], 2, 40);
		universe_check(&(struct universe){ v4(0x10000000), 5, true }, counts[i], 5, 3);
	}
}

static void painted_v6_parts_agree_at_every_width(void **state)
{
	static const uint32_t shifts[] = { 0,  1,  8,  40, 47, 48, 50,	56,  60,
					   63, 64, 65, 72, 80, 96, 100, 104, 112 };
	static const uint32_t counts[] = { 3, 100, 5000, 40000 };

	(void)state;
	random_state = 6;
	for (size_t i = 0; i < sizeof(shifts) / sizeof(*shifts); i++)
		for (size_t j = 0; j < sizeof(counts) / sizeof(*counts); j++) {
			u128 low = u128_of(0x20010db8000000ffULL, 0x0000ffff00000000ULL) >>
				   shifts[i] << shifts[i];
			u128 top = ~(u128)0 << shifts[i] << 15 << 1;

			if (shifts[i] < 112)
				universe_check(&(struct universe){ low, shifts[i], false },
					       counts[j], 3, 40);
			universe_check(&(struct universe){ shifts[i] < 112 ? top : 0, shifts[i],
							   false },
				       counts[j], 1, 2);
		}
}

static void same_ranges_in_any_order_give_the_same_bytes(void **state)
{
	enum {
		COUNT = 3000
	};
	static struct range ranges[COUNT];

	(void)state;
	for (uint32_t round = 0; round < 10; round++) {
		struct weir_addr_compiled first, second;

		random_state = 1000 + round;
		for (uint32_t i = 0; i < COUNT; i++)
			ranges[i] = random_range();
		table_compile(ranges, COUNT, 1, &first);
		for (uint32_t i = COUNT - 1; i > 0; i--) {
			uint32_t j = random_below(i + 1);
			struct range swap = ranges[i];

			ranges[i] = ranges[j];
			ranges[j] = swap;
		}
		table_compile(ranges, COUNT, 1, &second);
		assert_int_equal(first.line_count, second.line_count);
		assert_memory_equal(first.line, second.line,
				    (size_t)first.line_count * WEIR_LINE_BYTES);
		assert_int_equal(first.classes.count, second.classes.count);
		assert_memory_equal(first.classes.first, second.classes.first,
				    (first.classes.count + 1) * sizeof(uint32_t));
		assert_memory_equal(first.classes.label, second.classes.label,
				    first.classes.first[first.classes.count] * sizeof(uint32_t));
		weir_addr_compiled_done(&first);
		weir_addr_compiled_done(&second);
	}
}

/* By hand: 10.0.0.0 meets label 5 first, 10.0.0.1 both, 10.0.0.2 label 9 alone. */
static void classes_are_numbered_by_first_address(void **state)
{
	struct range ranges[] = {
		{ text("10.0.0.1"), text("10.0.0.2"), 9 },
		{ text("10.0.0.0"), text("10.0.0.1"), 5 },
		{ text("2001:db8::"), text("2001:db8::"), 2 },
	};
	struct weir_addr_compiled compiled;
	static const uint32_t first[] = { 0, 0, 1, 3, 4, 5 }, label[] = { 5, 5, 9, 9, 2 };

	(void)state;
	table_compile(ranges, 3, 1, &compiled);
	assert_int_equal(compiled.classes.count, 5);
	assert_memory_equal(compiled.classes.first, first, sizeof(first));
	assert_memory_equal(compiled.classes.label, label, sizeof(label));

	static const char *const addrs[] = { "10.0.0.0", "10.0.0.1", "10.0.0.2", "2001:db8::" };

	for (uint32_t i = 0; i < 4; i++) {
		struct weir_addr addr = addr_of(text(addrs[i]));

		assert_int_equal(weir_addr_compiled_lookup(&compiled, &addr, i < 3), i + 1);
	}
	weir_addr_compiled_done(&compiled);
}

static void range_backwards_or_label_too_large_is_refused(void **state)
{
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr low = addr_of(text("10.0.0.1")), high = addr_of(text("10.0.0.2"));

	(void)state;
	assert_int_equal(weir_addr_table_add(table, &high, &low, 1), -EINVAL);
	assert_int_equal(weir_addr_table_add(table, &low, &high, 0x80000000U), -EINVAL);
	weir_addr_table_free(table);
}

/* 64,999 labels and class 0 make the most; one label more is too many. */
static void more_classes_than_numbers_is_refused(void **state)
{
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr_compiled compiled;

	(void)state;
	for (uint32_t i = 0; i < WEIR_ADDR_CLASSES_MAX; i++) {
		struct weir_addr addr = addr_of(v4(i * 3));
		struct weir_addr probe_addr = addr_of(v4((i - 1) * 3));

		assert_int_equal(weir_addr_table_add(table, &addr, &addr, i), 0);
		if (i < WEIR_ADDR_CLASSES_MAX - 2)
			continue;

		int r = weir_addr_table_compile(table, 1, &compiled);

		assert_int_equal(r, i == WEIR_ADDR_CLASSES_MAX - 1 ? -E2BIG : 0);
		if (r < 0)
			continue;
		assert_int_equal(weir_addr_compiled_lookup(&compiled, &probe_addr, true), i);
		weir_addr_compiled_done(&compiled);
	}
	weir_addr_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_ranges_every_address_is_class_0),
		cmocka_unit_test(whole_families_answer_for_themselves_only),
		cmocka_unit_test(ranges_at_every_edge_are_exact),
		cmocka_unit_test(nested_adjacent_and_repeated_ranges_add_up),
		cmocka_unit_test(random_sets_agree_with_the_list_of_ranges),
		cmocka_unit_test(painted_v4_parts_agree_at_every_address),
		cmocka_unit_test(painted_v6_parts_agree_at_every_width),
		cmocka_unit_test(same_ranges_in_any_order_give_the_same_bytes),
		cmocka_unit_test(classes_are_numbered_by_first_address),
		cmocka_unit_test(range_backwards_or_label_too_large_is_refused),
		cmocka_unit_test(more_classes_than_numbers_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
