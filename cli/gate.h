/* SPDX-License-Identifier: Apache-2.0 */
/* The gate before `apply`: what would be cut is shown, and whether to go on is settled. */
#ifndef WEIR_CLI_GATE_H
#define WEIR_CLI_GATE_H

#include "base/buf.h"
#include "cli/command.h"
#include "cli/terminal.h"

#define WEIR_GATE_OPEN (-1)

/*
 * WEIR_GATE_OPEN, or the exit code of a command that ends here. Looks only when the configuration
 * `text` denies by default, or when asked to (--look, --dry-run); what is wrong with it, the daemon
 * tells. When the SSH session this is typed in would be cut by the default alone, its address is
 * allowed first, and `expect` follows the revision.
 */
int weir_gate_pass(const struct weir_command *command, struct weir_terminal *terminal,
		   const struct weir_buf *text, uint64_t *expect);

#endif
