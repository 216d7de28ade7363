/* SPDX-License-Identifier: Apache-2.0 */
/* Imports: all or nothing, and what they say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/block/block_fake_engine.h"

static void import_goes_live_whole(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("block.import", "{\"list\":\"feed\"}",
			 "192.0.2.1\n192.0.2.1\n10.0.0.0/8\n2001:db8::/32\n");
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "read"), 4);
	assert_int_equal(number(&answer, "added"), 3);
	assert_int_equal(number(&answer, "duplicates"), 1);
	assert_int_equal(number(&answer, "entries_v4"), 2);
	assert_int_equal(number(&answer, "entries_v6"), 1);
	assert_int_equal(packet_meets("10.9.9.9"), BLOCK_DENY);
	restart();
	go_live();
	assert_int_equal(packet_meets("2001:db8::7"), BLOCK_DENY);
	(void)state;
}

static void import_with_a_wrong_line_changes_nothing(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\nnonsense\n");
	assert_int_equal(answer.result, -EINVAL);
	assert_int_equal(answer.diag.entries[0].line, 2);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	_cleanup_answer_ struct answer lists = run_with("block.lists", "{}", NULL);
	assert_int_equal(weir_json_size(weir_json_get(lists.json, "lists")), 0);
	(void)state;
}

static void import_replace_drops_what_is_not_in_the_file(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.9\",\"list\":\"feed\",\"ttl\":\"1h\"}");
	_cleanup_answer_ struct answer first =
		run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n192.0.2.2\n");
	_cleanup_answer_ struct answer second = run_with(
		"block.import", "{\"list\":\"feed\",\"replace\":true}", "192.0.2.2\n192.0.2.3\n");
	assert_int_equal(second.result, 0);
	assert_int_equal(number(&second, "added"), 1);
	assert_int_equal(number(&second, "replaced"), 2);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	assert_int_equal(packet_meets("192.0.2.9"), -1);
	assert_int_equal(packet_meets("192.0.2.3"), BLOCK_DENY);
	(void)state;
}

static void import_with_lifetime_needs_room_in_the_live_set(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	for (int i = 0; i < 65; i++)
		weir_buf_addf(&text, "10.0.%d.1\n", i);
	_cleanup_answer_ struct answer full =
		run_with("block.import", "{\"list\":\"feed\",\"ttl\":\"1h\"}", weir_buf_str(&text));
	assert_int_equal(full.result, -ENOSPC);
	assert_int_equal(entries->count, 0);
	_cleanup_answer_ struct answer fits = run_with(
		"block.import", "{\"list\":\"feed\",\"ttl\":\"1h\"}", "192.0.2.1\n192.0.2.2\n");
	assert_int_equal(fits.result, 0);
	assert_int_equal(entries->count, 2);
	assert_int_equal(image.range_count, 0);
	(void)state;
}

static void import_past_the_ceiling_is_refused_with_numbers(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	for (int i = 0; i < 101; i++)
		weir_buf_addf(&text, "10.0.%d.1\n", i);
	_cleanup_answer_ struct answer answer =
		run_with("block.import", "{\"list\":\"feed\"}", weir_buf_str(&text));
	assert_int_equal(answer.result, -E2BIG);
	assert_non_null(strstr(answer.diag.entries[0].what, "101 IPv4 entries"));
	assert_non_null(strstr(answer.diag.entries[0].what, "100 are allowed"));
	(void)state;
}

static void import_that_fails_late_gives_its_counter_back(void **state)
{
	struct block_state *block = engine.state;
	engine.fail_persist = -EIO;
	_cleanup_answer_ struct answer failed =
		run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n");
	assert_int_equal(failed.result, -EIO);
	engine.fail_persist = 0;
	go_live();
	assert_false(block_slots_is_used(&block->slots, 1));
	_cleanup_answer_ struct answer answer =
		run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n");
	assert_int_equal(block->runtime.at[0]->hit, 1);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(import_goes_live_whole),
		TEST(import_with_a_wrong_line_changes_nothing),
		TEST(import_replace_drops_what_is_not_in_the_file),
		TEST(import_with_lifetime_needs_room_in_the_live_set),
		TEST(import_past_the_ceiling_is_refused_with_numbers),
		TEST(import_that_fails_late_gives_its_counter_back),
	};
	return cmocka_run_group_tests_name("block_import", tests, NULL, NULL);
}
