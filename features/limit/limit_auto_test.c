/* SPDX-License-Identifier: Apache-2.0 */
/* How long an offender is blocked, the first time and after. */
#include <arpa/inet.h>
#include <dirent.h>
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

#define SECOND 1000000000ULL
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static struct limit_auto autos;
static const struct limit_block block = { 20, MINUTE, 10 * MINUTE, HOUR, false };
static uint64_t now_ns;

static int begin(void **state)
{
	memset(&autos, 0, sizeof(autos));
	now_ns = 1000 * HOUR;
	(void)state;
	return 0;
}

static uint64_t length_of(uint32_t host, const struct limit_block *how)
{
	struct weir_addr addr = { .be32 = { 0, 0, htonl(0xffff), htonl(host) } };
	struct weir_range range = { addr, addr };

	return limit_auto_length(&autos, &range, how, now_ns);
}

static void blocked_for(uint64_t expected_ns)
{
	assert_int_equal(length_of(1, &block), expected_ns);
}

static void each_time_is_twice_as_long_up_to_the_most(void **state)
{
	static const uint64_t minutes[] = { 10, 20, 40, 60, 60 };

	for (int i = 0; i < 5; i++) {
		blocked_for(minutes[i] * MINUTE);
		now_ns += minutes[i] * MINUTE + SECOND;
	}
	(void)state;
}

static void who_was_good_for_long_begins_anew(void **state)
{
	blocked_for(10 * MINUTE);
	now_ns += 10 * MINUTE + HOUR;
	blocked_for(20 * MINUTE);
	now_ns += 20 * MINUTE + HOUR + SECOND;
	blocked_for(10 * MINUTE);
	(void)state;
}

static void who_was_let_out_by_hand_begins_anew(void **state)
{
	blocked_for(10 * MINUTE);
	now_ns += 11 * MINUTE;
	blocked_for(20 * MINUTE);
	now_ns += MINUTE;
	blocked_for(10 * MINUTE);
	(void)state;
}

static void packets_of_before_the_block_are_no_new_offence(void **state)
{
	blocked_for(10 * MINUTE);
	now_ns += 2 * SECOND;
	blocked_for(0);
	(void)state;
}

static void dry_run_tells_once_in_each_time(void **state)
{
	struct limit_block dry = block;

	dry.is_dry = true;
	assert_int_equal(length_of(1, &dry), 10 * MINUTE);
	now_ns += 9 * MINUTE;
	assert_int_equal(length_of(1, &dry), 0);
	now_ns += MINUTE;
	assert_int_equal(length_of(1, &dry), 20 * MINUTE);
	(void)state;
}

/* All rows are of people who are blocked, one of them for the second time. */
static void whoever_is_blocked_for_the_shortest_makes_room(void **state)
{
	assert_int_equal(length_of(100, &block), 10 * MINUTE);
	now_ns += 10 * MINUTE;
	assert_int_equal(length_of(100, &block), 20 * MINUTE);
	for (uint32_t i = 1; i < LIMIT_OFFENDERS; i++)
		assert_int_equal(length_of(100 + i, &block), 10 * MINUTE);
	assert_int_equal(autos.forgotten, 0);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(length_of(5000 + i, &block), 10 * MINUTE);
	assert_int_equal(autos.forgotten, 10);
	now_ns += 20 * MINUTE;
	assert_int_equal(length_of(100, &block), 40 * MINUTE);
	(void)state;
}

static void who_is_free_makes_room_before_all_others(void **state)
{
	for (uint32_t i = 0; i < LIMIT_OFFENDERS; i++, now_ns += SECOND)
		assert_int_equal(length_of(100 + i, &block), 10 * MINUTE);
	assert_int_equal(length_of(1, &block), 10 * MINUTE);
	assert_int_equal(autos.forgotten, 0); /* the first is free since seven minutes */
	now_ns += 10 * MINUTE;
	assert_int_equal(length_of(100, &block), 10 * MINUTE);
	assert_int_equal(length_of(102, &block), 20 * MINUTE);
	(void)state;
}

static char dir[32];

