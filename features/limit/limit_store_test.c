/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of run time: from what a command says to the file and back. */
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
#include "features/limit/limit_state.h"

static char dir[32];

static int dir_make(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/limit-store-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
	_cleanup_free_ char *path = weir_path_join(dir, "limit.json");

	(void)state;
	unlink(path);
	return rmdir(dir);
}

static int text_of(const char *json, struct weir_diag *diag, struct limit_text *ret_text)
{
	_cleanup_json_ struct weir_json *object = NULL;

	assert_int_equal(weir_json_parse(json, strlen(json), NULL, NULL, &object), 0);
	return limit_text_get(object, diag, ret_text);
}

#define WHOLE                                                                   \
	"{\"name\":\"a\",\"proto\":\"udp\",\"sport\":\"53\",\"dport\":\"1-9\"," \
	"\"direction\":\"egress\",\"per\":\"destination\",\"bytes\":\"1MB/s\"," \
	"\"burst-bytes\":\"2MB\",\"dry-run\":\"true\"}"
#define SPARE "{\"name\":\"b\",\"packets\":\"10/s\",\"burst\":\"7\"}"

static void text_is(const struct limit_text *text, const char *expected)
{
	_cleanup_buf_ struct weir_buf put = { 0 };
	struct weir_json_out json = { .out = &put };

	weir_json_open_object(&json, NULL);
	limit_text_put(text, &json);
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&put), expected);
}

static void what_is_given_is_kept(void **state)
{
	struct limit_runtime runtime = { .count = 2 }, loaded = { .count = 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	assert_int_equal(text_of(WHOLE, &diag, &runtime.at[0]), 0);
	/* Numbers and truths of JSON are as good as texts; what is not given is its default. */
	assert_int_equal(text_of("{\"name\":\"b\",\"packets\":\"10/s\",\"burst\":7,"
				 "\"dry-run\":false,\"sport\":null}",
				 &diag, &runtime.at[1]),
			 0);
	text_is(&runtime.at[0], WHOLE);
	text_is(&runtime.at[1], SPARE);
	assert_int_equal(limit_store_save(dir, &runtime), 0);
	assert_int_equal(limit_store_load(dir, &diag, &loaded), 0);
	assert_int_equal(diag.count, 0);
	assert_int_equal(loaded.count, 2);
	text_is(&loaded.at[0], WHOLE);
	text_is(&loaded.at[1], SPARE);
	assert_int_equal(loaded.at[0].burst_bytes.value, 2000000);
	limit_runtime_done(&runtime);
	limit_runtime_done(&loaded);
	(void)state;
}

static void is_refused(const char *json, const char *key, const char *what)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct limit_text text;

	assert_int_equal(text_of(json, &diag, &text), -EINVAL);
	assert_string_equal(diag.entries[0].key, key);
	assert_non_null(strstr(diag.entries[0].what, what));
}

static void what_cannot_be_is_refused(void **state)
{
	is_refused("{\"packets\":\"1/s\"}", "name", "a limit has a name");
	is_refused("{\"name\":[]}", "name", "it is no text");
	is_refused("{\"name\":\"a\",\"proto\":\"udq\"}", "proto", "'udq' is not a value");
	is_refused("{\"name\":\"a\",\"burst\":-1}", "burst", "'-1'");
	is_refused("{\"name\":\"a\",\"burst-bytes\":\"x\"}", "burst-bytes", "'x' is not a size");
	is_refused("{\"name\":\"a\",\"dry-run\":\"maybe\"}", "dry-run", "'maybe'");
	(void)state;
}

static void no_file_and_no_folder_are_nothing(void **state)
{
	struct limit_runtime loaded = { .count = 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	assert_int_equal(limit_store_load(dir, &diag, &loaded), 0);
	assert_int_equal(limit_store_load(NULL, &diag, &loaded), 0);
	assert_int_equal(limit_store_save(NULL, &loaded), 0);
	assert_int_equal(loaded.count, 0);
	assert_int_equal(diag.count, 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file_and_no_folder_are_nothing),
		cmocka_unit_test(what_is_given_is_kept),
		cmocka_unit_test(what_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
