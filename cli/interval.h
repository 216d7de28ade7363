/* SPDX-License-Identifier: Apache-2.0 */
/* `--interval` of what is printed again and again. */
#ifndef WEIR_CLI_INTERVAL_H
#define WEIR_CLI_INTERVAL_H

#include "cli/command.h"
#include "cli/terminal.h"

/* "5" (seconds), "500ms", "1m"; as it is where it is not said. False: it is none, or less than 50
 * ms or more than a day, which is told. */
bool weir_interval_read(const struct weir_command *command, struct weir_terminal *terminal,
			uint64_t *ns);
/* True: --csv was asked for, of what goes on for ever. It is told that there is none. */
bool weir_interval_refuses_csv(const struct weir_command *command, struct weir_terminal *terminal);
void weir_interval_wait(uint64_t ns);

#endif
