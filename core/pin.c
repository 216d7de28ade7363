/* SPDX-License-Identifier: Apache-2.0 */
/* Pin paths and their replacement. Knows nothing of what is pinned. */
#include "pin.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/file.h"

#define BPFFS "/sys/fs/bpf"

static const char *const pin_folders[] = { "maps", "policy", "links" };

bool weir_pin_is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

static int bpffs_mount(struct weir_diag *diag)
{
	if (weir_pin_is_bpffs(BPFFS))
		return 0;
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") == 0)
		return 0;
	int error = errno;

	weir_diag_error(diag, "mount -t bpf bpf " BPFFS,
			"%s: the BPF file system is not mounted and cannot be: %s", BPFFS,
			strerror(error));
	return -error;
}

int weir_pin_path(char path[WEIR_PIN_PATH], const char *pin_dir, const char *folder,
		  const char *name)
{
	int len = snprintf(path, WEIR_PIN_PATH, "%s/%s/%s", pin_dir, folder, name);

	return len < WEIR_PIN_PATH ? 0 : -ENAMETOOLONG;
}

int weir_pin_prepare(const char *pin_dir, struct weir_diag *diag)
{
	if (strncmp(pin_dir, BPFFS, strlen(BPFFS)) == 0) {
		int r = bpffs_mount(diag);

		if (r)
			return r;
	}
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(pin_folders); i++) {
		_cleanup_free_ char *folder = weir_path_join(pin_dir, pin_folders[i]);
		int r = folder ? weir_file_make_dirs(folder, 0700) : -ENOMEM;

		if (r) {
			weir_diag_error(diag,
					"choose another --pin-dir, or remove what stands there",
					"%s/%s: cannot be made: %s", pin_dir, pin_folders[i],
					strerror(-r));
			return r;
		}
	}
	if (weir_pin_is_bpffs(pin_dir))
		return 0;
	weir_diag_error(diag, "choose a --pin-dir below " BPFFS,
			"%s: not on a BPF file system, nothing can be pinned there", pin_dir);
	return -ENOTSUP;
}

int weir_pin_get(const char *pin_dir, const char *folder, const char *name)
{
	char path[WEIR_PIN_PATH];
	int r = weir_pin_path(path, pin_dir, folder, name);

	if (r)
		return r;
	int fd = bpf_obj_get(path);

	return fd < 0 ? -errno : fd;
}

int weir_pin_replace(int fd, const char *pin_dir, const char *folder, const char *name)
{
	char path[WEIR_PIN_PATH], fresh[WEIR_PIN_PATH + 4];
	int r = weir_pin_path(path, pin_dir, folder, name);

	if (r)
		return r;
	snprintf(fresh, sizeof(fresh), "%s-new", path);
	unlink(fresh); /* of a run that was killed right here */
	if (bpf_obj_pin(fd, fresh))
		return -errno;
	if (rename(fresh, path) == 0)
		return 0;
	r = -errno;
	unlink(fresh);
	return r;
}

int weir_pin_remove(const char *pin_dir, const char *folder, const char *name)
{
	char path[WEIR_PIN_PATH];
	int r = weir_pin_path(path, pin_dir, folder, name);

	if (r)
		return r;
	return unlink(path) ? -errno : 0;
}
