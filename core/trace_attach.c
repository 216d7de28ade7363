/* SPDX-License-Identifier: Apache-2.0 */
/* Tracepoints, the topmost cgroup, and iterators. */
#include "trace_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"

#define MOUNTS "/proc/self/mounts"
#define READ_BYTES 65536

/* Where the hierarchy of version 2 is mounted: beside those of version 1, or alone. */
static int cgroup_open(void)
{
	FILE *mounts = setmntent(MOUNTS, "re");
	struct mntent entry, *found;
	char text[4096];
	int fd = -ENOENT;

	while (mounts && fd < 0 && (found = getmntent_r(mounts, &entry, text, sizeof(text))))
		if (strcmp(found->mnt_type, "cgroup2") == 0)
			fd = open(found->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mounts)
		endmntent(mounts);
	return fd;
}

static struct bpf_link *cgroup_attach(struct bpf_program *program)
{
	_cleanup_close_ int cgroup = cgroup_open();

	if (cgroup >= 0)
		return bpf_program__attach_cgroup(program, cgroup);
	errno = ENOENT;
	return NULL;
}

int weir_trace_attach(struct bpf_program *program, enum weir_trace_hook kind,
		      struct bpf_link **ret_link)
{
	struct bpf_link *link = kind == WEIR_TRACE_ITERATOR ?
					bpf_program__attach_iter(program, NULL) :
				kind == WEIR_TRACE_CGROUP ? cgroup_attach(program) :
							    bpf_program__attach(program);

	if (!link)
		return -errno;
	*ret_link = link;
	return 0;
}

int weir_trace_run(struct bpf_link *link)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	char bytes[READ_BYTES];

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}
