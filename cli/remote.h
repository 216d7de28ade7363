/* SPDX-License-Identifier: Apache-2.0 */
/* A verb that the daemon does: the command becomes a request, the answer becomes text. */
#ifndef WEIR_CLI_REMOTE_H
#define WEIR_CLI_REMOTE_H

#include "cli/command.h"
#include "cli/terminal.h"

/* --socket, else WEIR_SOCKET, else the default. */
const char *weir_remote_socket(const struct weir_command *command);
/* --timeout in milliseconds, else the default. */
uint64_t weir_remote_timeout_ms(const struct weir_command *command);
/* The path and query of the command, and for a WRITE its JSON body. -ENOMEM. */
int weir_remote_compose(const struct weir_command *command, struct weir_buf *target,
			struct weir_buf *body);
/* Does it and returns an exit code. */
int weir_remote_run(const struct weir_command *command, struct weir_terminal *terminal);
/* `events --follow`: until the daemon or the reader of our output goes away. */
int weir_follow_run(const struct weir_command *command, struct weir_terminal *terminal);
/* Exit code for a client error, which is told on the terminal. */
int weir_remote_failed(struct weir_terminal *terminal, int result, const struct weir_diag *diag);

#endif
