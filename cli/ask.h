/* SPDX-License-Identifier: Apache-2.0 */
/* A question to the daemon beside the command itself: what it answers is not for the screen. */
#ifndef WEIR_CLI_ASK_H
#define WEIR_CLI_ASK_H

#include "base/json.h"
#include "cli/command.h"

struct weir_question {
	const char *target; /* "/api/v1/status", escaped already */
	const char *body;   /* JSON for a POST; NULL: a GET */
	const uint64_t *expect;
};

/* 0 and the answer's JSON; -errno with a sentence in diag (may be NULL) when there is none, or it
 * is a refusal. */
int weir_ask(const struct weir_command *command, const struct weir_question *question,
	     struct weir_diag *diag, struct weir_json **ret_json);

#endif
