/* SPDX-License-Identifier: Apache-2.0 */
/* Pins below pin_dir: maps/NAME, policy/SLOT, links/IFINDEX-HOOK. The new is pinned before the old
 * goes: a rename does both at once. */
#ifndef WEIR_CORE_PIN_H
#define WEIR_CORE_PIN_H

#include <stdbool.h>

#include "../base/diag.h"

#define WEIR_PIN_PATH 512

/* Makes pin_dir and its folders; mounts bpffs at /sys/fs/bpf when nothing is there. The refusal
 * says which command mends it. */
int weir_pin_prepare(const char *pin_dir, struct weir_diag *diag);
/* "pin_dir/folder/name"; -ENAMETOOLONG. */
int weir_pin_path(char path[WEIR_PIN_PATH], const char *pin_dir, const char *folder,
		  const char *name);
/* Pins fd there, replacing what is pinned at that place in one step. */
int weir_pin_replace(int fd, const char *pin_dir, const char *folder, const char *name);
/* Descriptor of what is pinned there, or -ENOENT. */
int weir_pin_get(const char *pin_dir, const char *folder, const char *name);
int weir_pin_remove(const char *pin_dir, const char *folder, const char *name);
bool weir_pin_is_bpffs(const char *path);

#endif
