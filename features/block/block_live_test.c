/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live set against a plain list of owners, with maps in plain memory that watch each write as a
 * packet would see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/block/block_fake_map.h"
#include "features/block/block_live.h"

struct fixture {
	struct weir_map *entries, *lengths;
	struct block_live_set live;
};

static struct fixture fixture;

static const __u8 *lengths_of(const struct block_lengths *lengths, enum block_family family,
			      __u32 *count)
{
	*count = family == BLOCK_V4 ? lengths->v4_count : lengths->v6_count;
	return family == BLOCK_V4 ? lengths->v4 : lengths->v6;
}

/* A walk that has done `done` places when the value changes under it: does it meet the length? */
static bool walk_meets(const struct block_lengths *old, const struct block_lengths *new,
		       enum block_family family, __u32 done, __u32 length)
{
	for (__u32 i = 0;; i++) {
		__u32 count;
		const __u8 *lengths = lengths_of(i < done ? old : new, family, &count);
		if (i >= count)
			return false;
		if (lengths[i] == length)
			return true;
	}
}

static enum block_family family_of(const struct block_live_key *key)
{
	return weir_addr_is_v4(&key->addr) && key->length >= 96 ? BLOCK_V4 : BLOCK_V6;
}

/*
 * Invariant at each write of lengths: no packet on another CPU misses an entry that is in the set.
 */
static void lengths_wrote(struct weir_map *map, const void *key, const void *value)
{
	const struct block_lengths *old = (const void *)map->rows[0].value, *new = value;
	for (uint32_t i = 0; i < fixture.entries->count; i++) {
		const struct block_live_key *entry = (const void *)fixture.entries->rows[i].key;
		for (__u32 done = 0; done < BLOCK_V6_LENGTHS + 3; done++)
			assert_true(walk_meets(old, new, family_of(entry), done, entry->length));
	}
	(void)key;
}

/* Invariant at each write of an entry: its length is listed already, and still. */
static void entries_wrote(struct weir_map *map, const void *key, const void *value)
{
	const struct block_lengths *lengths = (const void *)fixture.lengths->rows[0].value;
	const struct block_live_key *entry = key;
	assert_true(walk_meets(lengths, lengths, family_of(entry), 0, entry->length));
	(void)map;
	(void)value;
}

static int setup(void **state)
{
	uint32_t zero = 0;
	struct block_lengths none = { 0 };
	fixture = (struct fixture){
		.entries = fake_map_new(sizeof(struct block_live_key), sizeof(struct block_live),
					1000),
		.lengths = fake_map_new(sizeof(uint32_t), sizeof(struct block_lengths), 1),
		.live.limit = 1000,
	};
	weir_map_set(fixture.lengths, &zero, &none);
	fixture.lengths->wrote = lengths_wrote;
	fixture.entries->wrote = entries_wrote;
	(void)state;
	return block_live_adopt(&fixture.live, fixture.entries, fixture.lengths);
}

static int teardown(void **state)
{
	block_live_done(&fixture.live);
	free(fixture.entries);
	free(fixture.lengths);
	(void)state;
	return 0;
}

static struct weir_range range_of(const char *text)
{
	struct weir_range range;
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, NULL), 0);
	return range;
}

static struct block_single add(const char *text, enum block_action action, uint32_t list,
			       uint64_t expires_ns)
{
	struct block_live_owner owner = { action, list, list + 100 };
	struct block_single single = { .range = range_of(text), .expires_ns = expires_ns };
	assert_int_equal(block_live_add(&fixture.live, &owner, &single), 0);
	return single;
}

static bool kernel_has(const char *prefix, struct block_live *value)
{
	struct weir_range range = range_of(prefix);
	struct weir_prefix found;
	assert_true(weir_range_is_prefix(&range, &found));
	struct block_live_key key = { .addr = found.addr, .length = found.length };
	return weir_map_get(fixture.entries, &key, value) == 0;
}

static const struct block_lengths *written(void)
{
	return (const void *)fixture.lengths->rows[0].value;
}

