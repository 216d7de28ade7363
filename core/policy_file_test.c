/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of policy.json: what was written is read again, and a damaged file costs a warning, not the
 * start. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "core/policy_file.h"

/* Texts that are written are no constants: a policy owns its own. */
static char text_full[] = "a: \"1\"\n# \xc3\xa9\n", text_short[] = "a: 1\n", text_empty[] = "";
static char file_name[] = "/etc/weir/weir.yaml";

struct fixture {
	char dir[64];
	struct weir_diag diag;
	struct weir_policy_file policy;
};

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/weir-policy-test-XXXXXX");
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static int fixture_drop(void **state)
{
	static const char *const names[] = { "policy.json", "policy.json.damaged-1" };
	struct fixture *f = *state;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = weir_path_join(f->dir, names[i]);
		unlink(path);
	}
	int r = rmdir(f->dir);
	weir_policy_file_done(&f->policy);
	weir_diag_done(&f->diag);
	free(f);
	return r;
}

static void file_put(const struct fixture *f, const char *text)
{
	_cleanup_free_ char *path = weir_path_join(f->dir, "policy.json");

	assert_int_equal(weir_file_replace(path, text, strlen(text), 0600), 0);
}

static bool file_is_there(const struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = weir_path_join(f->dir, name);

	return access(path, F_OK) == 0;
}

static void policy_without_a_file_is_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(weir_policy_file_read(f->dir, &f->diag, &f->policy), 0);
	assert_null(f->policy.current.text);
	assert_int_equal(f->policy.revision, 0);
	assert_int_equal(f->diag.count, 0);
}

static void policy_without_a_directory_is_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(weir_policy_file_read(NULL, &f->diag, &f->policy), 0);
	assert_null(f->policy.current.text);
}

static void policy_that_was_written_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct weir_policy_file written = {
		.current = { .text = text_full, .file = file_name },
		.previous = { .text = text_empty },
		.revision = 41,
		.config_hash = 0xfedcba9876543210,
		.changed_ns = 1700000000000000000,
	};

	assert_int_equal(weir_policy_file_write(f->dir, &written), 0);
	assert_int_equal(weir_policy_file_read(f->dir, &f->diag, &f->policy), 0);
	assert_string_equal(f->policy.current.text, "a: \"1\"\n# \xc3\xa9\n");
	assert_string_equal(f->policy.current.file, "/etc/weir/weir.yaml");
	assert_string_equal(f->policy.previous.text, "");
	assert_null(f->policy.previous.file);
	assert_int_equal(f->policy.revision, 41);
	assert_true(f->policy.config_hash == 0xfedcba9876543210);
	assert_true(f->policy.changed_ns == 1700000000000000000);
	assert_int_equal(f->diag.count, 0);
}

static void policy_without_an_earlier_one_reads_none(void **state)
{
	struct fixture *f = *state;
	struct weir_policy_file written = { .current = { .text = text_short }, .revision = 1 };

	assert_int_equal(weir_policy_file_write(f->dir, &written), 0);
	assert_int_equal(weir_policy_file_read(f->dir, &f->diag, &f->policy), 0);
	assert_null(f->policy.previous.text);
}

static void policy_on_trial_that_was_written_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct weir_policy_file written = {
		.current = { .text = text_full },
		.trial = {
			.confirmed = { .text = text_short, .file = file_name },
			.until_ns = 1700000000000000000,
			.within_ns = 60000000000,
		},
	};

	assert_int_equal(weir_policy_file_write(f->dir, &written), 0);
	assert_int_equal(weir_policy_file_read(f->dir, &f->diag, &f->policy), 0);
	assert_string_equal(f->policy.current.text, "a: \"1\"\n# \xc3\xa9\n");
	assert_string_equal(f->policy.trial.confirmed.text, "a: 1\n");
	assert_string_equal(f->policy.trial.confirmed.file, "/etc/weir/weir.yaml");
	assert_true(f->policy.trial.until_ns == 1700000000000000000);
	assert_true(f->policy.trial.within_ns == 60000000000);
}

