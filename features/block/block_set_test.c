/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sorted set against literal cases and against a plain array that is searched from end to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/block/block_set.h"

static struct weir_range range_of(const char *text)
{
	struct weir_range range;
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, NULL), 0);
	return range;
}

static void append(struct block_set *set, const char *text, const char *note)
{
	struct weir_range range = range_of(text);
	assert_int_equal(block_set_append(set, &range, note, note ? strlen(note) : 0), 0);
}

static void assert_entry(const struct block_set *set, enum block_family family, size_t index,
			 const char *text, const char *note)
{
	struct block_entry entry;
	char found[WEIR_RANGE_TEXT];
	block_set_at(set, family, index, &entry);
	assert_string_equal(weir_range_to_string(&entry.range, found), text);
	if (note)
		assert_string_equal(entry.note, note);
	else
		assert_null(entry.note);
}

static void set_sealed_is_in_order_larger_first(void **state)
{
	_cleanup_set_ struct block_set set = { 0 };
	append(&set, "192.0.2.1", NULL);
	append(&set, "10.0.0.0/16", NULL);
	append(&set, "2001:db8::/48", NULL);
	append(&set, "10.0.0.0/8", NULL);
	append(&set, "2001:db8::/32", NULL);
	append(&set, "255.255.255.255", NULL);
	append(&set, "0.0.0.0/0", NULL);
	assert_int_equal(block_set_seal(&set, NULL), 0);
	assert_int_equal(set.half[BLOCK_V4].count, 5);
	assert_entry(&set, BLOCK_V4, 0, "0.0.0.0/0", NULL);
	assert_entry(&set, BLOCK_V4, 1, "10.0.0.0/8", NULL);
	assert_entry(&set, BLOCK_V4, 2, "10.0.0.0/16", NULL);
	assert_entry(&set, BLOCK_V4, 3, "192.0.2.1", NULL);
	assert_entry(&set, BLOCK_V4, 4, "255.255.255.255", NULL);
	assert_entry(&set, BLOCK_V6, 0, "2001:db8::/32", NULL);
	assert_entry(&set, BLOCK_V6, 1, "2001:db8::/48", NULL);
	(void)state;
}

static void set_repeated_range_keeps_the_first_note(void **state)
{
	_cleanup_set_ struct block_set set = { 0 };
	size_t duplicates = 99;
	append(&set, "192.0.2.9", NULL);
	append(&set, "192.0.2.1", "first");
	append(&set, "192.0.2.1", "second");
	append(&set, "2001:db8::1", "six");
	append(&set, "2001:db8::1", NULL);
	assert_int_equal(block_set_seal(&set, &duplicates), 0);
	assert_int_equal(duplicates, 2);
	assert_int_equal(block_set_count(&set), 3);
	assert_entry(&set, BLOCK_V4, 0, "192.0.2.1", "first");
	assert_entry(&set, BLOCK_V4, 1, "192.0.2.9", NULL);
	assert_entry(&set, BLOCK_V6, 0, "2001:db8::1", "six");
	(void)state;
}

static void set_without_notes_takes_8_and_32_bytes_an_entry(void **state)
{
	_cleanup_set_ struct block_set set = { 0 };
	for (uint32_t i = 0; i < 10000; i++) {
		struct weir_range v4 = range_of("10.0.0.0"), v6 = range_of("2001:db8::");
		v4.from.be32[3] = v4.to.be32[3] = i * 2654435761u;
		v6.from.be32[3] = v6.to.be32[3] = i * 2654435761u;
		assert_int_equal(block_set_append(&set, &v4, NULL, 0), 0);
		assert_int_equal(block_set_append(&set, &v6, NULL, 0), 0);
	}
	assert_int_equal(block_set_seal(&set, NULL), 0);
	assert_int_equal(block_set_count(&set), 20000);
	assert_true(block_set_bytes(&set) < 10000 * 41);
	(void)state;
}

static void set_cover_finds_the_most_specific(void **state)
{
	_cleanup_set_ struct block_set set = { 0 };
	size_t index = 99;
	append(&set, "10.0.0.0/8", NULL);
	append(&set, "10.1.0.0/16", NULL);
	append(&set, "10.1.2.0/24", NULL);
	append(&set, "10.1.3.0/24", NULL);
	assert_int_equal(block_set_seal(&set, NULL), 0);
	struct weir_range inside = range_of("10.1.2.7"), between = range_of("10.1.4.0"),
			  outside = range_of("11.0.0.0");
	assert_true(block_set_cover(&set, &inside.from, &index));
	assert_int_equal(index, 2);
	assert_true(block_set_cover(&set, &between.from, &index));
	assert_int_equal(index, 1);
	assert_false(block_set_cover(&set, &outside.from, &index));
	(void)state;
}

static void set_all_of_v6_holds_no_v4(void **state)
{
	_cleanup_set_ struct block_set set = { 0 };
	size_t index;
	append(&set, "::/0", NULL);
	assert_int_equal(block_set_seal(&set, NULL), 0);
	struct weir_range v4 = range_of("192.0.2.1"), v6 = range_of("ffff::1");
	assert_false(block_set_cover(&set, &v4.from, &index));
	assert_true(block_set_cover(&set, &v6.from, &index));
	(void)state;
}

