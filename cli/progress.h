/* SPDX-License-Identifier: Apache-2.0 */
/* The line that moves while a file is sent and while the daemon works on it. Silent when standard
 * error is no terminal. */
#ifndef WEIR_CLI_PROGRESS_H
#define WEIR_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Zero-initialise, then set what is known. */
struct weir_progress {
	int fd;				/* where it is drawn */
	bool on;			/* false: nothing is ever drawn */
	uint64_t total;			/* bytes, 0 = unknown */
	const char *working;		/* what is said when all bytes are through: "compiling" */
	uint64_t step_done, step_total; /* of that, in entries; total 0: not known */
	uint64_t quiet_ms;		/* nothing is drawn before this much time has passed */

	uint64_t start_ns;
	uint64_t drawn_ns;
	uint64_t all_done_ns;
	bool drawn;
};

void weir_progress_start(struct weir_progress *progress);
/* Draws, ten times a second at most. */
void weir_progress_tell(struct weir_progress *progress, uint64_t done, bool all_done);
/* Takes the line away, so that what is printed next stands at the left margin. */
void weir_progress_clear(struct weir_progress *progress);
uint64_t weir_progress_elapsed_ms(const struct weir_progress *progress);
/* The line itself, without control characters; times in nanoseconds since the start. */
void weir_progress_format(const struct weir_progress *progress, uint64_t done, uint64_t elapsed_ns,
			  bool all_done, uint64_t waited_ns, struct weir_buf *text);

#endif
