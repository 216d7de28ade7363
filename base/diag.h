/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person must read when something is refused: where, what, and how to mend it. Collected,
 * not printed: the same list becomes terminal text, a JSON answer or a log line.
 */
#ifndef WEIR_BASE_DIAG_H
#define WEIR_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define WEIR_DIAG_MAX 64 /* more are counted, not kept */

enum weir_diag_level {
	WEIR_DIAG_ERROR,
	WEIR_DIAG_WARNING,
};

struct weir_diag_entry {
	enum weir_diag_level level;
	char *file;	 /* NULL when not about a file */
	unsigned line;	 /* from 1, 0 = unknown */
	unsigned column; /* from 1, 0 = unknown */
	char *key;	 /* path of the key, "block.lists[2].entries[0]", or NULL */
	char *what;	 /* never NULL */
	char *mend;	 /* how to mend it, or NULL */
};

struct weir_diag {
	struct weir_diag_entry entries[WEIR_DIAG_MAX];
	size_t count;
	size_t dropped; /* entries past WEIR_DIAG_MAX, or for which there was no memory */
	size_t errors;	/* of all, kept or not */
};

void weir_diag_done(struct weir_diag *diag);
#define _cleanup_diag_ __attribute__((cleanup(weir_diag_done)))

/*
 * Adds an entry with neither file nor key; `mend` may be NULL. Returns -EINVAL for errors and 0 for
 * warnings, so that a check can `return weir_diag_error(...)`. NULL diag is allowed.
 */
int weir_diag_error(struct weir_diag *diag, const char *mend, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int weir_diag_warning(struct weir_diag *diag, const char *mend, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int weir_diag_warning_key(struct weir_diag *diag, const char *key, const char *mend,
			  const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * Adds an error about a configuration key; the line is filled in later by whoever knows the text
 * (weir_config_locate).
 */
int weir_diag_key(struct weir_diag *diag, const char *key, const char *mend, const char *format,
		  ...) __attribute__((format(printf, 4, 5)));
/*
 * The entry added last, to fill in file, line or column (owned by diag; strings are heap copies).
 * NULL when there is none or when the last one was not kept.
 */
struct weir_diag_entry *weir_diag_last(struct weir_diag *diag);
/* What failed, in words: the first sentence, or what the errno says where nothing was told. */
const char *weir_diag_why(const struct weir_diag *diag, int result);
/*
 * One line an entry: "weir.yaml:8:13: block.lists[0].action: 'dorp' is not an action; write allow
 * or deny". A warning says so after the place. Ends with how many more there were, when some were
 * not kept.
 */
void weir_diag_format(const struct weir_diag *diag, struct weir_buf *text);
/* One entry in the same form, without "warning:" and without the newline. */
void weir_diag_entry_format(const struct weir_diag_entry *entry, struct weir_buf *text);

#endif
