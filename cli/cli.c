/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to an exit code: parse, then help, local work or a request to the daemon. */
#include "cli/cli.h"

#include <signal.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/local.h"
#include "cli/remote.h"
#include "cli/terminal.h"

/* A noun alone is half a command: the help is the answer, the exit code says nothing was done. */
static int help_show(const struct weir_command *command, struct weir_terminal *terminal)
{
	_cleanup_buf_ struct weir_buf out = { 0 };

	if (command->verb)
		weir_help_verb(command->verb, &out);
	else if (command->noun)
		weir_help_noun(command->verbs, command->noun, &out);
	else
		weir_help_overview(command->verbs, &out);
	if (!weir_terminal_print(terminal, &out))
		return WEIR_EXIT_FAILED;
	return command->help || !command->noun ? WEIR_EXIT_OK : WEIR_EXIT_USAGE;
}

static int version_show(struct weir_terminal *terminal)
{
	_cleanup_buf_ struct weir_buf out = { 0 };

	weir_buf_add_str(&out, "weir " WEIR_VERSION "\n");
	return weir_terminal_print(terminal, &out) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
}

static int command_run(const struct weir_command *command, struct weir_terminal *terminal)
{
	if (command->version)
		return version_show(terminal);
	if (command->help || !command->verb)
		return help_show(command, terminal);
	if (!weir_verb_is_here(command->verb))
		return weir_remote_run(command, terminal);
	if (command->verb->local)
		return command->verb->local(command, terminal);
	return help_show(command, terminal);
}

int weir_cli_main(int argc, char **argv)
{
	_cleanup_verbs_ struct weir_verbs verbs = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_terminal terminal;
	struct weir_command command;

	/* `weir … | head`: a write then says so by -EPIPE, and an upload is not cut off
	 * unexplained. */
	(void)signal(SIGPIPE, SIG_IGN);
	weir_terminal_init(&terminal, false, false);
	if (weir_verbs_init(&verbs, weir_op_at, weir_locals) < 0) {
		weir_terminal_problem(&terminal, NULL, "out of memory");
		return WEIR_EXIT_FAILED;
	}
	int result = weir_command_parse(&verbs, argc, argv, &diag, &command);
	weir_terminal_init(&terminal, weir_command_flag(&command, "json"),
			   weir_command_flag(&command, "no-color"));
	if (result < 0) {
		weir_terminal_diag(&terminal, &diag);
		return WEIR_EXIT_USAGE;
	}
	return command_run(&command, &terminal);
}
