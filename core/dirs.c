/* SPDX-License-Identifier: Apache-2.0 */
#include "dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "engine.h"
#include "pin.h"

static int dir_make(const char *path, mode_t mode, const char *cure, struct weir_diag *diag)
{
	int r = weir_file_make_dirs(path, mode);

	if (r)
		weir_diag_error(diag, cure, "%s: cannot be made: %s", path, strerror(-r));
	return r;
}

static int dirs_make(const struct weir_engine_options *options, struct weir_diag *diag)
{
	int r = dir_make(options->state_dir, 0700, "choose another --state-dir", diag);

	if (!r)
		r = dir_make(options->run_dir, 0755, "choose another --run-dir", diag);
	return r ? r : weir_pin_prepare(options->pin_dir, diag);
}

/* The lock is that of the open directory: no file that could be left behind. */
static int dir_lock(const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return -errno;
	*ret_fd = weir_take_fd(fd);
	return 0;
}

static int dir_take(const char *path, int *ret_fd, struct weir_diag *diag)
{
	int r = dir_lock(path, ret_fd);

	if (r == -EWOULDBLOCK) {
		weir_diag_error(
			diag,
			"stop it, or give this one its own --run-dir, --state-dir and --pin-dir",
			"another daemon has %s", path);
		return -EADDRINUSE;
	}
	if (r)
		weir_diag_error(diag, NULL, "%s: cannot be held: %s", path, strerror(-r));
	return r;
}

void weir_dirs_init(struct weir_dirs *dirs)
{
	for (int i = 0; i < WEIR_DIR_COUNT; i++)
		dirs->lock_fd[i] = -1;
}

int weir_dirs_take(struct weir_dirs *dirs, const struct weir_engine_options *options,
		   struct weir_diag *diag)
{
	int r = dirs_make(options, diag);

	if (!r)
		r = dir_take(options->state_dir, &dirs->lock_fd[WEIR_DIR_STATE], diag);
	if (!r)
		r = dir_take(options->run_dir, &dirs->lock_fd[WEIR_DIR_RUN], diag);
	return r ? r : dir_take(options->pin_dir, &dirs->lock_fd[WEIR_DIR_PIN], diag);
}

void weir_dirs_done(struct weir_dirs *dirs)
{
	for (int i = 0; i < WEIR_DIR_COUNT; i++)
		weir_cleanup_close(&dirs->lock_fd[i]);
}
