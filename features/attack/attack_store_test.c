/* SPDX-License-Identifier: Apache-2.0 */
/* attack.json: what is written is read again; what is damaged is kept aside, and nothing of it is
 * used. */
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

#include "base/buf.h"
#include "base/file.h"
#include "features/attack/attack_store.h"

static char folder[64];
static struct attack_usuals list, again;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/attack-store-XXXXXX");
	memset(&list, 0, sizeof(list));
	return mkdtemp(folder) ? 0 : -1;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path_of("attack.json"));
	unlink(path_of("attack.json.damaged-1"));
	return rmdir(folder);
}

static void note(const char *name, double syn)
{
	struct attack_usual usual = { .rates = { [WEIR_FLOOD_SYN] = syn, [WEIR_FLOOD_UDP] = 7 } };

	snprintf(usual.name, sizeof(usual.name), "%s", name);
	attack_usual_note(&list, &usual);
}

static void what_is_written_is_read(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	note("eth0", 12.5);
	note("wan", 0);
	assert_int_equal(attack_store_save(folder, &list), 0);
	assert_int_equal(attack_store_load(folder, &diag, &again), 0);
	assert_int_equal(diag.count, 0);
	assert_int_equal(again.count, 2);
	const struct attack_usual *eth0 = attack_usual_find(&again, "eth0");

	assert_non_null(eth0);
	assert_true(eth0->rates[WEIR_FLOOD_SYN] == 12.5 && eth0->rates[WEIR_FLOOD_UDP] == 7);
	assert_true(eth0->rates[WEIR_FLOOD_ICMP] == 0);
	assert_null(attack_usual_find(&again, "eth1"));
}

static void without_a_file_nothing_is_known(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };

	(void)state;
	assert_int_equal(attack_store_load(folder, &diag, &again), 0);
	assert_int_equal(again.count, 0);
	assert_int_equal(diag.count, 0);
}

static void damaged_file_is_kept_aside(void **state)
{
	static const char *const texts[] = {
		"{\"version\":1,\"usual\":[{\"name\":\"a\",\"syn\":1},{\"name\":\"b\",\"syn\":-1}]"
		"}",
		"{\"version\":1,\"usual\":[{\"name\":\"a\",\"syn\":1e300}]}",
		"{\"version\":1,\"usual\":[{\"name\":\"more-than-fifteen\",\"syn\":1}]}",
		"{\"version\":2,\"usual\":[]}",
		"{\"version\":1}",
		"{\"version\":1,\"usual\":[",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		_cleanup_diag_ struct weir_diag diag = { 0 };

		assert_int_equal(weir_file_replace(path_of("attack.json"), texts[i],
						   strlen(texts[i]), 0600),
				 0);
		assert_int_equal(attack_store_load(folder, &diag, &again), 0);
		assert_int_equal(again.count, 0);
		assert_int_equal(diag.count, 1);
		assert_non_null(strstr(diag.entries[0].what, ": what is usual is learned anew"));
		assert_int_not_equal(access(path_of("attack.json"), F_OK), 0);
		assert_int_equal(unlink(path_of("attack.json.damaged-1")), 0);
	}
}

static void the_one_not_seen_for_longest_makes_room(void **state)
{
	char name[ATTACK_NAME_BYTES];

	(void)state;
	for (int i = 0; i < ATTACK_USUAL_MAX; i++) {
		snprintf(name, sizeof(name), "veth%d", i);
		note(name, i);
	}
	note("veth0", 1000);
	note("new", 1);
	assert_int_equal(list.count, ATTACK_USUAL_MAX);
	assert_null(attack_usual_find(&list, "veth1"));
	assert_true(attack_usual_find(&list, "veth0")->rates[WEIR_FLOOD_SYN] == 1000);
	assert_non_null(attack_usual_find(&list, "veth2"));
	assert_non_null(attack_usual_find(&list, "new"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_written_is_read),
		CASE(without_a_file_nothing_is_known),
		CASE(damaged_file_is_kept_aside),
		CASE(the_one_not_seen_for_longest_makes_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