static void live_range_becomes_the_fewest_prefixes(void **state)
{
	struct block_live value;
	add("192.0.2.1-192.0.2.6", BLOCK_DENY, 7, 0);
	assert_int_equal(fixture.entries->count, 4);
	assert_true(kernel_has("192.0.2.1", &value) && kernel_has("192.0.2.2/31", &value));
	assert_true(kernel_has("192.0.2.4/31", &value) && kernel_has("192.0.2.6", &value));
	assert_int_equal(value.action[BLOCK_DENY].list, 7);
	assert_int_equal(value.action[BLOCK_DENY].hit, 107);
	assert_int_equal(value.action[BLOCK_ALLOW].list, 0);
	(void)state;
}

static void live_lengths_are_listed_longest_first(void **state)
{
	add("10.0.0.0/8", BLOCK_DENY, 1, 0);
	add("192.0.2.1", BLOCK_DENY, 1, 0);
	add("192.0.2.0/24", BLOCK_DENY, 1, 0);
	add("2001:db8::/32", BLOCK_DENY, 1, 0);
	assert_int_equal(written()->v4_count, 3);
	assert_int_equal(written()->v4[0], 128);
	assert_int_equal(written()->v4[1], 120);
	assert_int_equal(written()->v4[2], 104);
	assert_int_equal(written()->v6_count, 1);
	assert_int_equal(written()->v6[0], 32);
	(void)state;
}

static void live_length_goes_after_its_last_entry(void **state)
{
	struct block_single host = add("192.0.2.1", BLOCK_DENY, 1, 0);
	add("192.0.2.0/24", BLOCK_DENY, 1, 0);
	add("192.0.0.0/16", BLOCK_DENY, 1, 0);
	block_live_del(&fixture.live, BLOCK_DENY, &host);
	for (int tick = 0; tick < 4; tick++)
		block_live_tidy(&fixture.live);
	assert_int_equal(written()->v4_count, 2);
	assert_int_equal(written()->v4[0], 120);
	assert_int_equal(written()->v4[1], 112);
	(void)state;
}

static void live_both_actions_share_an_entry(void **state)
{
	struct block_live value;
	struct block_single deny = add("192.0.2.0/24", BLOCK_DENY, 1, 0);
	add("192.0.2.0/24", BLOCK_ALLOW, 2, 0);
	assert_int_equal(fixture.entries->count, 1);
	block_live_del(&fixture.live, BLOCK_DENY, &deny);
	assert_true(kernel_has("192.0.2.0/24", &value));
	assert_int_equal(value.action[BLOCK_DENY].list, 0);
	assert_int_equal(value.action[BLOCK_ALLOW].list, 2);
	(void)state;
}

static void live_prefix_of_two_owners_says_what_lasts_longer(void **state)
{
	struct block_live value;
	add("192.0.2.0/31", BLOCK_DENY, 1, 500);
	struct block_single longer = add("192.0.2.0-192.0.2.2", BLOCK_DENY, 2, 900);
	assert_true(kernel_has("192.0.2.0/31", &value));
	assert_int_equal(value.action[BLOCK_DENY].expires_ns, 900);
	block_live_del(&fixture.live, BLOCK_DENY, &longer);
	assert_true(kernel_has("192.0.2.0/31", &value));
	assert_int_equal(value.action[BLOCK_DENY].expires_ns, 500);
	assert_int_equal(value.action[BLOCK_DENY].list, 1);
	assert_false(kernel_has("192.0.2.2", &value));
	(void)state;
}

static void live_full_adds_nothing_of_a_range(void **state)
{
	fixture.live.limit = 5;
	add("10.0.0.0/8", BLOCK_DENY, 1, 0);
	add("10.0.0.0/9", BLOCK_DENY, 1, 0);
	struct block_live_owner owner = { BLOCK_DENY, 1, 1 };
	struct block_single single = { .range = range_of("192.0.2.1-192.0.2.6") };
	assert_int_equal(block_live_add(&fixture.live, &owner, &single), -ENOSPC);
	assert_int_equal(fixture.entries->count, 2);
	assert_int_equal(fixture.live.used, 2);
	(void)state;
}

