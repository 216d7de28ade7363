/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the log: what reaches standard error, in each form. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"

static char written[4096];

/* Standard error goes into memory while `run` runs; what was written is in `written` afterwards. */
static void capture(enum weir_log_level most, enum weir_log_form form, void (*run)(void))
{
	_cleanup_close_ int memory = memfd_create("log", MFD_CLOEXEC);
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	fflush(stderr);
	dup2(memory, STDERR_FILENO);
	weir_log_init(most, form);
	run();
	dup2(saved, STDERR_FILENO);
	ssize_t n = pread(memory, written, sizeof(written) - 1, 0);
	assert_true(n >= 0);
	written[n] = '\0';
}

static void run_each_level(void)
{
	weir_error("%s %d", "e", 1);
	weir_warning("w");
	weir_info("i");
	weir_debug("d");
}

static void log_text_names_level_but_not_info(void **state)
{
	capture(WEIR_LOG_DEBUG, WEIR_LOG_TEXT, run_each_level);
	assert_string_equal(written,
			    "weir: error: e 1\nweir: warning: w\nweir: i\nweir: debug: d\n");
}

static void log_journal_carries_the_priority(void **state)
{
	capture(WEIR_LOG_DEBUG, WEIR_LOG_JOURNAL, run_each_level);
	assert_string_equal(written, "<3>e 1\n<4>w\n<6>i\n<7>d\n");
}

static void log_less_important_than_asked_is_left_out(void **state)
{
	capture(WEIR_LOG_WARNING, WEIR_LOG_TEXT, run_each_level);
	assert_string_equal(written, "weir: error: e 1\nweir: warning: w\n");
}

static void run_two_lines(void)
{
	weir_warning("peer said '%s'", "x\nweir: all is well\x1b[2J");
}

static void log_message_cannot_forge_a_line(void **state)
{
	capture(WEIR_LOG_INFO, WEIR_LOG_TEXT, run_two_lines);
	assert_string_equal(written,
			    "weir: warning: peer said 'x\\x0aweir: all is well\\x1b[2J'\n");
}

static void log_json_is_one_object_a_line(void **state)
{
	capture(WEIR_LOG_INFO, WEIR_LOG_JSON, run_two_lines);
	const char *start = "{\"@timestamp\":\"2";
	assert_memory_equal(written, start, strlen(start));
	assert_string_equal(strstr(written, "Z\""), "Z\",\"log.level\":\"warning\",\"message\":"
						    "\"peer said 'x\\nweir: all is "
						    "well\\u001b[2J'\"}\n");
}

static void run_diag(void)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_key(&diag, "a.b", "write c", "bad");
	weir_diag_last(&diag)->file = strdup("f.yaml");
	weir_diag_last(&diag)->line = 3;
	weir_diag_warning(&diag, NULL, "odd");
	weir_log_diag(&diag);
}

static void log_diag_writes_each_at_its_level(void **state)
{
	capture(WEIR_LOG_INFO, WEIR_LOG_JOURNAL, run_diag);
	assert_string_equal(written, "<3>f.yaml:3: a.b: bad; write c\n<4>odd\n");
}

static void log_diag_leaves_warnings_out_when_asked(void **state)
{
	capture(WEIR_LOG_ERROR, WEIR_LOG_TEXT, run_diag);
	assert_string_equal(written, "weir: error: f.yaml:3: a.b: bad; write c\n");
}

static void run_keeps_errno(void)
{
	close(STDERR_FILENO);
	errno = EXDEV;
	weir_info("x");
	assert_int_equal(errno, EXDEV);
}

static void log_that_cannot_be_written_leaves_errno_alone(void **state)
{
	capture(WEIR_LOG_INFO, WEIR_LOG_TEXT, run_keeps_errno);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_text_names_level_but_not_info),
		cmocka_unit_test(log_journal_carries_the_priority),
		cmocka_unit_test(log_less_important_than_asked_is_left_out),
		cmocka_unit_test(log_message_cannot_forge_a_line),
		cmocka_unit_test(log_json_is_one_object_a_line),
		cmocka_unit_test(log_diag_writes_each_at_its_level),
		cmocka_unit_test(log_diag_leaves_warnings_out_when_asked),
		cmocka_unit_test(log_that_cannot_be_written_leaves_errno_alone),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
