/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists on disk: what is written is read again, what cannot be used is kept aside. In a directory
 * of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "features/block/block_file.h"
#include "features/block/block_store.h"

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/weir-store-%d-XXXXXX", getpid());
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

static void write_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = weir_path_join(dir, name);
	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static bool exists(const char *name)
{
	_cleanup_free_ char *path = weir_path_join(dir, name);
	return access(path, F_OK) == 0;
}

static void append(struct block_list *list, const char *text, const char *note)
{
	struct weir_range range;
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, NULL), 0);
	assert_int_equal(block_set_append(&list->set, &range, note, note ? strlen(note) : 0), 0);
}

static void insert(struct block_list *list, const char *text, uint64_t until_ns)
{
	size_t index;
	struct block_single single = { .until_ns = until_ns };
	assert_int_equal(weir_range_from_string(text, strlen(text), &single.range, NULL, NULL), 0);
	assert_false(block_list_find_single(list, &single.range, &index));
	assert_int_equal(block_list_insert_single(list, index, &single), 0);
}

static void load(struct weir_diag *diag, struct block_lists *files, struct block_lists *runtime)
{
	assert_int_equal(block_store_load(dir, diag, files, runtime), 0);
}

static void file_has_an_entry_a_line(void **state)
{
	_cleanup_list_ struct block_list *list =
		block_list_new("feed", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	_cleanup_buf_ struct weir_buf text = { 0 };
	append(list, "192.0.2.0/24", NULL);
	append(list, "10.0.0.1", "a \"b\"");
	assert_int_equal(block_set_seal(&list->set, NULL), 0);
	insert(list, "2001:db8::1", 1893456000ull * WEIR_NS_PER_S);
	block_file_write(list, &text);
	assert_string_equal(
		weir_buf_str(&text),
		"{\"version\":1,\"name\":\"feed\",\"action\":\"deny\",\"origin\":\"runtime\","
		"\"entries\":[\n"
		"{\"entry\":\"10.0.0.1\",\"note\":\"a \\\"b\\\"\"},\n\"192.0.2.0/24\",\n"
		"{\"entry\":\"2001:db8::1\",\"until\":\"2030-01-01T00:00:00Z\"}\n]}\n");
	(void)state;
}

static void store_saved_list_loads_the_same(void **state)
{
	uint64_t hour = 3600 * WEIR_NS_PER_S;
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 }, none = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_list_ struct block_list *list =
		block_list_new("feed", BLOCK_ALLOW, BLOCK_FROM_RUNTIME);
	list->id = 9;
	list->hit = 33;
	append(list, "192.0.2.0/24", "quick");
	append(list, "192.0.2.1", "not \"quick\"");
	append(list, "192.0.2.2", NULL);
	assert_int_equal(block_set_seal(&list->set, NULL), 0);
	insert(list, "2001:db8::1", weir_clock_real_ns() + hour);
	insert(list, "2001:db8::2", weir_clock_real_ns() - hour);
	struct block_lists saved = { &list, 1 };
	assert_int_equal(block_store_save_index(dir, &none, &saved), 0);
	assert_int_equal(block_store_save_list(dir, list), 0);

	load(&diag, &files, &runtime);
	assert_int_equal(diag.count, 0);
	assert_int_equal(runtime.count, 1);
	const struct block_list *found = runtime.at[0];
	assert_string_equal(found->name, "feed");
	assert_int_equal(found->action, BLOCK_ALLOW);
	assert_int_equal(found->id, 9);
	assert_int_equal(found->hit, 33);
	struct block_entry entry;
	assert_int_equal(block_set_count(&found->set), 3);
	block_set_at(&found->set, BLOCK_V4, 0, &entry);
	assert_string_equal(entry.note, "quick");
	block_set_at(&found->set, BLOCK_V4, 1, &entry);
	assert_string_equal(entry.note, "not \"quick\"");
	block_set_at(&found->set, BLOCK_V4, 2, &entry);
	assert_null(entry.note);
	(void)state;
}

