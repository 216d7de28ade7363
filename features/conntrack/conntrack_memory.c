/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"

static struct conntrack_memory *memory_map(int fd, size_t bytes)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void path_beside(const char *path, struct weir_buf *beside)
{
	weir_buf_addf(beside, "%s.new", path);
}

/* All of it is there from the start: a page that finds no room when it is written to would be the
 * end of the daemon. */
static struct conntrack_memory *file_map(const char *path, size_t bytes)
{
	_cleanup_buf_ struct weir_buf beside = { 0 };

	path_beside(path, &beside);
	_cleanup_close_ int fd =
		beside.failed ? -1 :
				open(weir_buf_str(&beside),
				     O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return NULL;
	struct conntrack_memory *memory =
		posix_fallocate(fd, 0, (off_t)bytes) ? NULL : memory_map(fd, bytes);

	if (!memory)
		unlink(weir_buf_str(&beside));
	return memory;
}

struct conntrack_memory *conntrack_memory_new(const char *path, const struct conntrack_memory *head)
{
	struct conntrack_memory *memory = path ? file_map(path, head->bytes) : NULL;

	if (!memory)
		memory = memory_map(-1, head->bytes);
	if (memory)
		*memory = *head;
	return memory;
}

void conntrack_memory_name(const char *path)
{
	_cleanup_buf_ struct weir_buf beside = { 0 };

	if (!path)
		return;
	path_beside(path, &beside);
	if (!beside.failed && rename(weir_buf_str(&beside), path) && errno != ENOENT)
		unlink(weir_buf_str(&beside));
}

void conntrack_memory_unname(const char *path)
{
	_cleanup_buf_ struct weir_buf beside = { 0 };

	if (path)
		path_beside(path, &beside);
	if (path && !beside.failed)
		unlink(weir_buf_str(&beside));
}

struct conntrack_memory *conntrack_memory_found(const char *path, uint64_t kind, uint64_t flows)
{
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct conntrack_memory head;

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.kind != kind ||
	    head.flows != flows || lseek(fd, 0, SEEK_END) != (off_t)head.bytes)
		return NULL;
	return memory_map(fd, head.bytes);
}

void conntrack_memory_close(struct conntrack_memory *memory)
{
	if (memory)
		munmap(memory, memory->bytes);
}
