/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of pins, on the kernel's own BPF file system: whoever looks while one is replaced finds the
 * old or the new, never nothing. Skipped where BPF maps may not be made. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "core/pin.h"

#define REPLACEMENTS 2000

struct fixture {
	char dir[64];
	int maps[2];
	uint32_t ids[2];
	atomic_bool done;
	atomic_uint looks, absent, strange;
};

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static int map_make(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "pin_test", sizeof(uint32_t), sizeof(uint32_t), 1,
			      NULL);
}

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct weir_diag diag = { 0 };

	if (!f)
		return -1;
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/sys/fs/bpf/weir-pin-test-%d", getpid());
	f->maps[0] = map_make();
	f->maps[1] = map_make();
	int r = f->maps[1] < 0 ? 0 : weir_pin_prepare(f->dir, &diag);
	weir_diag_done(&diag);
	if (r || f->maps[1] < 0)
		return r;
	for (int i = 0; i < 2; i++)
		f->ids[i] = map_id(f->maps[i]);
	return 0;
}

static int fixture_drop(void **state)
{
	static const char *const folders[] = { "/maps", "/policy", "/links", "" };
	struct fixture *f = *state;
	char path[WEIR_PIN_PATH];

	weir_pin_remove(f->dir, "maps", "one");
	weir_pin_remove(f->dir, "maps", "one-new");
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s%s", f->dir, folders[i]);
		rmdir(path);
	}
	for (int i = 0; i < 2; i++) {
		if (f->maps[i] >= 0)
			close(f->maps[i]);
	}
	int r = access(f->dir, F_OK) == 0 ? -1 : 0;
	free(f);
	return r;
}

static struct fixture *ready(void **state)
{
	struct fixture *f = *state;

	if (f->maps[1] < 0) {
		print_message("SKIP: BPF maps need root\n");
		skip();
	}
	return f;
}

static void *look_without_end(void *context)
{
	struct fixture *f = context;

	while (!atomic_load(&f->done)) {
		_cleanup_close_ int fd = weir_pin_get(f->dir, "maps", "one");
		uint32_t id = fd < 0 ? 0 : map_id(fd);

		atomic_fetch_add(&f->looks, 1);
		if (fd < 0)
			atomic_fetch_add(&f->absent, 1);
		else if (id != f->ids[0] && id != f->ids[1])
			atomic_fetch_add(&f->strange, 1);
	}
	return NULL;
}

static void pin_replaced_over_and_over_is_never_absent(void **state)
{
	struct fixture *f = ready(state);
	pthread_t thread;

	assert_int_equal(weir_pin_replace(f->maps[0], f->dir, "maps", "one"), 0);
	assert_int_equal(pthread_create(&thread, NULL, look_without_end, f), 0);
	int r = 0;
	/* On until the other thread has looked as often, however the two are scheduled. */
	for (int i = 1; !r && (i < REPLACEMENTS || atomic_load(&f->looks) < REPLACEMENTS); i++)
		r = weir_pin_replace(f->maps[i % 2], f->dir, "maps", "one");
	atomic_store(&f->done, true);
	pthread_join(thread, NULL);
	assert_int_equal(r, 0);
	assert_int_equal(atomic_load(&f->absent), 0);
	assert_int_equal(atomic_load(&f->strange), 0);
}

static void pin_replaced_is_the_new_one(void **state)
{
	struct fixture *f = ready(state);

	assert_int_equal(weir_pin_replace(f->maps[0], f->dir, "maps", "one"), 0);
	assert_int_equal(weir_pin_replace(f->maps[1], f->dir, "maps", "one"), 0);
	_cleanup_close_ int fd = weir_pin_get(f->dir, "maps", "one");
	assert_true(fd >= 0);
	assert_int_equal(map_id(fd), f->ids[1]);
	assert_int_equal(weir_pin_get(f->dir, "maps", "one-new"), -ENOENT);
}

static void pin_whose_replacement_was_cut_short_is_replaced_by_the_next(void **state)
{
	struct fixture *f = ready(state);
	char fresh[WEIR_PIN_PATH];

	assert_int_equal(weir_pin_replace(f->maps[0], f->dir, "maps", "one"), 0);
	assert_int_equal(weir_pin_path(fresh, f->dir, "maps", "one-new"), 0);
	assert_int_equal(bpf_obj_pin(f->maps[0], fresh), 0);
	assert_int_equal(weir_pin_replace(f->maps[1], f->dir, "maps", "one"), 0);
	_cleanup_close_ int fd = weir_pin_get(f->dir, "maps", "one");
	assert_int_equal(map_id(fd), f->ids[1]);
	assert_int_equal(weir_pin_get(f->dir, "maps", "one-new"), -ENOENT);
}

static void pin_that_cannot_be_replaced_stays(void **state)
{
	struct fixture *f = ready(state);

	assert_int_equal(weir_pin_replace(f->maps[0], f->dir, "maps", "one"), 0);
	assert_true(weir_pin_replace(-1, f->dir, "maps", "one") < 0);
	_cleanup_close_ int fd = weir_pin_get(f->dir, "maps", "one");
	assert_true(fd >= 0);
	assert_int_equal(map_id(fd), f->ids[0]);
}

static void pin_removed_is_absent(void **state)
{
	struct fixture *f = ready(state);

	assert_int_equal(weir_pin_remove(f->dir, "maps", "one"), -ENOENT);
	assert_int_equal(weir_pin_replace(f->maps[0], f->dir, "maps", "one"), 0);
	assert_int_equal(weir_pin_remove(f->dir, "maps", "one"), 0);
	assert_int_equal(weir_pin_get(f->dir, "maps", "one"), -ENOENT);
}

static void place_that_is_no_bpffs_is_refused(void **state)
{
	char dir[] = "/tmp/weir-pin-test-XXXXXX", path[WEIR_PIN_PATH];
	struct weir_diag diag = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	int r = weir_pin_prepare(dir, &diag);
	for (int i = 0; i < 3; i++) {
		static const char *const folders[] = { "maps", "policy", "links" };

		weir_pin_path(path, dir, folders[i], "");
		rmdir(path);
	}
	rmdir(dir);
	weir_diag_done(&diag);
	assert_int_equal(r, -ENOTSUP);
}

#define PIN_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PIN_TEST(pin_replaced_over_and_over_is_never_absent),
		PIN_TEST(pin_replaced_is_the_new_one),
		PIN_TEST(pin_whose_replacement_was_cut_short_is_replaced_by_the_next),
		PIN_TEST(pin_that_cannot_be_replaced_stays),
		PIN_TEST(pin_removed_is_absent),
		cmocka_unit_test(place_that_is_no_bpffs_is_refused),
	};

	return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
