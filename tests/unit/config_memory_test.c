/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a configuration when memory ends: each allocation in turn fails once, libyaml's and
 * libcyaml's among them. Nothing may crash, leak or be taken for right.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/fake_features.h"

#ifdef __SANITIZE_ADDRESS__
#define OWN_MALLOC 0 /* the sanitizer has its own, and sees leaks in the other tests */
#else
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void __libc_free(void *ptr);

static bool counting;
static long until_failure; /* allocations that still succeed; below 0 the failure has been */
static long live;

static void *counted(void *fresh)
{
	live += counting && fresh;
	return fresh;
}

static bool fails(void)
{
	if (!counting || until_failure-- != 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *ptr, size_t size)
{
	if (fails())
		return NULL;
	return ptr ? __libc_realloc(ptr, size) : counted(__libc_realloc(NULL, size));
}

void *reallocarray(void *ptr, size_t count, size_t size)
{
	size_t bytes;
	return __builtin_mul_overflow(count, size, &bytes) ? NULL : realloc(ptr, bytes);
}

void free(void *ptr)
{
	live -= counting && ptr;
	__libc_free(ptr);
}

/* One reading; true when the failure came to pass in it. */
static bool read_with_failure(const char *text, long at)
{
	struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	until_failure = at;
	live = 0;
	counting = true;
	int r = weir_config_parse(text, strlen(text), "t.yaml", &diag, &config);
	bool failed = until_failure < 0;
	bool consistent = r == 0 ? config && diag.errors == 0 : !config && diag.errors > 0;
	weir_config_free(config);
	weir_diag_done(&diag);
	counting = false;
	if (!consistent || live != 0)
		fail_msg("allocation %ld fails: result %d, %ld blocks left", at, r, live);
	return failed;
}

static void fail_everywhere(const char *text, long least)
{
	long at = 0;
	while (read_with_failure(text, at))
		at++;
	assert_in_range(at, least, 100000);
}

static void config_right_one_survives_each_failure(void **state)
{
	fail_everywhere("interfaces:\n  - {name: eth0, hook: tc}\nmemory: 64MiB\n"
			"fake:\n  lists:\n    - name: a\n      action: deny\n"
			"      entries: [x, y]\n      ttl: 1h\n",
			100);
}

static void config_wrong_one_survives_each_failure(void **state)
{
	fail_everywhere("memory: much\nno: 1\nfake: {lists: [{name: a}, x]}\n", 40);
}

static void config_with_wrong_meaning_survives_each_failure(void **state)
{
	fail_everywhere("fake: {lists: [{name: a, action: deny, entries: [wrong]}]}\n", 100);
}

static void config_bad_syntax_survives_each_failure(void **state)
{
	fail_everywhere("a: &x [1, *x, !t 2]\nb: [\n", 20);
}
#endif

int main(void)
{
#if OWN_MALLOC
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_right_one_survives_each_failure),
		cmocka_unit_test(config_wrong_one_survives_each_failure),
		cmocka_unit_test(config_with_wrong_meaning_survives_each_failure),
		cmocka_unit_test(config_bad_syntax_survives_each_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
#else
	puts("1..1\nok 1 - config_memory # SKIP the sanitizer brings its own malloc");
	return 0;
#endif
}