static void store_lifetime_goes_on_and_expired_entries_do_not_come_back(void **state)
{
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_list_ struct block_list *list =
		block_list_new("feed", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	uint64_t minute = 60 * WEIR_NS_PER_S;
	insert(list, "192.0.2.1", weir_clock_real_ns() + minute);
	insert(list, "192.0.2.2", weir_clock_real_ns() - minute);
	assert_int_equal(block_store_save_list(dir, list), 0);
	load(&diag, &files, &runtime);
	assert_int_equal(runtime.at[0]->single_count, 1);
	uint64_t left_ns = runtime.at[0]->singles[0].expires_ns - weir_clock_monotonic_ns();
	assert_in_range(left_ns, 55 * WEIR_NS_PER_S, minute);
	(void)state;
}

static void store_mended_by_hand_still_loads(void **state)
{
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	write_file("block-x.json", "{ \"version\": 1, \"name\": \"x\",\n \"action\": \"deny\", "
				   "\"origin\": \"runtime\",\n"
				   " \"entries\": [ \"192.0.2.1\", {\"note\": \"n\", \"entry\": "
				   "\"192.0.2.1\"} ] }");
	load(&diag, &files, &runtime);
	assert_int_equal(diag.count, 0);
	assert_int_equal(block_set_count(&runtime.at[0]->set), 1);
	(void)state;
}

static void store_damaged_list_is_kept_aside_and_the_rest_loads(void **state)
{
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	write_file("block-good.json", "{\"version\":1,\"name\":\"good\",\"action\":\"deny\","
				      "\"origin\":\"runtime\",\"entries\":[\n"
				      "\"192.0.2.1\"\n]}\n");
	write_file("block-bad.json", "{\"version\":1,\"name\":\"bad\",\"action\":\"deny\","
				     "\"origin\":\"runtime\",\"entries\":[\n"
				     "\"192.0.2.1\",\n\"192.0.2.300\"\n]}\n");
	write_file("block-cut.json", "{\"version\":1,\"name\":\"cut\",\"action\":\"deny\","
				     "\"origin\":\"runtime\",\"entries\":[\n\"19");
	load(&diag, &files, &runtime);
	assert_int_equal(runtime.count, 1);
	assert_string_equal(runtime.at[0]->name, "good");
	assert_int_equal(diag.count, 2);
	assert_int_equal(diag.errors, 0);
	assert_true(exists("block-bad.json.damaged-1") && exists("block-cut.json.damaged-1"));
	assert_false(exists("block-bad.json") || exists("block-cut.json"));
	(void)state;
}

static void store_damaged_entry_is_told_with_its_line(void **state)
{
	struct block_now now = block_now();
	struct block_list *list = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };
	static const char text[] = "{\"version\":1,\"name\":\"bad\",\"action\":\"deny\",\"origin\":"
				   "\"runtime\",\"entries\":[\n"
				   "\"192.0.2.1\",\n\"192.0.2.300\"\n]}\n";
	assert_int_equal(block_file_read(text, strlen(text), &now, &diag, &list), -EINVAL);
	assert_int_equal(diag.entries[0].line, 3);
	(void)state;
}

static void store_file_of_another_version_is_kept_aside(void **state)
{
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	write_file("block-new.json", "{\"version\":2,\"name\":\"new\",\"action\":\"deny\","
				     "\"origin\":\"runtime\",\"entries\":[\n]}\n");
	load(&diag, &files, &runtime);
	assert_int_equal(runtime.count, 0);
	assert_int_equal(diag.count, 1);
	assert_non_null(strstr(diag.entries[0].what, "version 2"));
	assert_true(exists("block-new.json.damaged-1"));
	(void)state;
}

static void store_damaged_index_loses_no_list(void **state)
{
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	write_file("block.json", "{\"version\":1,\"lists\":[{\"name\":7}]}");
	write_file("block-x.json", "{\"version\":1,\"name\":\"x\",\"action\":\"deny\",\"origin\":"
				   "\"runtime\",\"entries\":[\n]}\n");
	load(&diag, &files, &runtime);
	assert_int_equal(runtime.count, 1);
	assert_int_equal(runtime.at[0]->id, 0);
	assert_true(exists("block.json.damaged-1"));
	(void)state;
}

static void store_index_remembers_counters_of_entries(void **state)
{
	_cleanup_lists_ struct block_lists files = { 0 }, runtime = { 0 }, none = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_list_ struct block_list *list =
		block_list_new("counted", BLOCK_DENY, BLOCK_FROM_FILE);
	list->id = 4;
	list->hit = 5;
	append(list, "192.0.2.1", NULL);
	append(list, "2001:db8::1", NULL);
	assert_int_equal(block_set_seal(&list->set, NULL), 0);
	list->has_entry_hits = true;
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		list->entry_hits[family] = calloc(1, sizeof(uint32_t));
		list->entry_hits[family][0] = 70 + (uint32_t)family;
	}
	struct block_lists saved = { &list, 1 };
	assert_int_equal(block_store_save_index(dir, &saved, &none), 0);
	load(&diag, &files, &runtime);
	assert_int_equal(files.count, 1);
	assert_int_equal(files.at[0]->id, 4);
	assert_true(files.at[0]->has_entry_hits);
	assert_int_equal(files.at[0]->entry_hits[BLOCK_V4][0], 70);
	assert_int_equal(files.at[0]->entry_hits[BLOCK_V6][0], 71);
	(void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_has_an_entry_a_line),
		TEST(store_saved_list_loads_the_same),
		TEST(store_lifetime_goes_on_and_expired_entries_do_not_come_back),
		TEST(store_mended_by_hand_still_loads),
		TEST(store_damaged_list_is_kept_aside_and_the_rest_loads),
		TEST(store_damaged_entry_is_told_with_its_line),
		TEST(store_file_of_another_version_is_kept_aside),
		TEST(store_damaged_index_loses_no_list),
		TEST(store_index_remembers_counters_of_entries),
	};
	return cmocka_run_group_tests_name("block_store", tests, NULL, NULL);
}
