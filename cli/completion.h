/* SPDX-License-Identifier: Apache-2.0 */
/* Completion scripts for shells, made from the verb table: nothing is asked of the daemon while a
 * person types. */
#ifndef WEIR_CLI_COMPLETION_H
#define WEIR_CLI_COMPLETION_H

#include "base/buf.h"
#include "cli/verbs.h"

void weir_completion_bash(const struct weir_verbs *verbs, struct weir_buf *out);
void weir_completion_zsh(const struct weir_verbs *verbs, struct weir_buf *out);
void weir_completion_fish(const struct weir_verbs *verbs, struct weir_buf *out);

/* What can stand where an argument's value is due. */
enum weir_completes {
	WEIR_COMPLETES_NOTHING, /* free text: an address, a note */
	WEIR_COMPLETES_CHOICES,
	WEIR_COMPLETES_FILES,
	WEIR_COMPLETES_DIRECTORIES,
	WEIR_COMPLETES_INTERFACES,
};
enum weir_completes weir_arg_completes(const struct weir_verb *verb, const struct weir_arg *arg);

#endif
