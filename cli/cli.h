/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: everything `weir` does but `weir daemon`, which daemon/main.c takes for itself.
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

enum weir_exit {
	WEIR_EXIT_OK = 0,
	WEIR_EXIT_FAILED = 1,	 /* refused, or tried and failed */
	WEIR_EXIT_USAGE = 2,	 /* the command line itself is wrong */
	WEIR_EXIT_NO_DAEMON = 3, /* nobody listens at the socket */
	WEIR_EXIT_PARTLY = 4,	 /* done, but for what was listed */
};

/* Runs one command line, argv[0] included, and returns the exit code of the process. */
int weir_cli_main(int argc, char **argv);

/* What "-" is called in messages, as if it were a file of the working directory. */
#define WEIR_STDIN_NAME "standard input"

#endif
