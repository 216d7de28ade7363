/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths are those of containers: as the runtimes' own documentation has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_of_each_runtime_are_found),
		cmocka_unit_test(the_innermost_container_is_meant),
		cmocka_unit_test(what_only_looks_alike_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