static void set_merge_takes_the_newer_note_and_counts_what_is_new(void **state)
{
	_cleanup_set_ struct block_set old = { 0 }, more = { 0 }, both = { 0 };
	size_t added = 99;
	append(&old, "192.0.2.1", "old");
	append(&old, "192.0.2.2", "stays");
	append(&more, "192.0.2.1", "new");
	append(&more, "192.0.2.2", NULL);
	append(&more, "2001:db8::1", NULL);
	assert_int_equal(block_set_seal(&old, NULL), 0);
	assert_int_equal(block_set_seal(&more, NULL), 0);
	assert_int_equal(block_set_merge(&old, &more, &both, &added), 0);
	assert_int_equal(added, 1);
	assert_entry(&both, BLOCK_V4, 0, "192.0.2.1", "new");
	assert_entry(&both, BLOCK_V4, 1, "192.0.2.2", "stays");
	assert_int_equal(both.half[BLOCK_V6].count, 1);
	assert_int_equal(block_set_count_missing(&old, &more), 1);
	assert_int_equal(block_set_count_missing(&both, &old), 0);
	(void)state;
}

static void set_without_takes_out_just_that_entry(void **state)
{
	_cleanup_set_ struct block_set set = { 0 }, rest = { 0 };
	append(&set, "10.0.0.0/8", "eight");
	append(&set, "10.0.0.0/16", NULL);
	append(&set, "2001:db8::/32", NULL);
	assert_int_equal(block_set_seal(&set, NULL), 0);
	struct weir_range gone = range_of("10.0.0.0/16");
	assert_int_equal(block_set_without(&set, &gone, &rest), 0);
	assert_int_equal(block_set_count(&rest), 2);
	assert_entry(&rest, BLOCK_V4, 0, "10.0.0.0/8", "eight");
	assert_false(block_set_find(&rest, &gone, NULL));
	(void)state;
}

/* A small world, so that ranges nest, touch and repeat: 256 addresses of either family. */
#define WORLD 256

static struct weir_range random_range(void)
{
	unsigned from = (unsigned)rand() % WORLD,
		 to = from + (unsigned)rand() % (rand() % 8 ? 8 : WORLD - from);
	struct weir_range range = range_of(rand() % 2 ? "192.0.2.0" : "2001:db8::");
	range.to.bytes[15] = (uint8_t)(to < WORLD ? to : WORLD - 1);
	range.from.bytes[15] = (uint8_t)from;
	return range;
}

static bool model_overlaps(const struct weir_range *model, size_t count,
			   const struct weir_range *range)
{
	for (size_t i = 0; i < count; i++)
		if (weir_range_overlaps(&model[i], range))
			return true;
	return false;
}

static bool model_has(const struct weir_range *model, size_t count, const struct weir_range *range)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(&model[i], range, sizeof(*range)) == 0)
			return true;
	return false;
}

static void check_round(const struct block_set *set, const struct weir_range *model, size_t count)
{
	for (int probe = 0; probe < 200; probe++) {
		struct weir_range range = random_range(), point = { range.from, range.from };
		struct block_entry entry;
		size_t index;
		assert_int_equal(block_set_find(set, &range, NULL),
				 model_has(model, count, &range));
		bool overlaps = block_set_overlap(set, &range, &index);
		assert_int_equal(overlaps, model_overlaps(model, count, &range));
		if (overlaps) {
			block_set_at(set, block_family_of(&range), index, &entry);
			assert_true(weir_range_overlaps(&entry.range, &range));
		}
		bool covers = block_set_cover(set, &point.from, &index);
		assert_int_equal(covers, model_overlaps(model, count, &point));
		if (!covers)
			continue;
		block_set_at(set, block_family_of(&range), index, &entry);
		assert_true(weir_range_contains(&entry.range, &point.from));
		for (size_t i = 0; i < count; i++)
			if (weir_range_contains(&model[i], &point.from))
				assert_true(weir_addr_compare(&model[i].from, &entry.range.from) <=
					    0);
	}
}

static void set_random_agrees_with_a_plain_array(void **state)
{
	srand(20240607);
	for (int round = 0; round < 300; round++) {
		_cleanup_set_ struct block_set set = { 0 };
		size_t count = (size_t)rand() % 400, duplicates, unique = 0;
		struct weir_range *model = calloc(count + 1, sizeof(*model));
		assert_non_null(model);
		for (size_t i = 0; i < count; i++) {
			model[i] = random_range();
			unique += !model_has(model, i, &model[i]);
			assert_int_equal(block_set_append(&set, &model[i], NULL, 0), 0);
		}
		assert_int_equal(block_set_seal(&set, &duplicates), 0);
		assert_int_equal(block_set_count(&set), unique);
		assert_int_equal(duplicates, count - unique);
		check_round(&set, model, count);
		free(model);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_sealed_is_in_order_larger_first),
		cmocka_unit_test(set_repeated_range_keeps_the_first_note),
		cmocka_unit_test(set_without_notes_takes_8_and_32_bytes_an_entry),
		cmocka_unit_test(set_cover_finds_the_most_specific),
		cmocka_unit_test(set_all_of_v6_holds_no_v4),
		cmocka_unit_test(set_merge_takes_the_newer_note_and_counts_what_is_new),
		cmocka_unit_test(set_without_takes_out_just_that_entry),
		cmocka_unit_test(set_random_agrees_with_a_plain_array),
	};
	return cmocka_run_group_tests_name("block_set", tests, NULL, NULL);
}