static void live_refused_by_the_kernel_adds_nothing_of_a_range(void **state)
{
	fixture.entries->capacity = 2;
	struct block_live_owner owner = { BLOCK_DENY, 1, 1 };
	struct block_single single = { .range = range_of("192.0.2.1-192.0.2.6") };
	assert_int_equal(block_live_add(&fixture.live, &owner, &single), -ENOSPC);
	assert_int_equal(fixture.entries->count, 0);
	assert_int_equal(fixture.live.used, 0);
	(void)state;
}

static void live_v6_range_around_v4_touches_no_v4_entry(void **state)
{
	struct block_live value;
	struct weir_range range = range_of("::fffe:8000:0");
	range.to = range_of("::1:0:0:0").from;
	struct block_live_owner owner = { BLOCK_DENY, 1, 1 };
	struct block_single single = { .range = range };
	assert_int_equal(block_live_add(&fixture.live, &owner, &single), 0);
	assert_int_equal(written()->v4_count, 0);
	assert_false(kernel_has("0.0.0.0/0", &value));
	assert_true(kernel_has("::fffe:8000:0/97", &value));
	assert_true(kernel_has("::1:0:0:0", &value));
	(void)state;
}

static void live_adopted_stays_until_swept(void **state)
{
	struct block_live value;
	add("192.0.2.1", BLOCK_DENY, 1, 0);
	add("192.0.2.2", BLOCK_DENY, 1, 0);
	assert_int_equal(block_live_adopt(&fixture.live, fixture.entries, fixture.lengths), 0);
	struct weir_range known = range_of("192.0.2.2");
	assert_int_equal(block_live_adopted_hit(&fixture.live, &known, BLOCK_DENY, 1), 101);
	assert_int_equal(block_live_adopted_hit(&fixture.live, &known, BLOCK_DENY, 2), 0);
	add("192.0.2.2", BLOCK_DENY, 1, 0);
	assert_true(kernel_has("192.0.2.1", &value));
	block_live_sweep(&fixture.live);
	assert_false(kernel_has("192.0.2.1", &value));
	assert_true(kernel_has("192.0.2.2", &value));
	(void)state;
}

/*
 * A resized set_block is another map, while cfg_block is the same: the program that still runs asks
 * the old map by the lengths it always had.
 */
static void live_adopted_with_a_new_map_keeps_the_lengths_of_the_old_one(void **state)
{
	const struct block_lengths *lengths = (const void *)fixture.lengths->rows[0].value;
	struct weir_map *old = fixture.entries;
	add("192.0.2.1", BLOCK_DENY, 1, 0);
	add("2001:db8::/32", BLOCK_DENY, 1, 0);
	fixture.entries = fake_map_new(old->key_size, old->value_size, 10);
	assert_int_equal(block_live_adopt(&fixture.live, fixture.entries, fixture.lengths), 0);
	assert_int_equal(lengths->v4_count, 1);
	assert_int_equal(lengths->v4[0], 128);
	assert_int_equal(lengths->v6_count, 1);
	assert_int_equal(lengths->v6[0], 32);
	add("192.0.2.0/24", BLOCK_DENY, 1, 0);
	assert_int_equal(lengths->v4_count, 2);
	block_live_sweep(&fixture.live);
	for (int second = 0; second < 3; second++)
		block_live_tidy(&fixture.live);
	assert_int_equal(lengths->v4_count, 1);
	assert_int_equal(lengths->v4[0], 120);
	assert_int_equal(lengths->v6_count, 0);
	free(old);
	(void)state;
}

