/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads whole files and replaces them so that a crash or a full disk leaves the old or the new. Not
 * for streams.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define FILE_READ_STEP 65536
#define FILE_ASIDE_MAX 9999

static int file_read_fd(int fd, size_t max_bytes, struct weir_buf *buf)
{
	size_t before = buf->len;
	for (;;) {
		if (weir_buf_reserve(buf, FILE_READ_STEP) < 0)
			return -ENOMEM;
		/* The NUL that always follows keeps its place. */
		ssize_t n = read(fd, buf->data + buf->len, buf->capacity - buf->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf->len += (size_t)n;
		if (buf->len - before > max_bytes)
			return -EFBIG;
	}
}

/*
 * Told beforehand, a large file is read in one go instead of by doubling. Standard input may be a
 * pipe, which has no size: nothing is lost. A pipe with a name is another matter: nobody may ever
 * write into it, and opened without waiting it looks empty.
 */
static int file_reserve(int fd, size_t max_bytes, struct weir_buf *buf)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) && fd != STDIN_FILENO)
		return -ESPIPE;
	if (!S_ISREG(st.st_mode))
		return 0;
	if ((uintmax_t)st.st_size > max_bytes)
		return -EFBIG;
	return weir_buf_reserve(buf, (size_t)st.st_size + FILE_READ_STEP);
}

int weir_file_read(const char *path, size_t max_bytes, struct weir_buf *buf)
{
	_cleanup_close_ int opened = -1;
	int fd = STDIN_FILENO;
	if (strcmp(path, "-") != 0) {
		fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			return -errno;
	}

	size_t before = buf->len;
	int r = file_reserve(fd, max_bytes, buf);
	if (r == 0)
		r = file_read_fd(fd, max_bytes, buf);
	if (r < 0)
		buf->len = before;
	if (buf->data)
		buf->data[buf->len] = '\0';
	return r;
}

static int file_write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* "dir/.name.tmp" beside "dir/name". */
static char *file_temporary_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	_cleanup_buf_ struct weir_buf temporary = { 0 };
	weir_buf_add(&temporary, path, (size_t)(name - path));
	weir_buf_addf(&temporary, ".%s.tmp", name);
	return weir_buf_take(&temporary);
}

/*
 * The temporary name is fixed, so what a kill left behind is used up by the next write and never
 * piles up. A second writer could then write into the first one's file: each holds a lock on it,
 * and whoever waited for the lock looks whether the name still stands for the file it locked (the
 * first renamed it meanwhile) and starts again if not. A file of another owner, or with another
 * name too, is not ours to write secrets into.
 */
static int file_open_temporary(const char *name, int *ret_fd)
{
	for (;;) {
		_cleanup_close_ int fd =
			open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd < 0)
			return -errno;
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return -errno;

		struct stat opened, named;
		if (fstat(fd, &opened) < 0)
			return -errno;
		if (stat(name, &named) < 0 || opened.st_ino != named.st_ino ||
		    opened.st_dev != named.st_dev)
			continue;
		if (!S_ISREG(opened.st_mode) || opened.st_uid != geteuid() || opened.st_nlink != 1)
			return -EPERM;
		*ret_fd = weir_take_fd(fd);
		return 0;
	}
}

static int file_fill(int fd, const void *bytes, size_t len, mode_t mode)
{
	if (ftruncate(fd, 0) < 0 || fchmod(fd, mode) < 0)
		return -errno;
	int r = file_write_all(fd, bytes, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

static int file_sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;
	if (slash)
		dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	else
		dir = strdup(".");
	if (!dir)
		return -ENOMEM;

	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* EINVAL: this file system has no such thing as syncing a directory. */
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

/*
 * Follows symbolic links, so that a linked file stays linked; and refuses what is no file, for
 * renaming over /dev/null would succeed.
 */
static int file_resolve(const char *path, char **ret_path)
{
	_cleanup_free_ char *resolved = realpath(path, NULL);
	if (!resolved && errno != ENOENT)
		return -errno;
	if (!resolved) {
		resolved = strdup(path);
		if (!resolved)
			return -ENOMEM;
	}

	struct stat st;
	if (lstat(resolved, &st) == 0 && S_ISDIR(st.st_mode))
		return -EISDIR;
	if (lstat(resolved, &st) == 0 && !S_ISREG(st.st_mode))
		return -EINVAL;
	*ret_path = weir_take(resolved);
	return 0;
}

int weir_file_replace(const char *path, const void *bytes, size_t len, mode_t mode)
{
	_cleanup_free_ char *target = NULL;
	int r = file_resolve(path, &target);
	if (r < 0)
		return r;
	_cleanup_free_ char *temporary = file_temporary_name(target);
	if (!temporary)
		return -ENOMEM;
	_cleanup_close_ int fd = -1;
	r = file_open_temporary(temporary, &fd);
	if (r < 0)
		return r;

	r = file_fill(fd, bytes, len, mode);
	if (r == 0 && rename(temporary, target) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return file_sync_dir_of(target);
}

/*
 * Never over an existing file. Where the file system cannot promise that in one step, a second name
 * does.
 */
static int file_rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	return unlink(from) < 0 ? -errno : 0;
}

int weir_file_keep_aside(const char *path, char **ret_kept)
{
	for (int n = 1; n <= FILE_ASIDE_MAX; n++) {
		_cleanup_buf_ struct weir_buf name = { 0 };
		if (weir_buf_addf(&name, "%s.damaged-%d", path, n) < 0)
			return -ENOMEM;
		int r = file_rename_new(path, weir_buf_str(&name));
		if (r == -EEXIST)
			continue;
		if (r < 0)
			return r;
		r = file_sync_dir_of(path);
		if (r == 0 && ret_kept)
			*ret_kept = weir_buf_take(&name);
		return r;
	}
	return -EEXIST;
}

static int dir_make(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		return 0;
	int r = -errno;

	/*
	 * Asked after the attempt: somebody else may have made it in between. A read-only parent
	 * answers EROFS first.
	 */
	struct stat st;
	if (stat(path, &st) < 0)
		return r;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int weir_file_make_dirs(const char *path, mode_t mode)
{
	_cleanup_free_ char *part = strdup(path);
	if (!part)
		return -ENOMEM;
	for (char *p = part; *p; p++) {
		if (*p != '/' || p == part || p[-1] == '/')
			continue;
		*p = '\0';
		int r = dir_make(part, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return dir_make(part, mode);
}

char *weir_path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	while (len > 1 && dir[len - 1] == '/')
		len--;
	while (*name == '/')
		name++;

	_cleanup_buf_ struct weir_buf path = { 0 };
	weir_buf_add(&path, dir, len);
	if (len && dir[len - 1] != '/')
		weir_buf_add_char(&path, '/');
	weir_buf_add_str(&path, name);
	return weir_buf_take(&path);
}

static int bytes_put(const char *path, const char *bytes, size_t len)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : file_write_all(fd, bytes, len);
}

int weir_file_put(const char *path, const void *bytes, size_t len)
{
	_cleanup_buf_ struct weir_buf beside = { 0 };

	weir_buf_addf(&beside, "%s.new", path);
	if (beside.failed)
		return -ENOMEM;
	int r = bytes_put(beside.data, bytes, len);

	if (!r && rename(beside.data, path))
		r = -errno;
	if (r)
		unlink(beside.data);
	return r;
}
