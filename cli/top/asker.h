/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the daemon in a thread of its own: a daemon that takes its time, or is gone, never keeps a
 * key waiting.
 */
#ifndef WEIR_TOP_ASKER_H
#define WEIR_TOP_ASKER_H

#include "cli/command.h"
#include "cli/top/look.h"

#define TOP_DEED_WORDS 16

/* A command, as it would be typed. */
struct top_deed {
	char *words[TOP_DEED_WORDS]; /* up to NULL; "weir" is the first */
	int exit_code;
	char *said; /* all it printed */
};

void top_deed_free(struct top_deed *deed);

struct top_asker;

/* -ENOMEM or another -errno. `command` must last. */
int top_asker_start(const struct weir_command *command, struct top_asker **ret_asker);
/* Does not wait for an answer that does not come. */
void top_asker_stop(struct top_asker *asker);
/* Readable when something came. */
int top_asker_fd(const struct top_asker *asker);
/* Takes it over. One that waits its turn gives way to it. */
void top_asker_look(struct top_asker *asker, struct top_look *look);
void top_asker_do(struct top_asker *asker, struct top_deed *deed);
/* What came, or NULL; the caller's. */
struct top_look *top_asker_seen(struct top_asker *asker);
struct top_deed *top_asker_done(struct top_asker *asker);

#endif