static void live_adopted_lengths_that_make_no_sense_are_written_anew(void **state)
{
	struct block_lengths *lengths = (void *)fixture.lengths->rows[0].value;
	add("192.0.2.1", BLOCK_DENY, 1, 0);
	fixture.lengths->wrote = NULL;
	lengths->v4_count = 200;
	assert_int_equal(block_live_adopt(&fixture.live, fixture.entries, fixture.lengths), 0);
	assert_int_equal(lengths->v4_count, 1);
	assert_int_equal(lengths->v4[0], 128);
	(void)state;
}

/* The model: owners in a row. What it says of a prefix is looked for from end to end. */
#define OWNERS 40

struct model_owner {
	bool is_there;
	enum block_action action;
	uint32_t list;
	struct block_single single;
};

static struct weir_range random_range(void)
{
	struct weir_range range = range_of(rand() % 2 ? "192.0.2.0" : "2001:db8::");
	unsigned from = (unsigned)rand() % 64, to = from + (unsigned)rand() % 16;
	range.from.bytes[15] = (uint8_t)from;
	range.to.bytes[15] = (uint8_t)to;
	return range;
}

static void check_addr(const struct model_owner *owners, const struct weir_addr *addr)
{
	for (int action = 0; action < BLOCK_VERDICTS; action++) {
		bool expected = false, found = false;
		for (int i = 0; i < OWNERS; i++)
			expected |= owners[i].is_there && (int)owners[i].action == action &&
				    weir_range_contains(&owners[i].single.range, addr);
		for (uint32_t i = 0; i < fixture.entries->count; i++) {
			const struct block_live_key *key =
				(const void *)fixture.entries->rows[i].key;
			const struct block_live *value =
				(const void *)fixture.entries->rows[i].value;
			struct weir_prefix prefix = { key->addr, (uint8_t)key->length };
			struct weir_range range;
			weir_prefix_to_range(&prefix, &range);
			found |= value->action[action].list && weir_range_contains(&range, addr);
		}
		assert_int_equal(found, expected);
	}
}

static void live_random_changes_agree_with_a_plain_list(void **state)
{
	struct model_owner owners[OWNERS] = { 0 };
	srand(77);
	for (int step = 0; step < 3000; step++) {
		struct model_owner *owner = &owners[rand() % OWNERS];
		if (owner->is_there) {
			block_live_del(&fixture.live, owner->action, &owner->single);
			owner->is_there = false;
		} else {
			*owner = (struct model_owner){ true,
						       (enum block_action)(rand() % 2),
						       1 + (uint32_t)rand() % 5,
						       { .range = random_range(),
							 .expires_ns = (uint64_t)rand() % 3 } };
			struct block_live_owner as = { owner->action, owner->list, 1 };
			assert_int_equal(block_live_add(&fixture.live, &as, &owner->single), 0);
		}
		if (rand() % 3 == 0)
			block_live_tidy(&fixture.live);
		struct weir_range probe = random_range();
		check_addr(owners, &probe.from);
		assert_int_equal(fixture.live.used, fixture.entries->count);
	}
	for (int i = 0; i < OWNERS; i++)
		if (owners[i].is_there)
			block_live_del(&fixture.live, owners[i].action, &owners[i].single);
	assert_int_equal(fixture.entries->count, 0);
	assert_int_equal(written()->v4_count + written()->v6_count, 0);
	(void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(live_range_becomes_the_fewest_prefixes),
		TEST(live_lengths_are_listed_longest_first),
		TEST(live_length_goes_after_its_last_entry),
		TEST(live_both_actions_share_an_entry),
		TEST(live_prefix_of_two_owners_says_what_lasts_longer),
		TEST(live_full_adds_nothing_of_a_range),
		TEST(live_refused_by_the_kernel_adds_nothing_of_a_range),
		TEST(live_v6_range_around_v4_touches_no_v4_entry),
		TEST(live_adopted_stays_until_swept),
		TEST(live_adopted_with_a_new_map_keeps_the_lengths_of_the_old_one),
		TEST(live_adopted_lengths_that_make_no_sense_are_written_anew),
		TEST(live_random_changes_agree_with_a_plain_list),
	};
	return cmocka_run_group_tests_name("block_live", tests, NULL, NULL);
}
