/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on lists, on an engine and maps in plain memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/block/block_fake_engine.h"

static void add_acts_at_once(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("block.add",
			 "{\"entry\":\"192.0.2.0/24\",\"note\":\"scanner\",\"ttl\":\"10m\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_string_equal(weir_json_str(weir_json_get(answer.json, "result"), ""), "added");
	assert_int_equal(number(&answer, "ttl_s"), 600);
	assert_int_equal(number(&answer, "revision"), 1);
	assert_int_equal(packet_meets("192.0.2.7"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.3.7"), -1);
	(void)state;
}

static void add_again_refreshes(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"10m\"}");
	_cleanup_answer_ struct answer longer =
		run_with("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1h\"}", NULL);
	assert_string_equal(weir_json_str(weir_json_get(longer.json, "result"), ""), "refreshed");
	_cleanup_answer_ struct answer stays =
		run_with("block.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_string_equal(weir_json_str(weir_json_get(stays.json, "result"), ""), "refreshed");
	_cleanup_answer_ struct answer same =
		run_with("block.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_string_equal(weir_json_str(weir_json_get(same.json, "result"), ""), "unchanged");
	assert_int_equal(entries->count, 1);
	(void)state;
}

static void add_with_lifetime_to_what_is_compiled_leaves_no_gap(void **state)
{
	_cleanup_answer_ struct answer imported = run_with("block.import", "{}", "192.0.2.1\n");
	assert_int_equal(imported.result, 0);
	assert_int_equal(entries->count, 0);
	engine.watched = "192.0.2.1";
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1h\"}");
	assert_int_equal(image.range_count, 0);
	assert_int_equal(engine.met_at_flip, BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	engine.watched = NULL;
	(void)state;
}

static void add_host_bits_are_told(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("block.add", "{\"entry\":\"192.0.2.7/24\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_string_equal(weir_json_str(weir_json_get(answer.json, "entry"), ""), "192.0.2.0/24");
	assert_int_equal(weir_json_size(weir_json_get(answer.json, "warnings")), 1);
	(void)state;
}

static void add_lifetime_out_of_bounds_is_refused(void **state)
{
	static const char *const wrong[] = { "0", "500ms", "4000d", "soon" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(wrong); i++) {
		_cleanup_buf_ struct weir_buf args = { 0 };
		weir_buf_addf(&args, "{\"entry\":\"192.0.2.1\",\"ttl\":\"%s\"}", wrong[i]);
		_cleanup_answer_ struct answer answer =
			run_with("block.add", weir_buf_str(&args), NULL);
		assert_int_equal(answer.result, -EINVAL);
	}
	assert_int_equal(entries->count, 0);
	(void)state;
}

static void add_to_full_live_set_is_refused_with_numbers(void **state)
{
	engine.section.live = 2;
	go_live();
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	_cleanup_answer_ struct answer answer =
		run_with("block.add", "{\"entry\":\"192.0.2.4-192.0.2.6\"}", NULL);
	assert_int_equal(answer.result, -ENOSPC);
	assert_non_null(strstr(answer.diag.entries[0].what, "1 of 2"));
	assert_int_equal(packet_meets("192.0.2.4"), -1);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.4"), -1);
	(void)state;
}

static void add_that_cannot_be_written_changes_nothing(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	_cleanup_buf_ struct weir_buf path = { 0 };
	weir_buf_addf(&path, "%s/block-runtime-deny.json", dir);
	assert_int_equal(unlink(weir_buf_str(&path)), 0);
	assert_int_equal(weir_file_make_dirs(weir_buf_str(&path), 0700), 0);
	_cleanup_answer_ struct answer answer =
		run_with("block.add", "{\"entry\":\"192.0.2.2\"}", NULL);
	assert_int_equal(answer.result, -EISDIR);
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	_cleanup_answer_ struct answer gone =
		run_with("block.del", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(gone.result, -EISDIR);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(rmdir(weir_buf_str(&path)), 0);
	(void)state;
}

static void add_refused_by_the_kernel_leaves_no_trace(void **state)
{
	entries->fail = -EIO;
	_cleanup_answer_ struct answer answer =
		run_with("block.add", "{\"entry\":\"192.0.2.2\"}", NULL);
	assert_int_equal(answer.result, -EIO);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	(void)state;
}

static void allow_wins_and_the_conflict_is_told(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\"}");
	_cleanup_answer_ struct answer answer =
		run_with("allow.add", "{\"entry\":\"192.0.2.7\"}", NULL);
	assert_int_equal(answer.diag.count, 1);
	assert_non_null(
		strstr(answer.diag.entries[0].what, "192.0.2.0/24 in deny list runtime-deny"));
	assert_int_equal(packet_meets("192.0.2.7"), BLOCK_ALLOW);
	assert_int_equal(packet_meets("192.0.2.8"), BLOCK_DENY);
	(void)state;
}

static void del_of_a_single_acts_at_once(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1-192.0.2.6\"}");
	_cleanup_answer_ struct answer answer =
		run_with("block.del", "{\"entry\":\"192.0.2.1-192.0.2.6\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "removed"), 1);
	assert_int_equal(entries->count, 0);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.3"), -1);
	(void)state;
}

static void del_of_a_folded_entry_recompiles(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\"}");
	go_live();
	_cleanup_answer_ struct answer early =
		run_with("block.del", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(early.result, 0);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	tick_after(2);
	run("block.del", "{\"entry\":\"192.0.2.2\"}");
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	(void)state;
}

static void del_of_what_is_covered_names_the_entry(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\"}");
	_cleanup_answer_ struct answer answer =
		run_with("block.del", "{\"entry\":\"192.0.2.7\"}", NULL);
	assert_int_equal(answer.result, -ENOENT);
	assert_non_null(strstr(answer.diag.entries[0].what, "192.0.2.0/24 of list runtime-deny"));
	(void)state;
}

static void lifetime_for_a_compiled_entry_takes_it_out_of_the_policy(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	go_live();
	tick_after(2);
	assert_int_equal(entries->count, 0);
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1m\"}");
	assert_int_equal(image.range_count, 0);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	tick_after(61);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	(void)state;
}

static void clear_empties_runtime_lists_of_the_action_only(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	run("allow.add", "{\"entry\":\"192.0.2.2\"}");
	_cleanup_answer_ struct answer import =
		run_with("block.import", "{\"list\":\"feed\"}", "10.0.0.0/8\n");
	_cleanup_answer_ struct answer answer = run_with("block.clear", "{}", NULL);
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "removed"), 2);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	assert_int_equal(packet_meets("10.1.1.1"), -1);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_ALLOW);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_ALLOW);
	(void)state;
}

