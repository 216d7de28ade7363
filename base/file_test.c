/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of reading, replacing and keeping aside files, also on a full disk and under kill -9. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

#define KILLS 40
#define KILL_WITHIN_NS (8 * WEIR_NS_PER_MS)
#define LARGE_BYTES 300000
#define SMALL_DISK "size=128k"
#define WRITERS 4

static char folder[64];

static int fixture_enter_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/weir-file-test-XXXXXX");
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static void folder_empty(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			continue;
		_cleanup_free_ char *inner = weir_path_join(path, entry->d_name);
		folder_empty(inner);
		rmdir(inner);
	}
}

static int fixture_leave_folder(void **state)
{
	folder_empty(folder);
	return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void assert_file(const char *path, const char *expected)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(weir_file_read(path, 1 << 20, &buf), 0);
	assert_string_equal(weir_buf_str(&buf), expected);
}

static void put_file(const char *path, const char *text)
{
	assert_int_equal(weir_file_replace(path, text, strlen(text), 0644), 0);
}

static size_t count_entries(const char *path)
{
	size_t count = 0;
	_cleanup_closedir_ DIR *dir = opendir(path);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	return count;
}

static void file_read_appends(void **state)
{
	put_file("a", "two");
	_cleanup_buf_ struct weir_buf buf = { 0 };
	weir_buf_add_str(&buf, "one ");
	assert_int_equal(weir_file_read("a", 3, &buf), 0);
	assert_string_equal(weir_buf_str(&buf), "one two");
}

static void file_read_past_the_limit_is_refused_and_leaves_the_buffer(void **state)
{
	put_file("a", "four");
	_cleanup_buf_ struct weir_buf buf = { 0 };
	weir_buf_add_str(&buf, "kept");
	assert_int_equal(weir_file_read("a", 3, &buf), -EFBIG);
	assert_string_equal(weir_buf_str(&buf), "kept");
}

static void file_read_past_the_limit_is_refused_where_size_is_unknown(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(weir_file_read("/dev/zero", 100000, &buf), -EFBIG);
	assert_string_equal(weir_buf_str(&buf), "");
}

static void file_read_of_what_is_not_there_says_so(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(weir_file_read("none", 1, &buf), -ENOENT);
	assert_int_equal(weir_file_read(".", 1, &buf), -EISDIR);
}

static void file_read_of_a_named_pipe_is_refused_without_waiting(void **state)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(weir_file_read("pipe", 100, &buf), -ESPIPE);
}

