/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expectations of a policy, one a line: "tcp 192.0.2.1:5 > 192.0.2.2:22 in eth0 is denied by bad".
 * Reading them and holding an answer of explain against one; how the answer is come by is
 * expect_run.c's business.
 */
#ifndef WEIR_CLI_EXPECT_H
#define WEIR_CLI_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "base/json.h"
#include "core/frame.h"

#define WEIR_EXPECT_WORD_BYTES 64 /* longest word and its NUL */
#define WEIR_EXPECT_INTERFACE_BYTES 16

enum weir_outcome {
	WEIR_ALLOWED,
	WEIR_DENIED,   /* dropped in silence */
	WEIR_REJECTED, /* dropped and told */
};

struct weir_expectation {
	unsigned line;
	char *text;		     /* without blanks and remarks around it */
	char *query;		     /* arguments of explain: "src=192.0.2.1&dst=…", escaped */
	struct weir_frame_spec spec; /* the same packet, completed */
	enum weir_direction direction;
	char interface[WEIR_EXPECT_INTERFACE_BYTES]; /* "" = whichever */
	enum weir_outcome outcome;
	char by[WEIR_EXPECT_WORD_BYTES]; /* "" = whoever decides */
};

struct weir_expectations {
	struct weir_expectation *rows;
	size_t count;
};

/*
 * Reads all lines. -EINVAL with file, line, column and cure of each bad one in diag, or -ENOMEM;
 * ret is then empty. Columns count bytes.
 */
int weir_expectations_read(const char *text, size_t len, const char *file, struct weir_diag *diag,
			   struct weir_expectations *ret_expectations);
void weir_expectations_done(struct weir_expectations *expectations);
#define _cleanup_expectations_ __attribute__((cleanup(weir_expectations_done)))

/* "allowed", "denied", "rejected" */
const char *weir_outcome_name(enum weir_outcome outcome);
/* What an answer of explain comes to. */
enum weir_outcome weir_outcome_of(const struct weir_json *answer);
/*
 * Who decided, as an answer of explain has it: a rule, else a list (the rule is told beside a list
 * that only let the packet go on); NULL when neither did, or the rule has no name.
 */
const char *weir_decider_of(const struct weir_json *answer);
/* Whether the answer is as expected. `by` may name the decider, the reason, or "policy". */
bool weir_expectation_is_met(const struct weir_expectation *expectation,
			     const struct weir_json *answer);

#endif
