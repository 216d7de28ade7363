/* SPDX-License-Identifier: Apache-2.0 */
/* All verbs of the command line: the operations of engine and features, and what the CLI does by
 * itself. */
#ifndef WEIR_CLI_VERBS_H
#define WEIR_CLI_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "core/ops.h"

struct weir_command;
struct weir_terminal;

/* Returns an exit code (cli/cli.h); what a person reads is written to the terminal. */
typedef int weir_local_fn(const struct weir_command *command, struct weir_terminal *terminal);

enum weir_verb_place {
	WEIR_VERB_REMOTE,   /* the daemon does it */
	WEIR_VERB_LOCAL,    /* done in this process, daemon or not */
	WEIR_VERB_CLIENT,   /* done in this process, which asks the daemon */
	WEIR_VERB_FALLBACK, /* the daemon does it; without one, this process */
};

/* A row of cli/local.c. `op.run` is not used: `run` is. */
struct weir_local {
	struct weir_op op;
	enum weir_verb_place place; /* not REMOTE */
	weir_local_fn *run;
};

struct weir_verb {
	const struct weir_op *op;
	const struct weir_arg
		*extra; /* arguments the CLI keeps to itself, up to name NULL; NULL = none */
	enum weir_verb_place place;
	weir_local_fn *local;
};

static inline bool weir_verb_is_here(const struct weir_verb *verb)
{
	return verb->place == WEIR_VERB_LOCAL || verb->place == WEIR_VERB_CLIENT;
}

struct weir_verbs {
	struct weir_verb *rows;
	size_t count;
};

/* The operation table of the program, one row an index; weir_op_at() in the program itself, a
 * made-up table in tests. */
typedef const struct weir_op *weir_op_source(size_t index);

/* Rows of `source`, then those of `locals` (up to op.name NULL) that are not operations of the
 * daemon already. -ENOMEM. */
int weir_verbs_init(struct weir_verbs *verbs, weir_op_source *source,
		    const struct weir_local *locals);
void weir_verbs_done(struct weir_verbs *verbs);
#define _cleanup_verbs_ __attribute__((cleanup(weir_verbs_done)))

const struct weir_verb *weir_verbs_find(const struct weir_verbs *verbs, const char *name);
/* Whether the name has a part before the dot that is `noun`. */
bool weir_verb_has_noun(const struct weir_verb *verb, const char *noun);
bool weir_verbs_have_noun(const struct weir_verbs *verbs, const char *noun);
/* Length of the part before the dot; of all of it when there is none. */
size_t weir_verb_noun_len(const struct weir_verb *verb);
/* The part after the dot, or NULL: "add" of "block.add". */
const char *weir_verb_word(const struct weir_verb *verb);
/* "service backend add" of "service.backend.add". */
void weir_words_add(struct weir_buf *out, const char *name);
/*
 * The words that can stand behind those of `name` ("service", "service.backend"), each once: `row`
 * from 0, one further each time. False: there are no more.
 */
bool weir_verbs_next(const struct weir_verbs *verbs, const char *name, size_t *row,
		     const char **ret_word, size_t *ret_len);
/* Likewise all names that words can stand behind, in `ret_name`; start with `*row` and `*dot` 0. */
bool weir_verbs_next_group(const struct weir_verbs *verbs, size_t *row, size_t *dot,
			   struct weir_buf *ret_name);
/* Whether this is the first row with its noun: what a list of nouns prints. */
bool weir_verbs_is_first_of_noun(const struct weir_verbs *verbs, size_t index);

/*
 * The arguments of a verb in order, operation's first: index from 0, NULL past the end. An upload's
 * positional `file` is among them, so that parsing, help and completion need not know of it.
 */
const struct weir_arg *weir_verb_arg(const struct weir_verb *verb, size_t index);
const struct weir_arg *weir_verb_arg_find(const struct weir_verb *verb, const char *name);
/* Whether it goes to the daemon as an argument of the operation. */
bool weir_verb_sends(const struct weir_verb *verb, const struct weir_arg *arg);
/* Whether a word of the command line stands for a file: uploads and exports. */
bool weir_arg_is_file(const struct weir_arg *arg);

/* Flags every verb takes, up to name NULL. */
extern const struct weir_arg weir_global_args[];

#endif
