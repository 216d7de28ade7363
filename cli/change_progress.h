/* SPDX-License-Identifier: Apache-2.0 */
/* How far the daemon is with a change, asked on a second connection while the first waits. */
#ifndef WEIR_CLI_CHANGE_PROGRESS_H
#define WEIR_CLI_CHANGE_PROGRESS_H

#include "base/json.h"
#include "cli/progress.h"

struct weir_change_progress {
	struct weir_progress *progress;
	const char *socket;
	uint64_t asked_ns; /* when the daemon was asked last */
};

/* Draws, and asks five times a second; for struct weir_request, whose `arg` it is. */
void weir_change_progress_tell(void *arg, uint64_t sent_bytes, bool all_sent);
/* Takes over what the member "change" of a status says; without one nothing changes. */
void weir_change_progress_read(const struct weir_json *status, struct weir_progress *progress);

#endif
