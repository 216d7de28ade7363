/* SPDX-License-Identifier: Apache-2.0 */
/* The directories a daemon has to itself: made where they are not, and held while it runs. */
#ifndef WEIR_CORE_DIRS_H
#define WEIR_CORE_DIRS_H

#include "base/diag.h"

struct weir_engine_options;

enum weir_dir {
	WEIR_DIR_STATE,
	WEIR_DIR_RUN,
	WEIR_DIR_PIN,
	WEIR_DIR_COUNT,
};

struct weir_dirs {
	int lock_fd[WEIR_DIR_COUNT]; /* -1: not held */
};

/* None is held yet. */
void weir_dirs_init(struct weir_dirs *dirs);
/*
 * Makes state_dir, run_dir and pin_dir, and takes them: whoever comes second is
 * refused (-EADDRINUSE) before he has touched what packets pass through. A kill lets go of them.
 */
int weir_dirs_take(struct weir_dirs *dirs, const struct weir_engine_options *options,
		   struct weir_diag *diag);
void weir_dirs_done(struct weir_dirs *dirs);

#endif
