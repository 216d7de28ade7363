/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, read and replaced. */
#ifndef WEIR_BASE_FILE_H
#define WEIR_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/*
 * Appends the file's bytes to buf. -EFBIG past max_bytes. "-" is standard input; nothing else is
 * waited for: -ESPIPE for a pipe with a name, -EAGAIN for a device that has nothing to say.
 */
int weir_file_read(const char *path, size_t max_bytes, struct weir_buf *buf);
/*
 * Replaces path by these bytes or leaves it as it was: temporary file in the same directory, fsync,
 * rename, fsync of the directory. A full disk (-ENOSPC) loses nothing that was there and leaves no
 * temporary file; a kill leaves at most one, `.name.tmp`, which the next call uses up. `mode` is
 * taken as it is, whatever the umask. A symbolic link stays and its target is replaced. -EISDIR and
 * -EINVAL: there is something else than a file; -EPERM: `.name.tmp` belongs to somebody else. Waits
 * while another process replaces the same file.
 */
int weir_file_replace(const char *path, const void *bytes, size_t len, mode_t mode);
/* The same with mode 0600, for what ends with this boot: nothing waits for a disk, and a kill
 * leaves at most `path.new`, which the next call uses up. */
int weir_file_put(const char *path, const void *bytes, size_t len);
/*
 * Renames path to path.damaged-N (first free N) so that what was there can be looked at; ret_kept
 * (may be NULL) names it, to be freed.
 */
int weir_file_keep_aside(const char *path, char **ret_kept);
/* mkdir -p; existing directories are left as they are. */
int weir_file_make_dirs(const char *path, mode_t mode);
/* "dir/name" on the heap, or NULL. */
char *weir_path_join(const char *dir, const char *name);

#endif
