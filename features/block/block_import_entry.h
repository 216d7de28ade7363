/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where all formats meet: an entry that was found in a file, or a fault. Only block_formats*.c use
 * it.
 */
#ifndef WEIR_BLOCK_IMPORT_ENTRY_H
#define WEIR_BLOCK_IMPORT_ENTRY_H

#include "features/block/block_formats.h"

struct import_reader {
	struct block_import *import;
	const struct block_import_options *options;
	struct weir_diag *diag;
	unsigned line; /* from 1 */
	const char *line_start;
	size_t expired;
};

/* A piece of the file; empty where there is none. */
struct import_text {
	const char *at;
	size_t len;
};

struct import_entry {
	struct import_text entry;
	struct import_text note;
	struct import_text ttl;	  /* "10m", or seconds */
	struct import_text until; /* RFC 3339, or seconds since 1970 */
};

/* Both return 0, or -ENOMEM; a fault is counted and told, and reading goes on. */
int import_take(struct import_reader *reader, const struct import_entry *entry);
int import_fault(struct import_reader *reader, const char *at, const char *mend, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

/*
 * One format each: a line, without its end, that is neither empty nor a remark; or all of the text.
 */
int import_text_line(struct import_reader *reader, const char *line, const char *end);
int import_netset_line(struct import_reader *reader, const char *line, const char *end);
int import_json(struct import_reader *reader, const char *text, size_t len);

#define IMPORT_COLUMNS_MAX 32

/* Which column says what; -1 = none. */
struct import_columns {
	int entry, note, ttl, until;
	bool is_known;	 /* the first line was seen */
	bool is_guessed; /* and it was no header */
};
int import_csv_line(struct import_reader *reader, struct import_columns *columns, const char *line,
		    const char *end);

static inline struct import_text import_trim(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct import_text){ at, (size_t)(end - at) };
}

#endif