/* As it was written before there were trials. */
static void policy_without_a_trial_has_none(void **state)
{
	struct fixture *f = *state;

	file_put(f, "{\"version\":1,\"revision\":7,\"current\":{\"text\":\"a: 1\"}}");
	assert_int_equal(weir_policy_file_read(f->dir, &f->diag, &f->policy), 0);
	assert_int_equal(f->policy.revision, 7);
	assert_int_equal(f->policy.trial.until_ns, 0);
	assert_null(f->policy.trial.confirmed.text);
}

/* Tokens of the API may stand in a configuration some day: nobody else reads it. */
static void policy_file_is_its_owners_alone(void **state)
{
	struct fixture *f = *state;
	struct weir_policy_file written = { .current = { .text = text_empty } };
	_cleanup_free_ char *path = weir_path_join(f->dir, "policy.json");
	struct stat st;

	assert_int_equal(weir_policy_file_write(f->dir, &written), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void assert_damaged(struct fixture *f, const char *text)
{
	file_put(f, text);
	assert_int_equal(weir_policy_file_read(f->dir, &f->diag, &f->policy), 0);
	assert_null(f->policy.current.text);
	assert_int_equal(f->policy.revision, 0);
	assert_false(file_is_there(f, "policy.json"));
	assert_true(file_is_there(f, "policy.json.damaged-1"));
	assert_int_equal(f->diag.count, 1);
	assert_int_equal(f->diag.errors, 0);
	assert_non_null(strstr(f->diag.entries[0].what, "policy.json.damaged-1"));
}

static void policy_cut_short_is_kept_aside_and_told(void **state)
{
	assert_damaged(*state, "{\"version\":1,\"revision\":7,\"current\":{\"text\":\"a: 1");
}

static void policy_of_another_version_is_kept_aside_and_told(void **state)
{
	assert_damaged(*state, "{\"version\":2,\"revision\":7,\"current\":{\"text\":\"a: 1\"}}");
}

static void policy_without_a_current_one_is_kept_aside_and_told(void **state)
{
	assert_damaged(*state, "{\"version\":1,\"revision\":7}");
}

static void policy_on_trial_without_a_way_back_is_kept_aside_and_told(void **state)
{
	assert_damaged(*state, "{\"version\":1,\"revision\":7,\"current\":{\"text\":\"a: 1\"},"
			       "\"trial\":{\"until\":\"2031-05-01T12:30:00Z\",\"within_s\":60}}");
}

static void policy_on_trial_without_an_end_is_kept_aside_and_told(void **state)
{
	assert_damaged(*state, "{\"version\":1,\"revision\":7,\"current\":{\"text\":\"a: 1\"},"
			       "\"trial\":{\"within_s\":60,\"confirmed\":{\"text\":\"\"}}}");
}

static void policy_into_a_missing_directory_is_refused(void **state)
{
	struct weir_policy_file written = { .current = { .text = text_empty } };

	assert_int_equal(weir_policy_file_write("/nonexistent/weir", &written), -ENOENT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_drop)
	const struct CMUnitTest tests[] = {
		CASE(policy_without_a_file_is_empty),
		CASE(policy_without_a_directory_is_empty),
		CASE(policy_that_was_written_is_read_again),
		CASE(policy_without_an_earlier_one_reads_none),
		CASE(policy_on_trial_that_was_written_is_read_again),
		CASE(policy_without_a_trial_has_none),
		CASE(policy_file_is_its_owners_alone),
		CASE(policy_cut_short_is_kept_aside_and_told),
		CASE(policy_of_another_version_is_kept_aside_and_told),
		CASE(policy_without_a_current_one_is_kept_aside_and_told),
		CASE(policy_on_trial_without_a_way_back_is_kept_aside_and_told),
		CASE(policy_on_trial_without_an_end_is_kept_aside_and_told),
		CASE(policy_into_a_missing_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
