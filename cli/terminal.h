/* SPDX-License-Identifier: Apache-2.0 */
/* Where answers go: standard output and standard error, and what they can show. */
#ifndef WEIR_CLI_TERMINAL_H
#define WEIR_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"

enum weir_color {
	WEIR_COLOR_PLAIN,
	WEIR_COLOR_BAD,	 /* red: dropped, refused */
	WEIR_COLOR_GOOD, /* green: passed, in order */
	WEIR_COLOR_WARN, /* yellow */
	WEIR_COLOR_DIM,	 /* what matters less */
	WEIR_COLOR_HEAD, /* bold: headings */
};

struct weir_terminal {
	int out, err;	/* descriptors */
	bool color;	/* on out */
	bool color_err; /* on err */
	bool progress;	/* err is a terminal: a line there may be drawn over */
	bool json;	/* answers as they came */
};

/* Of this process: asks isatty(), NO_COLOR and TERM. */
void weir_terminal_init(struct weir_terminal *terminal, bool json, bool no_color);
/* Everything or -errno; -EPIPE when the reader went away. */
int weir_terminal_write(int fd, const char *text, size_t len);
/* `text` to standard output; false when that is not possible any more. */
bool weir_terminal_print(const struct weir_terminal *terminal, const struct weir_buf *text);
/* Each entry to standard error: what is wrong on a line, how to mend it on the next. */
void weir_terminal_diag(const struct weir_terminal *terminal, const struct weir_diag *diag);
/* One problem of our own, in the same form. `mend` may be NULL. */
void weir_terminal_problem(const struct weir_terminal *terminal, const char *mend,
			   const char *format, ...) __attribute__((format(printf, 3, 4)));
/*
 * The `problems` (or else `error`) and `warnings` of an answer, in the same form. `file` (may be
 * NULL) is what was sent: it is named where a problem has a line and no file.
 */
void weir_terminal_problems(const struct weir_terminal *terminal, const struct weir_json *answer,
			    const char *file);
void weir_terminal_warnings(const struct weir_terminal *terminal, const struct weir_json *answer);

/* Escape sequence of a colour, "" when `on` is false. */
const char *weir_color_on(enum weir_color color, bool on);
const char *weir_color_off(enum weir_color color, bool on);
/* Columns that `text` takes on a screen: characters of UTF-8, each one column. */
size_t weir_text_columns(const char *text);

#endif
