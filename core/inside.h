/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that a part of the program asks for by itself, as a door does for a caller. So one
 * feature can have another do something and know no more of it than its operation's name.
 */
#ifndef WEIR_CORE_INSIDE_H
#define WEIR_CORE_INSIDE_H

#include "ops.h"

/* The run-time list for what the program puts on lists by itself. */
#define WEIR_LIST_AUTO "auto"

/* `reply` is NULL unless result is 0. All is borrowed. */
typedef void weir_inside_fn(void *arg, int result, const struct weir_json *reply,
			    const struct weir_diag *diag);

/*
 * Runs the operation with an operator's rights; `args` is the text of a JSON object, `who` for the
 * record. Loop's thread. Calls `done` there exactly once when 0 is returned, before that or later,
 * at the latest when the engine ends. -ENOENT: there is no such operation; -EINVAL, -ENOMEM.
 */
int weir_inside_run(struct weir_engine *engine, const char *op_name, const char *args,
		    const char *who, weir_inside_fn *done, void *arg);

#endif
