/* SPDX-License-Identifier: Apache-2.0 */
/* Files of parts: what is written is read again; what is damaged is put aside and told of. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/kept.h"

#define PATH_BYTES 96

static const struct weir_kept kept = {
	.file = "numbers.json",
	.version = 3,
	.bytes_max = 200,
	.rest = "the rest is counted",
	.cure = "count again",
};

static char dir[PATH_BYTES], path[PATH_BYTES], aside[PATH_BYTES];

struct numbers {
	int64_t at[8];
	size_t count;
};

static int dir_make(void **state)
{
	snprintf(dir, 40, "/tmp/weir-kept-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%.40s/numbers.json", dir);
	snprintf(aside, sizeof(aside), "%.40s/numbers.json.damaged-1", dir);
	return 0;
}

static int dir_remove(void **state)
{
	unlink(path);
	unlink(aside);
	return rmdir(dir);
}

static void numbers_put(struct weir_json_out *json, const void *arg)
{
	const struct numbers *numbers = arg;

	weir_json_open_array(json, "numbers");
	for (size_t i = 0; i < numbers->count; i++)
		weir_json_put_int(json, NULL, numbers->at[i]);
	weir_json_close_array(json);
}

static int number_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	struct numbers *numbers = arg;
	int64_t number = weir_json_int(json, -1);

	weir_diag_warning(why, NULL, "told when it came");
	if (number == 99)
		return -ENOMEM;
	if (number < 0 || numbers->count == 8)
		return weir_diag_error(why, NULL, "no number");
	numbers->at[numbers->count++] = number;
	return 0;
}

static int numbers_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	return weir_kept_each(json, "numbers", number_read, arg, why);
}

static void put_file(const char *text)
{
	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static void what_is_saved_is_loaded(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct numbers saved = { { 4, 0, 7 }, 3 }, loaded = { .count = 0 };

	assert_int_equal(weir_kept_load(&kept, dir, numbers_read, &loaded, &diag), 0);
	assert_int_equal(loaded.count, 0);
	assert_int_equal(weir_kept_save(&kept, dir, numbers_put, &saved), 0);
	assert_int_equal(weir_kept_load(&kept, dir, numbers_read, &loaded, &diag), 0);
	assert_memory_equal(&loaded, &saved, sizeof(saved));
	assert_int_equal(diag.count, 0);
}

static void without_a_directory_nothing_is_kept(void **state)
{
	struct numbers numbers = { { 1 }, 1 };

	assert_int_equal(weir_kept_save(&kept, NULL, numbers_put, &numbers), 0);
	assert_int_equal(weir_kept_load(&kept, NULL, numbers_read, &numbers, NULL), 0);
	assert_int_equal(numbers.count, 1);
}

static void assert_damaged(const char *text, const char *reason, size_t good)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct numbers numbers = { .count = 0 };
	char wanted[256];

	put_file(text);
	assert_int_equal(weir_kept_load(&kept, dir, numbers_read, &numbers, &diag), -EINVAL);
	assert_int_equal(numbers.count, good);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.errors, 0);
	snprintf(wanted, sizeof(wanted), "%s is damaged (%s), and kept as %s: the rest is counted",
		 path, reason, aside);
	assert_string_equal(diag.entries[0].what, wanted);
	assert_string_equal(diag.entries[0].mend, "count again");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(unlink(aside), 0);
}

static void what_is_damaged_is_put_aside_and_the_rest_is_read(void **state)
{
	assert_damaged("{\"version\": 3, \"numbers\": [1, \"x\", 2, -5]}", "numbers[1]: no number",
		       2);
	assert_damaged("{\"version\": 2, \"numbers\": [1]}", "it is of another version", 0);
	assert_damaged("{\"version\": 3, \"numbers\": 1}", "its numbers are no list", 0);
	assert_damaged("{\"version\": 3}", "its numbers are no list", 0);
}

static void what_is_too_large_is_put_aside(void **state)
{
	char text[300];

	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_damaged(text, strerror(EFBIG), 0);
}

static void without_memory_the_file_stays(void **state)
{
	struct numbers numbers = { .count = 0 };

	put_file("{\"version\": 3, \"numbers\": [1, 99, 2]}");
	assert_int_equal(weir_kept_load(&kept, dir, numbers_read, &numbers, NULL), -ENOMEM);
	assert_int_equal(access(path, F_OK), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_saved_is_loaded),
		CASE(without_a_directory_nothing_is_kept),
		CASE(what_is_damaged_is_put_aside_and_the_rest_is_read),
		CASE(what_is_too_large_is_put_aside),
		CASE(without_memory_the_file_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
