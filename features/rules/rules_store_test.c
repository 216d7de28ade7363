/* SPDX-License-Identifier: Apache-2.0 */
/* rules.json: what is written is read again, what cannot be used is kept aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "features/rules/rules_store.h"
#include "features/rules/rules_text.h"

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/weir-rules-store-%d-XXXXXX", getpid());
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	_cleanup_closedir_ DIR *opened = opendir(dir);
	for (struct dirent *entry; opened && (entry = readdir(opened));) {
		_cleanup_free_ char *path = weir_path_join(dir, entry->d_name);
		unlink(path);
	}
	(void)state;
	return rmdir(dir);
}

static void write_file(const char *text)
{
	_cleanup_free_ char *path = weir_path_join(dir, "rules.json");
	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static bool is_kept_aside(void)
{
	_cleanup_free_ char *path = weir_path_join(dir, "rules.json.damaged-1");
	return access(path, F_OK) == 0;
}

/* Reads the file; gives how many rules it has. */
static uint32_t load(struct rules_list *list, struct rules_index *rows, bool *ret_is_damaged)
{
	struct weir_diag diag = { 0 };
	*ret_is_damaged = false;
	assert_int_equal(rules_store_load(dir, &diag, list, rows, ret_is_damaged), 0);
	assert_int_equal(diag.errors, 0);
	assert_int_equal(diag.count, *ret_is_damaged);
	weir_diag_done(&diag);
	return list->count;
}

static void read_rule(const char *text, struct rules_entry *entry)
{
	_cleanup_json_ struct weir_json *json = NULL;
	assert_int_equal(weir_json_parse(text, strlen(text), NULL, NULL, &json), 0);
	assert_int_equal(rules_text_get(json, NULL, &entry->text), 0);
}

static void what_is_saved_is_loaded(void **state)
{
	_cleanup_rules_list_ struct rules_list list = { .named = 7 }, again = { 0 };
	_cleanup_index_ struct rules_index rows = { 0 }, rows_again = { 0 };
	struct rules_entry entry = { .where = RULES_AFTER, .anchor = strdup("ssh") };
	uint32_t row = 0;
	bool is_damaged;
	read_rule("{\"name\":\"a\",\"action\":\"mark\",\"mark\":\"0x10\",\"src\":\"not office\","
		  "\"tcp-flags\":\"syn/syn,ack\",\"direction\":\"egress\",\"log\":true,"
		  "\"enabled\":false,\"comment\":\"\\u00e9 \\\"x\\\"\"}",
		  &entry);
	assert_int_equal(rules_list_insert(&list, 0, &entry), 0);
	assert_int_equal(rules_index_set(&rows, 0xfedcba9876543210, 31), 0);
	assert_int_equal(rules_store_save(dir, &list, &rows), 0);

	assert_int_equal(load(&again, &rows_again, &is_damaged), 1);
	assert_false(is_damaged);
	assert_int_equal(again.named, 7);
	const struct rules_entry *got = &again.at[0];
	assert_int_equal(got->where, RULES_AFTER);
	assert_string_equal(got->anchor, "ssh");
	assert_string_equal(got->text.name, "a");
	assert_string_equal(got->text.src, "not office");
	assert_string_equal(got->text.tcp_flags, "syn/syn,ack");
	assert_string_equal(got->text.mark, "0x10");
	assert_string_equal(got->text.comment, "\xc3\xa9 \"x\"");
	assert_int_equal(got->text.action, RULES_MARK);
	assert_int_equal(got->text.direction, RULES_OUT);
	assert_true(got->text.log);
	assert_false(got->text.enabled);
	assert_null(got->text.dst);
	assert_true(rules_index_get(&rows_again, 0xfedcba9876543210, &row));
	assert_int_equal(row, 31);
	(void)state;
}

static void absent_file_is_no_damage(void **state)
{
	_cleanup_rules_list_ struct rules_list list = { 0 };
	_cleanup_index_ struct rules_index rows = { 0 };
	bool is_damaged;
	assert_int_equal(load(&list, &rows, &is_damaged), 0);
	assert_false(is_damaged);
	(void)state;
}

#define GOOD "{\"place\":\"last\",\"name\":\"good\",\"action\":\"deny\"}"

static void damage_leaves_what_is_good(void **state)
{
	static const struct {
		const char *text;
		uint32_t rules;
	} files[] = {
		{ "", 0 },
		{ "{\"version\":1,", 0 },
		{ "{\"version\":9,\"rules\":[" GOOD "]}", 0 },
		{ "{\"version\":1,\"rules\":[" GOOD "," GOOD "]}", 1 },
		{ "{\"version\":1,\"rules\":[{\"place\":\"last\",\"action\":\"deny\"}," GOOD "]}",
		  1 },
		{ "{\"version\":1,\"rules\":[{\"name\":\"x\",\"action\":\"deny\"}," GOOD "]}", 1 },
		{ "{\"version\":1,\"rules\":[{\"place\":\"before\",\"name\":\"x\","
		  "\"action\":\"deny\"}," GOOD "]}",
		  1 },
		{ "{\"version\":1,\"rules\":[{\"place\":\"last\",\"name\":\"x\","
		  "\"action\":\"drop\"}," GOOD "]}",
		  1 },
		{ "{\"version\":1,\"rules\":[{\"place\":\"last\",\"name\":\"x\",\"dport\":\"y\","
		  "\"action\":\"deny\"}," GOOD "]}",
		  1 },
		{ "{\"version\":1,\"rules\":[" GOOD "],\"rows\":{\"01\":5,\"02\":5}}", 1 },
		{ "{\"version\":1,\"rules\":[" GOOD "],\"rows\":{\"01\":32768}}", 1 },
		{ "{\"version\":1,\"rules\":[" GOOD "],\"rows\":{\"x\":1}}", 1 },
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(files); i++) {
		_cleanup_rules_list_ struct rules_list list = { 0 };
		_cleanup_index_ struct rules_index rows = { 0 };
		_cleanup_free_ char *aside = weir_path_join(dir, "rules.json.damaged-1");
		bool is_damaged;
		write_file(files[i].text);
		if (load(&list, &rows, &is_damaged) != files[i].rules || !is_damaged ||
		    !is_kept_aside() || rows.count)
			fail_msg("'%s' was taken otherwise", files[i].text);
		unlink(aside);
	}
	(void)state;
}

static void no_directory_keeps_nothing(void **state)
{
	_cleanup_rules_list_ struct rules_list list = { 0 };
	_cleanup_index_ struct rules_index rows = { 0 };
	bool is_damaged = false;
	assert_int_equal(rules_store_save(NULL, &list, &rows), 0);
	assert_int_equal(rules_store_load(NULL, NULL, &list, &rows, &is_damaged), 0);
	assert_false(is_damaged);
	(void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_is_loaded),
		TEST(absent_file_is_no_damage),
		TEST(damage_leaves_what_is_good),
		TEST(no_directory_keeps_nothing),
	};
	return cmocka_run_group_tests_name("rules_store", tests, NULL, NULL);
}
