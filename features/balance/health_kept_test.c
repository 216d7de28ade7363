/* SPDX-License-Identifier: Apache-2.0 */
/* Who is down, as it is written down and read again; and what is damaged. */
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
#include "features/balance/health.h"

#define TEMPLATE "/tmp/weir-health-kept-XXXXXX"

static char dir[sizeof(TEMPLATE)];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), TEMPLATE);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const files[] = { HEALTH_FILE, HEALTH_FILE ".damaged-1" };

	(void)state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = weir_path_join(dir, files[i]);

		unlink(path);
	}
	return rmdir(dir);
}

static struct health_key key_of(uint8_t number)
{
	struct health_key key = { 0 };

	key.service.port = 80;
	key.backend.port = 8080;
	key.backend.proto = 6;
	key.backend.addr.be32[3] = number;
	return key;
}

static void write_text(const char *text)
{
	_cleanup_free_ char *path = weir_path_join(dir, HEALTH_FILE);

	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static void kept_is_read_as_it_was_written(void **state)
{
	_cleanup_free_ struct health_set *set = health_set_new(2), *read = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };
	const struct health_key keys[] = { key_of(1), key_of(2), key_of(3) };

	(void)state;
	assert_non_null(set);
	set->keys[0] = keys[0];
	set->keys[1] = keys[2];
	set->notes[0].check = 0xfedcba9876543210;
	snprintf(set->notes[1].reason, sizeof(set->notes[1].reason), "connect: \"refused\"");
	set->count = 2;
	assert_int_equal(health_kept_save(dir, set), 0);
	assert_int_equal(health_kept_load(dir, &diag, &read), 0);
	assert_int_equal(diag.count, 0);
	assert_int_equal(read->count, 2);
	assert_ptr_equal(health_set_find(read, &keys[0]), &read->keys[0]);
	assert_null(health_set_find(read, &keys[1]));
	assert_ptr_equal(health_set_find(read, &keys[2]), &read->keys[1]);
	assert_true(read->notes[0].check == 0xfedcba9876543210);
	assert_string_equal(read->notes[0].reason, "");
	assert_string_equal(read->notes[1].reason, "connect: \"refused\"");
}

static void kept_is_nobody_where_there_is_no_file(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct health_set *read = NULL;

	(void)state;
	assert_int_equal(health_kept_load(dir, &diag, &read), 0);
	assert_null(read);
	assert_int_equal(health_kept_load(NULL, &diag, &read), 0);
	assert_null(read);
	assert_int_equal(diag.count, 0);
}

static void kept_is_nobody_where_all_are_up(void **state)
{
	_cleanup_free_ struct health_set *set = health_set_new(0), *read = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	assert_int_equal(health_kept_save(dir, set), 0);
	assert_int_equal(health_kept_load(dir, &diag, &read), 0);
	assert_int_equal(read->count, 0);
}

/* Nobody is known, and the file is put aside. */
static void assert_damaged(const char *text)
{
	_cleanup_free_ char *aside = weir_path_join(dir, HEALTH_FILE ".damaged-1");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct health_set *read = NULL;

	write_text(text);
	assert_int_equal(health_kept_load(dir, &diag, &read), 0);
	assert_null(read);
	assert_int_equal(diag.count, 1);
	assert_int_equal(unlink(aside), 0);
}

static void kept_that_is_damaged_is_put_aside(void **state)
{
	(void)state;
	assert_damaged("");
	assert_damaged("{\"version\": 1, \"down\": [");
	assert_damaged("{\"version\": 2, \"down\": []}");
	assert_damaged("{\"version\": 1}");
	assert_damaged("{\"version\": 1, \"down\": {}}");
	assert_damaged("{\"version\": 1, \"down\": [7]}");
	assert_damaged("{\"version\": 1, \"down\": [{\"key\": \"00\", \"check\": \"0\"}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kept_is_read_as_it_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(kept_is_nobody_where_there_is_no_file, setup,
						teardown),
		cmocka_unit_test_setup_teardown(kept_is_nobody_where_all_are_up, setup, teardown),
		cmocka_unit_test_setup_teardown(kept_that_is_damaged_is_put_aside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