static int dir_make(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/limit-auto-XXXXXX");
	return begin(state) || !mkdtemp(dir) ? -1 : 0;
}

/* Of a damaged file the copy, too. */
static int dir_remove(void **state)
{
	DIR *folder = opendir(dir);

	(void)state;
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
		unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	return rmdir(dir);
}

/* The clock begins again, as after a reboot: it says less than the block before was long ago. */
static void doubling_goes_on_after_a_restart(void **state)
{
	blocked_for(10 * MINUTE);
	assert_int_equal(limit_auto_save(dir, &autos, now_ns + 30 * MINUTE), 0);
	memset(&autos, 0, sizeof(autos));
	now_ns = 5 * SECOND;
	assert_int_equal(limit_auto_load(dir, NULL, now_ns, &autos), 0);
	blocked_for(20 * MINUTE);
	(void)state;
}

static void who_was_good_for_long_begins_anew_after_a_restart(void **state)
{
	blocked_for(10 * MINUTE);
	assert_int_equal(limit_auto_save(dir, &autos, now_ns + 2 * HOUR), 0);
	memset(&autos, 0, sizeof(autos));
	now_ns = 5 * SECOND;
	assert_int_equal(limit_auto_load(dir, NULL, now_ns, &autos), 0);
	blocked_for(10 * MINUTE);
	(void)state;
}

static void file_write(const char *text)
{
	_cleanup_free_ char *path = weir_path_join(dir, "limit-blocks.json");

	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

#define GOOD                                                        \
	"{\"entry\":\"0.0.0.1\",\"from\":\"2001-01-01T00:00:00Z\"," \
	"\"until\":\"2001-01-01T00:10:00Z\",\"length_s\":600}"

static void what_is_good_of_a_damaged_file_is_read(void **state)
{
	static const char *const bad[] = {
		"{",
		"{\"version\":2,\"blocked\":[" GOOD "]}",
		"{\"version\":1,\"blocked\":[{\"entry\":\"x\"}," GOOD "]}",
		"{\"version\":1,\"blocked\":[{\"entry\":\"1.2.3.4\",\"length_s\":-1}]}",
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bad); i++) {
		_cleanup_diag_ struct weir_diag diag = { 0 };

		memset(&autos, 0, sizeof(autos));
		file_write(bad[i]);
		assert_int_equal(limit_auto_load(dir, &diag, now_ns, &autos), 0);
		assert_int_equal(diag.count, 1);
		assert_non_null(strstr(diag.entries[0].what, "is damaged"));
		assert_int_equal(autos.at[0].length_ns, i == 2 ? 600 * SECOND : 0);
	}
	(void)state;
}

static void block_of_the_future_is_as_long_as_it_was_to_be(void **state)
{
	file_write("{\"version\":1,\"blocked\":[{\"entry\":\"0.0.0.1\",\"length_s\":600,"
		   "\"from\":\"2200-01-01T00:00:00Z\",\"until\":\"2200-01-01T00:10:00Z\"}]}");
	assert_int_equal(limit_auto_load(dir, NULL, now_ns, &autos), 0);
	now_ns += 11 * MINUTE;
	blocked_for(20 * MINUTE);
	(void)state;
}

#define KEPT(test) cmocka_unit_test_setup_teardown(test, dir_make, dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_time_is_twice_as_long_up_to_the_most, begin),
		cmocka_unit_test_setup(who_was_good_for_long_begins_anew, begin),
		cmocka_unit_test_setup(who_was_let_out_by_hand_begins_anew, begin),
		cmocka_unit_test_setup(packets_of_before_the_block_are_no_new_offence, begin),
		cmocka_unit_test_setup(dry_run_tells_once_in_each_time, begin),
		cmocka_unit_test_setup(whoever_is_blocked_for_the_shortest_makes_room, begin),
		cmocka_unit_test_setup(who_is_free_makes_room_before_all_others, begin),
		KEPT(doubling_goes_on_after_a_restart),
		KEPT(who_was_good_for_long_begins_anew_after_a_restart),
		KEPT(what_is_good_of_a_damaged_file_is_read),
		KEPT(block_of_the_future_is_as_long_as_it_was_to_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
