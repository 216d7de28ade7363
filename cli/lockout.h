/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps who works over SSH from blocking the address that very session comes from. */
#ifndef WEIR_CLI_LOCKOUT_H
#define WEIR_CLI_LOCKOUT_H

#include <stdbool.h>

#include "cli/command.h"
#include "cli/flows.h"
#include "cli/terminal.h"

/* The SSH session this command is typed in, as its packets arrive; false when there is none. */
bool weir_lockout_session(struct weir_flow *ret_session);
/*
 * False, and told with the cure: the command would block the client address of SSH_CONNECTION,
 * which stands on no allow list, and --force was not given. Asks the daemon, but only when the
 * addresses fall together; one that does not answer is for the command itself to find out.
 */
bool weir_lockout_is_averted(const struct weir_command *command, struct weir_terminal *terminal);

#endif
