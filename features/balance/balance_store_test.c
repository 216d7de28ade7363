/* SPDX-License-Identifier: Apache-2.0 */
/* What is of run time, to the file and back; and files that others wrote. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "features/balance/balance_live.h"

#define WHOLE                                                                                  \
	"{\"version\":1,\"off\":true,"                                                         \
	"\"services\":[{\"name\":\"dns\",\"address\":\"2001:db8::1\",\"port\":53,"             \
	"\"proto\":\"udp\",\"source\":\"2001:db8::9\"}\n,"                                     \
	"{\"name\":\"far\",\"address\":\"192.0.2.9\",\"port\":80,\"proto\":\"tcp\","           \
	"\"forward\":\"gue\"}\n,"                                                              \
	"{\"name\":\"held\",\"address\":\"192.0.2.8\",\"port\":80,\"proto\":\"tcp\","          \
	"\"scheduler\":\"source-hash\",\"client-prefix\":24,\"on-all-down\":\"keep-all\","     \
	"\"health\":\"http\",\"health-interval\":\"5250ms\",\"health-timeout\":\"300ms\","     \
	"\"health-rise\":1,\"health-fall\":4,\"health-port\":81,\"health-path\":\"/ok\"}\n],"  \
	"\"backends\":[{\"service\":\"dns\",\"address\":\"fd00::1\",\"port\":53,\"weight\":2," \
	"\"added\":true}\n,"                                                                   \
	"{\"service\":\"web\",\"address\":\"10.0.0.1\",\"port\":8080,\"drained\":true}\n,"     \
	"{\"service\":\"web\",\"address\":\"10.0.0.2\",\"port\":80,\"weight\":0}\n],"          \
	"\"disabled\":[\"web\"]}\n"

static char dir[32];

static int dir_make(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/balance-store-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
	_cleanup_closedir_ DIR *folder = opendir(dir);
	struct dirent *entry;

	(void)state;
	while (folder && (entry = readdir(folder))) {
		_cleanup_free_ char *path = weir_path_join(dir, entry->d_name);

		unlink(path);
	}
	return rmdir(dir);
}

static void file_write(const char *text)
{
	_cleanup_free_ char *path = weir_path_join(dir, "balance.json");

	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static void file_is(const char *expected)
{
	_cleanup_free_ char *path = weir_path_join(dir, "balance.json");
	_cleanup_buf_ struct weir_buf text = { 0 };

	assert_int_equal(weir_file_read(path, 4096, &text), 0);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void what_is_kept_is_read_and_written_as_it_was(void **state)
{
	struct balance_runtime runtime = { 0 }, copy = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	file_write(WHOLE);
	assert_int_equal(balance_store_load(dir, &diag, &runtime), 0);
	assert_int_equal(diag.count, 0);
	assert_true(runtime.is_off);
	assert_int_equal(runtime.services[0].proto, BALANCE_UDP);
	assert_int_equal(runtime.services[1].forward, WEIR_FORWARD_GUE);
	const struct balance_text *held = &runtime.services[2];

	assert_int_equal(held->client_prefix, 24);
	assert_int_equal(held->on_all_down, HEALTH_KEEP_ALL);
	assert_int_equal(held->health.type, HEALTH_HTTP);
	assert_int_equal(held->health.interval.value, 5250000000);
	assert_int_equal(held->health.timeout.value, 300000000);
	assert_int_equal(held->health.rise, 1);
	assert_int_equal(held->health.fall, 4);
	assert_int_equal(held->health.port, 81);
	assert_string_equal(held->health.path, "/ok");
	assert_int_equal(runtime.services[0].health.type, HEALTH_NONE);
	assert_true(runtime.rows[0].is_added && !runtime.rows[0].is_drained);
	assert_int_equal(runtime.rows[0].weight, 2);
	assert_true(runtime.rows[1].is_drained && !runtime.rows[1].has_weight);
	assert_true(runtime.rows[2].has_weight && !runtime.rows[2].is_added);
	assert_int_equal(balance_runtime_copy(&runtime, &copy), 0);
	balance_runtime_done(&runtime);
	file_write("");
	assert_int_equal(balance_store_save(dir, &copy), 0);
	file_is(WHOLE);
	balance_runtime_done(&copy);
}

static void what_is_damaged_is_told_of_and_the_rest_is_read(void **state)
{
	struct balance_runtime runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	file_write("{\"version\":1,\"services\":["
		   "{\"name\":\"Web\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\"},"
		   "{\"name\":\"a\",\"address\":\"here\",\"port\":80,\"proto\":\"tcp\"},"
		   "{\"name\":\"b\",\"address\":\"192.0.2.1\",\"port\":0,\"proto\":\"tcp\"},"
		   "{\"name\":\"c\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcq\"},"
		   "{\"name\":\"d\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\","
		   "\"forward\":\"post\"},"
		   "{\"name\":\"e\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\","
		   "\"forward\":\"l2\",\"source\":\"192.0.2.2\"},"
		   "{\"name\":\"f\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\","
		   "\"health\":\"smell\"},"
		   "{\"name\":\"g\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\","
		   "\"health\":\"http\",\"health-interval\":\"1ms\"},"
		   "{\"name\":\"h\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\","
		   "\"client-prefix\":24},"
		   "{\"name\":\"good\",\"address\":\"192.0.2.1\",\"port\":80,\"proto\":\"tcp\"}],"
		   "\"backends\":[{\"service\":\"good\",\"address\":\"10.0.0.1\",\"port\":80,"
		   "\"weight\":65536,\"added\":true},"
		   "{\"service\":\"good\",\"address\":\"10.0.0.2\",\"port\":80,\"added\":true},"
		   "{\"service\":\"good\",\"address\":\"10.0.0.3\",\"port\":80,\"weight\":1,"
		   "\"added\":true}],\"disabled\":[7,\"good\"]}");
	assert_int_equal(balance_store_load(dir, &diag, &runtime), 0);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.entries[0].level, WEIR_DIAG_WARNING);
	assert_non_null(strstr(diag.entries[0].what, "'Web' is not a name"));
	assert_int_equal(runtime.service_count, 1);
	assert_string_equal(runtime.services[0].name, "good");
	assert_int_equal(runtime.row_count, 1);
	assert_string_equal(runtime.rows[0].address, "10.0.0.3");
	assert_int_equal(runtime.disabled_count, 1);
	balance_runtime_done(&runtime);
}

static void what_is_no_json_is_kept_aside(void **state)
{
	struct balance_runtime runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	file_write("{\"version\":1,");
	assert_int_equal(balance_store_load(dir, &diag, &runtime), 0);
	assert_int_equal(diag.count, 1);
	assert_true(balance_runtime_is_empty(&runtime));
	file_is("{\"version\":1,\"off\":false,\"services\":[],\"backends\":[],\"disabled\":[]}\n");
}

static void no_folder_is_nothing(void **state)
{
	struct balance_runtime runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	assert_int_equal(balance_store_load(NULL, &diag, &runtime), 0);
	assert_int_equal(balance_store_save(NULL, &runtime), 0);
	assert_int_equal(diag.count, 0);
}

static void service_goes_with_all_that_is_said_of_it(void **state)
{
	struct balance_runtime runtime = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	file_write(WHOLE);
	assert_int_equal(balance_store_load(dir, &diag, &runtime), 0);
	balance_runtime_del_service(&runtime, "dns");
	assert_int_equal(runtime.service_count, 2);
	assert_int_equal(runtime.row_count, 2);
	assert_string_equal(runtime.rows[0].address, "10.0.0.1");
	assert_int_equal(runtime.disabled_count, 1);
	balance_runtime_del_row(&runtime, 0);
	assert_string_equal(runtime.rows[0].address, "10.0.0.2");
	balance_runtime_done(&runtime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_read_and_written_as_it_was),
		cmocka_unit_test(what_is_damaged_is_told_of_and_the_rest_is_read),
		cmocka_unit_test(what_is_no_json_is_kept_aside),
		cmocka_unit_test(no_folder_is_nothing),
		cmocka_unit_test(service_goes_with_all_that_is_said_of_it),
	};
	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
