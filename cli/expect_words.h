/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a file of expectations as words, each with its column, and problems that point at
 * them. For expect.c only. */
#ifndef WEIR_CLI_EXPECT_WORDS_H
#define WEIR_CLI_EXPECT_WORDS_H

#include "cli/expect.h"

#define WEIR_EXPECT_EXAMPLE \
	"write it like: tcp 192.0.2.1:5 > 192.0.2.2:22 in eth0 is denied by NAME"
#define WEIR_EXPECT_PLACES_MAX 16

struct weir_expect_word {
	char text[WEIR_EXPECT_WORD_BYTES]; /* "" at the end of the line */
	unsigned column;
};

/* Where a field of the packet was given, to be pointed at. */
struct weir_expect_place {
	const char *key;
	unsigned column;
};

/* One line on its way into an expectation. */
struct weir_expect_line {
	const char *start, *at, *end;
	const char *file;
	unsigned number;
	struct weir_diag *diag;
	struct weir_expectation *into;
	struct weir_buf query;
	struct weir_expect_place places[WEIR_EXPECT_PLACES_MAX];
	size_t place_count;
};

/* All but the last return 0 or -EINVAL with the problem in diag. */

/* Says where the problem that was added last stands; passes its result on. */
int weir_expect_placed(const struct weir_expect_line *line, unsigned column, int result);
int weir_expect_word_next(struct weir_expect_line *line, struct weir_expect_word *ret_word);
/* The next word, which must be there. `what` it is: "a protocol". */
int weir_expect_word_need(struct weir_expect_line *line, const char *what,
			  struct weir_expect_word *ret_word);
/* Refuses the word: it is not `what`, which is one of `known` (up to NULL). */
int weir_expect_word_unknown(const struct weir_expect_line *line,
			     const struct weir_expect_word *word, const char *what,
			     const char *const *known);
/* Remembers where a field was given; refuses to be given it twice. */
int weir_expect_place_add(struct weir_expect_line *line, const char *key, unsigned column);
/* 0: it was not given. */
unsigned weir_expect_column_of(const struct weir_expect_line *line, const char *key);
/* The line as it is shown, as far as it was read: without the blanks around it. NULL: no memory. */
char *weir_expect_line_text(const struct weir_expect_line *line);

#endif
