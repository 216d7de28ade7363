/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to lists as policies go live, time passes and the daemon starts again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/block/block_fake_engine.h"

static void fold_moves_permanent_singles_into_the_policy(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"note\":\"n\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	go_live();
	assert_int_equal(entries->count, 2);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	tick_after(2);
	assert_int_equal(entries->count, 1);
	assert_int_equal(image.range_count, 1);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_DENY);
	_cleanup_answer_ struct answer answer = run_with("block.list", "{}", NULL);
	assert_int_equal(number(&answer, "total"), 2);
	(void)state;
}

static void fold_waits_while_packets_may_still_use_the_old_policy(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	go_live();
	tick_after(0);
	assert_int_equal(entries->count, 1);
	_cleanup_answer_ struct answer answer = run_with("block.list", "{}", NULL);
	assert_int_equal(number(&answer, "total"), 1);
	(void)state;
}

static void tick_waits_while_a_change_is_under_way(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1s\"}");
	engine.is_busy = true;
	tick_after(5);
	assert_int_equal(entries->count, 1);
	engine.is_busy = false;
	tick_after(5);
	assert_int_equal(entries->count, 0);
	(void)state;
}

static void expired_entry_leaves_map_list_and_file(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1s\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	tick_after(60);
	assert_int_equal(entries->count, 1);
	_cleanup_buf_ struct weir_buf path = { 0 }, text = { 0 };
	weir_buf_addf(&path, "%s/block-runtime-deny.json", dir);
	assert_int_equal(weir_file_read(weir_buf_str(&path), 10000, &text), 0);
	assert_null(strstr(weir_buf_str(&text), "192.0.2.1\""));
	assert_non_null(strstr(weir_buf_str(&text), "192.0.2.2\""));
	(void)state;
}

static void restart_never_lifts_a_block(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	restart();
	tick_after(5);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_DENY);
	go_live();
	tick_after(5);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_DENY);
	assert_int_equal(entries->count, 1);
	(void)state;
}

static void restart_keeps_counters(void **state)
{
	struct block_state *block = engine.state;
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	uint32_t slot = block->runtime.at[0]->singles[0].hit;
	struct weir_count count = { 5, 500 };
	assert_int_equal(weir_map_set(hits, &slot, &count), 0);
	restart();
	go_live();
	_cleanup_answer_ struct answer answer = run_with("block.list", "{}", NULL);
	const struct weir_json *found =
		weir_json_get(weir_json_at(weir_json_get(answer.json, "entries"), 0), "hits");
	assert_int_equal(weir_json_int(weir_json_get(found, "packets"), -1), 5);
	(void)state;
}

static void expired_entry_leaves_its_hits_to_the_list(void **state)
{
	struct block_state *block = engine.state;
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1s\"}");
	uint32_t slot = block->runtime.at[0]->singles[0].hit;
	struct weir_count count = { 5, 500 };
	assert_int_equal(weir_map_set(hits, &slot, &count), 0);
	tick_after(5);
	assert_int_equal(block_list_hits(&block->slots, block->runtime.at[0]).packets, 5);
	run("block.add", "{\"entry\":\"192.0.2.3\"}");
	assert_int_equal(block->runtime.at[0]->singles[0].hit, slot);
	block_slots_read(&block->slots);
	assert_int_equal(block_list_hits(&block->slots, block->runtime.at[0]).packets, 5);
	(void)state;
}

static void configured_list_keeps_id_and_counter(void **state)
{
	struct block_state *block = engine.state;
	struct block_list_config lists[] = {
		{ .name = (char *)"one",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 2 },
		{ .name = (char *)"two",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 1,
		  .hits = true },
	};
	configure(lists, 2);
	uint32_t id = block->files.at[1]->id, slot = block->files.at[1]->entry_hits[BLOCK_V4][0];
	configure(lists + 1, 1);
	assert_int_equal(block->files.count, 1);
	assert_int_equal(block->files.at[0]->id, id);
	assert_int_equal(block->files.at[0]->entry_hits[BLOCK_V4][0], slot);
	restart();
	block = engine.state;
	configure(lists + 1, 1);
	assert_int_equal(block->files.at[0]->id, id);
	assert_int_equal(block->files.at[0]->entry_hits[BLOCK_V4][0], slot);
	(void)state;
}

static void class_takes_the_lowest_list_and_its_smallest_range(void **state)
{
	struct block_list_config lists[] = {
		{ .name = (char *)"one",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 2,
		  .hits = true },
		{ .name = (char *)"two",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 2 },
		{ .name = (char *)"good",
		  .action = BLOCK_ALLOW,
		  .entries = config_entries,
		  .entry_count = 1 },
	};
	struct weir_compile compile = { .config = &engine.config,
					.section = &engine.section,
					.state = engine.state,
					.image = &image };
	struct block_state *block = engine.state;
	configure(lists, 3);
	assert_int_equal(compile_into(&image, NULL, NULL), 0);
	/* All labels hold 10.1.0.0; tags come in ascending order. */
	static const uint32_t order[] = { 2, 3, 0, 1 };
	for (size_t i = 0; i < 4; i++)
		image.views[image.view_count++] =
			(struct weir_label_view){ &weir_block, image.tags[order[i]] };
	assert_int_equal(weir_block.classes(&compile), 0);
	assert_int_equal(image.classes[1].action[BLOCK_DENY].list, block->files.at[0]->id);
	/* Entry 0 in order of addresses is the /8, entry 1 the /16. */
	assert_int_equal(image.classes[1].action[BLOCK_DENY].hit,
			 block->files.at[0]->entry_hits[BLOCK_V4][1]);
	assert_int_equal(image.classes[1].action[BLOCK_ALLOW].list, block->files.at[2]->id);
	assert_int_equal(image.classes[1].action[BLOCK_ALLOW].hit, block->files.at[2]->hit);
	(void)state;
}

static void describe_names_list_entry_and_note(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\",\"note\":\"scanner\"}");
	struct block_state *block = engine.state;
	struct weir_verdict verdict = { .list = block->runtime.at[0]->id,
					.direction = WEIR_EGRESS };
	assert_int_equal(weir_addr_from_string("192.0.2.7", 9, &verdict.dst), 0);
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_block.describe(engine.state, &verdict, &json);
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&text), "{\"list\":\"runtime-deny\",\"action\":\"deny\","
						 "\"entry\":\"192.0.2.0/24\","
						 "\"note\":\"scanner\"}");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fold_moves_permanent_singles_into_the_policy),
		TEST(fold_waits_while_packets_may_still_use_the_old_policy),
		TEST(tick_waits_while_a_change_is_under_way),
		TEST(expired_entry_leaves_map_list_and_file),
		TEST(restart_never_lifts_a_block),
		TEST(restart_keeps_counters),
		TEST(expired_entry_leaves_its_hits_to_the_list),
		TEST(configured_list_keeps_id_and_counter),
		TEST(class_takes_the_lowest_list_and_its_smallest_range),
		TEST(describe_names_list_entry_and_note),
	};
	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
