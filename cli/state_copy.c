/* SPDX-License-Identifier: Apache-2.0 */
/* Plain files only, one level deep, as the daemon keeps them. */
#include "cli/state_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static int bytes_copy(int from, int to)
{
	ssize_t sent;

	do
		sent = sendfile(to, from, NULL, 1 << 20);
	while (sent > 0);
	return sent < 0 ? -errno : 0;
}

/* What is replaced while we copy is whole, old or new: the daemon renames. */
static int file_copy(int from_dir, int to_dir, const char *name)
{
	_cleanup_close_ int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;

	if (from < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(from, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	_cleanup_close_ int to =
		openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return to < 0 ? -errno : bytes_copy(from, to);
}

static bool is_wanted(const char *name)
{
	return name[0] != '.';
}

int weir_state_copy(const char *state_dir, char **ret_copy)
{
	const char *base = getenv("TMPDIR");
	_cleanup_closedir_ DIR *folder = opendir(state_dir);
	_cleanup_state_copy_ char *copy =
		weir_path_join(base && base[0] == '/' ? base : "/tmp", "weir-look-XXXXXX");
	int r = 0;

	if (!folder)
		return -errno;
	if (!copy || !mkdtemp(copy)) {
		r = copy ? -errno : -ENOMEM;
		free(weir_take(copy));
		return r;
	}
	_cleanup_close_ int to = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (to < 0)
		return -errno;
	for (const struct dirent *entry; r == 0 && (entry = readdir(folder));)
		if (is_wanted(entry->d_name))
			r = file_copy(dirfd(folder), to, entry->d_name);
	if (r == 0)
		*ret_copy = weir_take(copy);
	return r;
}

void weir_state_copy_free(char *copy)
{
	_cleanup_closedir_ DIR *folder = copy ? opendir(copy) : NULL;

	for (const struct dirent *entry; folder && (entry = readdir(folder));)
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	if (copy)
		(void)rmdir(copy);
	free(copy);
}
