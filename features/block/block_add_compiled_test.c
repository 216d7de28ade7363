/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: lists whose entries go straight into the compiled policy and decide about no packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/block/block_fake_engine.h"

static const char *text_of(const struct answer *answer, const char *key)
{
	return weir_json_str(weir_json_get(answer->json, key), "");
}

static size_t warnings_of(const struct answer *answer)
{
	return weir_json_size(weir_json_get(answer->json, "warnings"));
}

static void add_is_in_the_policy_when_it_returns(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("set.add", "{\"entry\":\"192.0.2.0/24\",\"note\":\"n\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_string_equal(text_of(&answer, "list"), "runtime-set");
	assert_string_equal(text_of(&answer, "action"), "set");
	assert_string_equal(text_of(&answer, "result"), "added");
	assert_true(set_has("runtime-set", "192.0.2.7"));
	assert_false(set_has("runtime-set", "192.0.3.7"));
	assert_int_equal(entries->count, 0);
	assert_int_equal(packet_meets("192.0.2.7"), -1);
	_cleanup_answer_ struct answer shown = run_with("set.list", "{}", NULL);
	const struct weir_json *first = weir_json_at(weir_json_get(shown.json, "entries"), 0);
	assert_int_equal(number(&shown, "total"), 1);
	assert_string_equal(weir_json_str(weir_json_get(first, "note"), ""), "n");
	(void)state;
}

static void add_joins_what_the_set_has(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\",\"list\":\"office\"}");
	run("set.add", "{\"entry\":\"2001:db8::/32\",\"list\":\"office\"}");
	run("set.add", "{\"entry\":\"192.0.2.2\",\"list\":\"home\"}");
	assert_true(set_has("office", "192.0.2.1") && set_has("office", "2001:db8::1"));
	assert_false(set_has("office", "192.0.2.2"));
	assert_true(set_has("home", "192.0.2.2"));
	(void)state;
}

static void add_again_changes_the_note_alone(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\"}");
	_cleanup_answer_ struct answer same =
		run_with("set.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_string_equal(text_of(&same, "result"), "unchanged");
	assert_int_equal(number(&same, "revision"), 1);
	_cleanup_answer_ struct answer noted =
		run_with("set.add", "{\"entry\":\"192.0.2.1\",\"note\":\"printer\"}", NULL);
	assert_string_equal(text_of(&noted, "result"), "refreshed");
	assert_int_equal(image.range_count, 1);
	(void)state;
}

static void add_that_cannot_be_written_leaves_no_set(void **state)
{
	engine.fail_persist = -ENOSPC;
	_cleanup_answer_ struct answer answer =
		run_with("set.add", "{\"entry\":\"192.0.2.1\",\"list\":\"office\"}", NULL);
	assert_int_equal(answer.result, -ENOSPC);
	assert_false(set_has("office", "192.0.2.1"));
	engine.fail_persist = 0;
	_cleanup_answer_ struct answer lists = run_with("set.lists", "{}", NULL);
	assert_int_equal(weir_json_size(weir_json_get(lists.json, "lists")), 0);
	(void)state;
}

static void del_is_out_of_the_policy_when_it_returns(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\"}");
	run("set.add", "{\"entry\":\"192.0.2.2\"}");
	run("set.del", "{\"entry\":\"192.0.2.1\"}");
	assert_false(set_has("runtime-set", "192.0.2.1"));
	assert_true(set_has("runtime-set", "192.0.2.2"));
	_cleanup_answer_ struct answer gone =
		run_with("set.del", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(gone.result, -ENOENT);
	assert_string_equal(gone.diag.entries[0].what, "192.0.2.1 is on no set list");
	assert_string_equal(gone.diag.entries[0].mend, "see `weir set list`");
	(void)state;
}

/* An emptied set keeps its name, so that rules which use it still compile; a cleared one goes. */
static void last_entry_leaves_the_name_and_clear_takes_it(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\",\"list\":\"office\"}");
	run("set.del", "{\"entry\":\"192.0.2.1\"}");
	assert_int_equal(image.label_count, 1);
	assert_string_equal(image.names[0], "office");
	run("set.clear", "{}");
	assert_int_equal(image.label_count, 0);
	(void)state;
}

static void restart_keeps_sets(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\",\"note\":\"printer\"}");
	struct block_state *block = engine.state;
	uint32_t id = block->runtime.at[0]->id;
	restart();
	go_live();
	tick_after(5);
	block = engine.state;
	assert_int_equal(block->runtime.at[0]->id, id);
	assert_int_equal(block->runtime.at[0]->action, BLOCK_SET);
	assert_int_equal(block->runtime.at[0]->hit, 0);
	assert_true(set_has("runtime-set", "192.0.2.1"));
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	(void)state;
}

static void file_with_an_entry_that_expires_is_kept_aside(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\"}");
	_cleanup_buf_ struct weir_buf path = { 0 };
	weir_buf_addf(&path, "%s/block-runtime-set.json", dir);
	static const char text[] = "{\"version\":1,\"name\":\"runtime-set\",\"action\":\"set\","
				   "\"origin\":\"runtime\",\"entries\":[{\"entry\":\"192.0.2.1\","
				   "\"until\":\"2500-01-01T00:00:00Z\"}]}\n";
	assert_int_equal(weir_file_replace(weir_buf_str(&path), text, sizeof(text) - 1, 0600), 0);
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_block.state_free(engine.state);
	assert_int_equal(weir_block.state_new(&engine, dir, &diag, &engine.state), 0);
	assert_int_equal(diag.count, 1);
	assert_non_null(strstr(diag.entries[0].what, "an entry of a set does not expire"));
	(void)state;
}

