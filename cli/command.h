/* SPDX-License-Identifier: Apache-2.0 */
/* One command line, understood: which verb, with which values. Nothing is done and nothing printed
 * here. */
#ifndef WEIR_CLI_COMMAND_H
#define WEIR_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "cli/verbs.h"

#define WEIR_COMMAND_VALUES_MAX 96
#define WEIR_COMMAND_REST_BYTES 4096

struct weir_value {
	const struct weir_arg *arg;
	const char *text; /* checked against the type; borrowed from argv, or the command's own */
};

struct weir_command {
	const struct weir_verbs *verbs;
	const struct weir_verb *verb; /* NULL: none was named */
	const char *noun;	      /* a noun stood alone or its verb is unknown; else NULL */
	bool help;		      /* --help was given */
	bool version;
	struct weir_value values[WEIR_COMMAND_VALUES_MAX]; /* globals among them; WEIR_ARG_WORDS
							    * once for each */
	size_t count;
	char rest[WEIR_COMMAND_REST_BYTES]; /* of WEIR_ARG_REST: a value's text may point here */
};

/*
 * Reads argv (argv[0] is skipped). -EINVAL with each problem in diag: unknown words with the
 * nearest known one, missing and doubled values, values not of their type. With --help nothing but
 * the verb must be right.
 */
int weir_command_parse(const struct weir_verbs *verbs, int argc, char **argv,
		       struct weir_diag *diag, struct weir_command *ret_command);
/* The text given, or NULL; defaults are the daemon's business and not filled in. */
const char *weir_command_str(const struct weir_command *command, const char *name);
bool weir_command_flag(const struct weir_command *command, const char *name);
/* A WEIR_ARG_UINT value; was checked, so cannot fail. */
uint64_t weir_command_uint(const struct weir_command *command, const char *name, uint64_t fallback);

#endif
