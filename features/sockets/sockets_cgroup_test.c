/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths are those of containers: as the runtimes' own documentation has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "features/sockets/sockets_cgroup.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void is_container(const char *path, const char *id)
{
	char got[SOCKETS_CONTAINER_DIGITS + 1] = "";

	assert_true(sockets_container_of(path, got));
	assert_string_equal(got, id);
}

static void is_none(const char *path)
{
	char got[SOCKETS_CONTAINER_DIGITS + 1] = "";

	assert_false(sockets_container_of(path, got));
}

static void containers_of_each_runtime_are_found(void **state)
{
	(void)state;
	is_container("/docker/" ID, ID);
	is_container("/system.slice/docker-" ID ".scope", ID);
	is_container("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
		     "cri-containerd-" ID ".scope",
		     ID);
	is_container("/kubepods/besteffort/podb9f0/" ID, ID);
	is_container("/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", ID);
	is_container("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID, ID);
	is_container("/machine.slice/libpod-" ID ".scope/container", ID);
	is_container("…/system.slice/docker-" ID ".scope", ID);
}

static void the_innermost_container_is_meant(void **state)
{
	(void)state;
	is_container("/docker/" ID "/docker/" OTHER, OTHER);
	is_container("/docker/" ID "/init.scope", ID);
}

static void what_only_looks_alike_is_none(void **state)
{
	(void)state;
	is_none("");
	is_none("/");
	is_none("/user.slice/user-1000.slice/session-1.scope");
	is_none("/machine.slice/libpod-conmon-" ID ".scope");
	is_none("/docker/" ID "0");
	is_none("/docker/x" ID);
	is_none("/docker/0123456789abcdef");
}

#define MANY 6000u	  /* more than are kept without being asked for */
#define NONE (1ull << 60) /* numbers from there on are no cgroup's */

static void ask(struct sockets_cgroups *cgroups, uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id < to; id++)
		assert_non_null(sockets_cgroup_find(cgroups, NONE + id, NULL));
}

static size_t known_count(const struct sockets_cgroups *cgroups, uint64_t from, uint64_t to)
{
	size_t count = 0;

	for (uint64_t id = from; id < to; id++) {
		const struct sockets_cgroup_row *row = sockets_cgroup_known(cgroups, NONE + id);

		count += row && row->id == NONE + id;
	}
	return count;
}

/* What was found before has its name by then: it is not looked for again. */
static void names_that_are_asked_for_stay_however_many(void **state)
{
	struct sockets_cgroups cgroups;

	(void)state;
	sockets_cgroups_init(&cgroups);
	ask(&cgroups, 0, MANY);
	assert_int_equal(known_count(&cgroups, 0, MANY), MANY);
	for (size_t i = 0; i < cgroups.count; i++)
		snprintf(cgroups.rows[i].path, SOCKETS_CGROUP_PATH, "/%llu",
			 (unsigned long long)(cgroups.rows[i].id - NONE));
	for (int pass = 0; pass < 3; pass++) {
		sockets_cgroups_pass(&cgroups);
		ask(&cgroups, 0, MANY);
		assert_int_equal(cgroups.count, MANY);
	}
	for (unsigned id = 0; id < MANY; id++) {
		char path[16];

		snprintf(path, sizeof(path), "/%u", id);
		assert_string_equal(sockets_cgroup_known(&cgroups, NONE + id)->path, path);
	}
	sockets_cgroups_done(&cgroups);
}

static void names_that_nobody_asks_for_go_first_the_oldest_before_others(void **state)
{
	struct sockets_cgroups cgroups;

	(void)state;
	sockets_cgroups_init(&cgroups);
	ask(&cgroups, 0, 1000);
	sockets_cgroups_pass(&cgroups);
	ask(&cgroups, 1000, 3000);
	sockets_cgroups_pass(&cgroups);
	assert_int_equal(known_count(&cgroups, 0, 3000), 3000); /* there is room for both */
	ask(&cgroups, 3000, 5000);
	sockets_cgroups_pass(&cgroups);
	assert_int_equal(cgroups.count, SOCKETS_CGROUPS_KEPT);
	assert_int_equal(known_count(&cgroups, 0, 1000), SOCKETS_CGROUPS_KEPT - 4000);
	assert_int_equal(known_count(&cgroups, 1000, 5000), 4000);
	ask(&cgroups, 10000, 10000 + MANY);
	sockets_cgroups_pass(&cgroups);
	assert_int_equal(cgroups.count, MANY);
	assert_int_equal(known_count(&cgroups, 10000, 10000 + MANY), MANY);
	assert_int_equal(known_count(&cgroups, 0, 5000), 0);
	sockets_cgroups_done(&cgroups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_of_each_runtime_are_found),
		cmocka_unit_test(the_innermost_container_is_meant),
		cmocka_unit_test(what_only_looks_alike_is_none),
		cmocka_unit_test(names_that_are_asked_for_stay_however_many),
		cmocka_unit_test(names_that_nobody_asks_for_go_first_the_oldest_before_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