static void list_name_of_the_other_action_is_refused(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"list\":\"mine\"}");
	_cleanup_answer_ struct answer answer =
		run_with("allow.add", "{\"entry\":\"192.0.2.1\",\"list\":\"mine\"}", NULL);
	assert_int_equal(answer.result, -EEXIST);
	(void)state;
}

static void list_matches_around_and_inside_and_pages(void **state)
{
	_cleanup_answer_ struct answer import =
		run_with("block.import", "{\"list\":\"feed\"}",
			 "10.0.0.0/8\n10.1.2.3\n10.1.0.0/16 # botnet\n192.0.2.1\n2001:db8::1\n");
	_cleanup_answer_ struct answer around =
		run_with("block.list", "{\"match\":\"10.1.0.0/16\"}", NULL);
	assert_int_equal(number(&around, "total"), 3);
	_cleanup_answer_ struct answer note = run_with("block.list", "{\"match\":\"BOT\"}", NULL);
	assert_int_equal(number(&note, "total"), 1);
	_cleanup_answer_ struct answer page =
		run_with("block.list", "{\"limit\":2,\"offset\":1}", NULL);
	assert_int_equal(number(&page, "total"), 5);
	assert_int_equal(number(&page, "shown"), 2);
	const struct weir_json *first = weir_json_at(weir_json_get(page.json, "entries"), 0);
	assert_string_equal(weir_json_str(weir_json_get(first, "entry"), ""), "10.1.0.0/16");
	(void)state;
}

static void configured_list_is_not_an_operations(void **state)
{
	struct block_list_config lists[] = {
		{ .name = (char *)"corp",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 2 },
	};
	configure(lists, 1);
	_cleanup_answer_ struct answer add =
		run_with("block.add", "{\"entry\":\"192.0.2.1\",\"list\":\"corp\"}", NULL);
	assert_int_equal(add.result, -EINVAL);
	_cleanup_answer_ struct answer del =
		run_with("block.del", "{\"entry\":\"10.0.0.0/8\"}", NULL);
	assert_int_equal(del.result, -ENOENT);
	assert_non_null(strstr(del.diag.entries[0].what, "part of the configuration"));
	_cleanup_answer_ struct answer clear = run_with("block.clear", "{}", NULL);
	assert_int_equal(clear.result, 0);
	assert_int_equal(weir_json_size(weir_json_get(clear.json, "warnings")), 1);
	assert_int_equal(packet_meets("10.1.1.1"), BLOCK_DENY);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(add_acts_at_once),
		TEST(add_again_refreshes),
		TEST(add_with_lifetime_to_what_is_compiled_leaves_no_gap),
		TEST(add_host_bits_are_told),
		TEST(add_lifetime_out_of_bounds_is_refused),
		TEST(add_to_full_live_set_is_refused_with_numbers),
		TEST(add_that_cannot_be_written_changes_nothing),
		TEST(add_refused_by_the_kernel_leaves_no_trace),
		TEST(allow_wins_and_the_conflict_is_told),
		TEST(del_of_a_single_acts_at_once),
		TEST(del_of_a_folded_entry_recompiles),
		TEST(del_of_what_is_covered_names_the_entry),
		TEST(lifetime_for_a_compiled_entry_takes_it_out_of_the_policy),
		TEST(clear_empties_runtime_lists_of_the_action_only),
		TEST(list_name_of_the_other_action_is_refused),
		TEST(list_matches_around_and_inside_and_pages),
		TEST(configured_list_is_not_an_operations),
	};
	return cmocka_run_group_tests_name("block_ops", tests, NULL, NULL);
}