static void lifetime_is_refused(void **state)
{
	_cleanup_answer_ struct answer add =
		run_with("set.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"10m\"}", NULL);
	assert_int_equal(add.result, -EINVAL);
	assert_string_equal(add.diag.entries[0].key, "ttl");
	assert_string_equal(add.diag.entries[0].mend,
			    "leave it out, and delete the entry when its time is over");
	_cleanup_answer_ struct answer import =
		run_with("set.import", "{\"ttl\":\"10m\"}", "192.0.2.1\n");
	assert_int_equal(import.result, -EINVAL);
	assert_false(set_has("runtime-set", "192.0.2.1"));
	(void)state;
}

static void import_of_an_entry_that_expires_is_refused_with_its_place(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("set.import", "{}", "entry,note,ttl\n192.0.2.1,,\n192.0.2.2,,10m\n");
	assert_int_equal(answer.result, -EINVAL);
	assert_int_equal(answer.diag.entries[0].line, 3);
	assert_int_equal(answer.diag.entries[0].column, 12);
	assert_string_equal(answer.diag.entries[0].what, "an entry of a set does not expire");
	assert_false(set_has("runtime-set", "192.0.2.1"));
	(void)state;
}

static void import_replaces_the_set(void **state)
{
	run("set.add", "{\"entry\":\"192.0.2.1\",\"list\":\"office\"}");
	_cleanup_answer_ struct answer answer =
		run_with("set.import", "{\"list\":\"office\",\"replace\":true}",
			 "192.0.2.2\n2001:db8::/32\n");
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "added"), 2);
	assert_int_equal(number(&answer, "replaced"), 1);
	assert_false(set_has("office", "192.0.2.1"));
	assert_true(set_has("office", "192.0.2.2"));
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	(void)state;
}

static void set_contradicts_no_list(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\"}");
	_cleanup_answer_ struct answer add = run_with("set.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(warnings_of(&add), 0);
	_cleanup_answer_ struct answer import = run_with("set.import", "{}", "192.0.2.2\n");
	assert_int_equal(number(&import, "conflicts"), 0);
	_cleanup_answer_ struct answer deny =
		run_with("block.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(warnings_of(&deny), 0);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	(void)state;
}

static void name_of_a_deny_list_is_refused(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"list\":\"mine\"}");
	_cleanup_answer_ struct answer answer =
		run_with("set.add", "{\"entry\":\"192.0.2.2\",\"list\":\"mine\"}", NULL);
	assert_int_equal(answer.result, -EEXIST);
	assert_string_equal(answer.diag.entries[0].what,
			    "the list 'mine' exists and is of action deny");
	(void)state;
}

static void every_label_bears_the_name_of_its_list(void **state)
{
	struct block_list_config lists[] = {
		{ .name = (char *)"counted",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 2,
		  .hits = true },
		{ .name = (char *)"office",
		  .action = BLOCK_SET,
		  .entries = config_entries,
		  .entry_count = 2 },
	};
	configure(lists, 2);
	run("allow.add", "{\"entry\":\"192.0.2.1\",\"list\":\"good\"}");
	go_live();
	assert_int_equal(image.label_count, 4);
	assert_string_equal(image.names[0], "counted");
	assert_string_equal(image.names[1], "counted");
	assert_string_equal(image.names[2], "office");
	assert_string_equal(image.names[3], "good");
	(void)state;
}

static void class_has_no_column_for_a_set(void **state)
{
	struct block_list_config lists[] = {
		{ .name = (char *)"office",
		  .action = BLOCK_SET,
		  .entries = config_entries,
		  .entry_count = 1 },
		{ .name = (char *)"bad",
		  .action = BLOCK_DENY,
		  .entries = config_entries,
		  .entry_count = 1 },
	};
	struct block_class expected = { 0 }, nothing = { 0 };
	struct weir_compile compile = { .config = &engine.config,
					.section = &engine.section,
					.state = engine.state,
					.image = &image };
	struct block_state *block = engine.state;
	configure(lists, 2);
	image.views[image.view_count++] = (struct weir_label_view){ &weir_block, image.tags[0], 1 };
	assert_int_equal(weir_block.classes(&compile), 0);
	assert_memory_equal(&image.classes[1], &expected, sizeof(expected));
	image.views[image.view_count++] = (struct weir_label_view){ &weir_block, image.tags[1], 2 };
	assert_int_equal(weir_block.classes(&compile), 0);
	assert_memory_equal(&image.beyond, &nothing, sizeof(nothing));
	expected.action[BLOCK_DENY].list = block->files.at[1]->id;
	expected.action[BLOCK_DENY].hit = block->files.at[1]->hit;
	assert_memory_equal(&image.classes[1], &expected, sizeof(expected));
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(add_is_in_the_policy_when_it_returns),
		TEST(add_joins_what_the_set_has),
		TEST(add_again_changes_the_note_alone),
		TEST(add_that_cannot_be_written_leaves_no_set),
		TEST(del_is_out_of_the_policy_when_it_returns),
		TEST(last_entry_leaves_the_name_and_clear_takes_it),
		TEST(restart_keeps_sets),
		TEST(file_with_an_entry_that_expires_is_kept_aside),
		TEST(lifetime_is_refused),
		TEST(import_of_an_entry_that_expires_is_refused_with_its_place),
		TEST(import_replaces_the_set),
		TEST(set_contradicts_no_list),
		TEST(name_of_a_deny_list_is_refused),
		TEST(every_label_bears_the_name_of_its_list),
		TEST(class_has_no_column_for_a_set),
	};
	return cmocka_run_group_tests_name("block_add_compiled", tests, NULL, NULL);
}