static void file_read_dash_is_standard_input(void **state)
{
	put_file("in", "typed");
	_cleanup_close_ int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int fd = open("in", O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct weir_buf buf = { 0 };
	dup2(fd, STDIN_FILENO);
	int r = weir_file_read("-", 100, &buf);
	if (saved >= 0)
		dup2(saved, STDIN_FILENO);
	assert_int_equal(r, 0);
	assert_string_equal(weir_buf_str(&buf), "typed");
}

static void file_replace_makes_and_replaces(void **state)
{
	put_file("a", "first, and longer");
	assert_file("a", "first, and longer");
	put_file("a", "second");
	assert_file("a", "second");
	assert_int_equal(count_entries("."), 1);
}

static void file_replace_sets_the_mode_whatever_the_umask(void **state)
{
	mode_t before = umask(0077);
	int r = weir_file_replace("a", "x", 1, 0640);
	umask(before);
	struct stat st;
	assert_int_equal(r, 0);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void file_replace_through_a_link_keeps_the_link(void **state)
{
	put_file("target", "old");
	assert_int_equal(symlink("target", "link"), 0);
	put_file("link", "new");
	struct stat st;
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_file("target", "new");
}

static void file_replace_of_what_is_no_file_is_refused(void **state)
{
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(mkfifo("fifo", 0644), 0);
	assert_int_equal(weir_file_replace("dir", "x", 1, 0644), -EISDIR);
	assert_int_equal(weir_file_replace("fifo", "x", 1, 0644), -EINVAL);
	assert_int_equal(weir_file_replace("/dev/null", "x", 1, 0644), -EINVAL);
	assert_int_equal(weir_file_replace("none/a", "x", 1, 0644), -ENOENT);
}

static void file_replace_uses_up_what_a_kill_left_behind(void **state)
{
	_cleanup_close_ int fd = open(".a.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "a long half-written text", 24), 24);
	put_file("a", "whole");
	assert_file("a", "whole");
	assert_int_equal(count_entries("."), 1);
}

static void file_replace_writes_through_no_planted_name(void **state)
{
	put_file("victim", "precious");
	assert_int_equal(symlink("victim", ".a.tmp"), 0);
	assert_int_equal(weir_file_replace("a", "x", 1, 0644), -ELOOP);
	assert_int_equal(unlink(".a.tmp"), 0);
	assert_int_equal(link("victim", ".a.tmp"), 0);
	assert_int_equal(weir_file_replace("a", "x", 1, 0644), -EPERM);
	assert_file("victim", "precious");
}

/* Runs in a child, where limits and mounts are its own; the exit status names the failing step. */
static void assert_child(int (*run)(void))
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(run());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static char large[LARGE_BYTES];

static int child_past_its_size_limit(void)
{
	struct rlimit limit = { 1000, 1000 };
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	return weir_file_replace("a", large, sizeof(large), 0644) == -EFBIG ? 0 : 2;
}

static void file_replace_that_fails_leaves_the_old_and_no_temporary(void **state)
{
	put_file("a", "old");
	assert_child(child_past_its_size_limit);
	assert_file("a", "old");
	assert_int_equal(count_entries("."), 1);
}

static int child_on_a_full_disk(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;
	if (mount("tmpfs", folder, "tmpfs", 0, SMALL_DISK) < 0 || chdir(folder) < 0)
		return 2;
	if (weir_file_replace("a", "old", 3, 0644) < 0)
		return 3;
	if (weir_file_replace("a", large, sizeof(large), 0644) != -ENOSPC)
		return 4;
	_cleanup_buf_ struct weir_buf buf = { 0 };
	if (weir_file_read("a", 100, &buf) < 0 || strcmp(weir_buf_str(&buf), "old") != 0)
		return 5;
	if (count_entries(".") != 1)
		return 6;
	return weir_file_replace("a", "new", 3, 0644) == 0 ? 0 : 7;
}

static void file_replace_on_a_full_disk_loses_nothing(void **state)
{
	if (geteuid() != 0) {
		print_message("a tmpfs of our own needs root\n");
		skip();
	}
	assert_child(child_on_a_full_disk);
}

/* Old and new differ in every byte and in length: a mix of them shows. */
static __attribute__((noreturn)) void child_replace_for_ever(void)
{
	for (unsigned i = 0;; i++) {
		size_t len = i % 2 ? LARGE_BYTES : LARGE_BYTES / 2;
		memset(large, i % 2 ? 'B' : 'A', len);
		if (weir_file_replace("a", large, len, 0644) < 0)
			_exit(1);
	}
}

static void assert_one_version(const char *path)
{
	_cleanup_buf_ struct weir_buf buf = { 0 };
	assert_int_equal(weir_file_read(path, LARGE_BYTES, &buf), 0);
	char version = buf.data[0];
	assert_true(version == 'A' || version == 'B');
	assert_int_equal(buf.len, version == 'B' ? LARGE_BYTES : LARGE_BYTES / 2);
	assert_int_equal(strspn(buf.data, version == 'A' ? "A" : "B"), buf.len);
}

static void file_replace_killed_at_any_moment_leaves_one_version(void **state)
{
	memset(large, 'A', LARGE_BYTES / 2);
	assert_int_equal(weir_file_replace("a", large, LARGE_BYTES / 2, 0644), 0);
	for (uint64_t kill_number = 0; kill_number < KILLS; kill_number++) {
		pid_t pid = fork();
		if (pid == 0)
			child_replace_for_ever();
		uint64_t until = weir_clock_monotonic_ns() + kill_number * KILL_WITHIN_NS / KILLS;
		while (weir_clock_monotonic_ns() < until)
			;
		int status;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_one_version("a");
		assert_true(count_entries(".") <= 2);
	}
}

static int child_replace_some(void)
{
	memset(large, getpid() % 2 ? 'B' : 'A', sizeof(large));
	size_t len = getpid() % 2 ? LARGE_BYTES : LARGE_BYTES / 2;
	for (int i = 0; i < 20; i++)
		if (weir_file_replace("a", large, len, 0644) < 0)
			return 1;
	return 0;
}

static void file_replace_by_several_at_once_leaves_one_version(void **state)
{
	pid_t pids[WRITERS];
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(child_replace_some());
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_one_version("a");
	assert_int_equal(count_entries("."), 1);
}

static void file_kept_aside_takes_the_first_free_number(void **state)
{
	put_file("a.damaged-1", "earlier");
	put_file("a", "broken");
	_cleanup_free_ char *kept = NULL;
	assert_int_equal(weir_file_keep_aside("a", &kept), 0);
	assert_string_equal(kept, "a.damaged-2");
	assert_file("a.damaged-2", "broken");
	assert_file("a.damaged-1", "earlier");
	assert_int_equal(access("a", F_OK), -1);
}

static void file_kept_aside_must_be_there(void **state)
{
	assert_int_equal(weir_file_keep_aside("none", NULL), -ENOENT);
}

static void dirs_are_made_with_their_parents(void **state)
{
	struct stat st;
	assert_int_equal(weir_file_make_dirs("x/y//z/", 0700), 0);
	assert_int_equal(stat("x/y/z", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(weir_file_make_dirs("x/y/z", 0755), 0);
}

static void dirs_through_a_file_are_refused(void **state)
{
	put_file("a", "x");
	assert_int_equal(weir_file_make_dirs("a/b", 0755), -ENOTDIR);
	assert_int_equal(weir_file_make_dirs("a", 0755), -ENOTDIR);
}

static void assert_joined(const char *dir, const char *name, const char *expected)
{
	_cleanup_free_ char *path = weir_path_join(dir, name);
	assert_string_equal(path, expected);
}

static void path_join_puts_one_slash_between(void **state)
{
	assert_joined("a", "b", "a/b");
	assert_joined("a//", "/b", "a/b");
	assert_joined("/", "b", "/b");
	assert_joined("", "b", "b");
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, fixture_enter_folder, fixture_leave_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(file_read_appends),
		IN_FOLDER(file_read_past_the_limit_is_refused_and_leaves_the_buffer),
		IN_FOLDER(file_read_past_the_limit_is_refused_where_size_is_unknown),
		IN_FOLDER(file_read_of_what_is_not_there_says_so),
		IN_FOLDER(file_read_of_a_named_pipe_is_refused_without_waiting),
		IN_FOLDER(file_read_dash_is_standard_input),
		IN_FOLDER(file_replace_makes_and_replaces),
		IN_FOLDER(file_replace_sets_the_mode_whatever_the_umask),
		IN_FOLDER(file_replace_through_a_link_keeps_the_link),
		IN_FOLDER(file_replace_of_what_is_no_file_is_refused),
		IN_FOLDER(file_replace_uses_up_what_a_kill_left_behind),
		IN_FOLDER(file_replace_writes_through_no_planted_name),
		IN_FOLDER(file_replace_that_fails_leaves_the_old_and_no_temporary),
		IN_FOLDER(file_replace_on_a_full_disk_loses_nothing),
		IN_FOLDER(file_replace_killed_at_any_moment_leaves_one_version),
		IN_FOLDER(file_replace_by_several_at_once_leaves_one_version),
		IN_FOLDER(file_kept_aside_takes_the_first_free_number),
		IN_FOLDER(file_kept_aside_must_be_there),
		IN_FOLDER(dirs_are_made_with_their_parents),
		IN_FOLDER(dirs_through_a_file_are_refused),
		IN_FOLDER(path_join_puts_one_slash_between),
	};
	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
