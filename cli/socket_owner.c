/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/fd holds "socket:[INODE]" for each socket a process has. */
#include "cli/socket_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static void name_read(int process, struct weir_socket_owner *owner)
{
	_cleanup_close_ int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, owner->name, sizeof(owner->name) - 1);

	owner->name[got > 0 ? got : 0] = '\0';
	owner->name[strcspn(owner->name, "\n")] = '\0';
}

static bool inode_read(int folder, const char *name, uint64_t *ret_inode)
{
	char target[64];
	unsigned long long inode;
	ssize_t len = readlinkat(folder, name, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	*ret_inode = sscanf(target, "socket:[%llu]", &inode) == 1 ? inode : 0;
	return *ret_inode;
}

static void process_look(int proc, const char *pid, struct weir_socket_owner *owners, size_t count)
{
	_cleanup_close_ int process = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = process < 0 ? -1 : openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	uint64_t inode;

	if (!folder)
		return;
	for (const struct dirent *entry; (entry = readdir(folder));) {
		if (!inode_read(fd, entry->d_name, &inode))
			continue;
		for (size_t i = 0; i < count; i++)
			if (owners[i].inode == inode && !owners[i].name[0])
				name_read(process, &owners[i]);
	}
}

void weir_socket_owners_find(struct weir_socket_owner *owners, size_t count)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");

	if (!proc)
		return;
	for (const struct dirent *entry; (entry = readdir(proc));)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			process_look(dirfd(proc), entry->d_name, owners, count);
}
