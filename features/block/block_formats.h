/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists as files that people and feeds write: text, CSV, JSON, netset. Reading is all or nothing;
 * every fault has its line.
 */
#ifndef WEIR_BLOCK_FORMATS_H
#define WEIR_BLOCK_FORMATS_H

#include "base/diag.h"
#include "features/block/block_file.h"

enum block_format {
	BLOCK_FORMAT_AUTO,
	BLOCK_FORMAT_TEXT,   /* an entry a line; what follows '#' or ';' is its note */
	BLOCK_FORMAT_CSV,    /* with or without a header: entry, note, ttl or until */
	BLOCK_FORMAT_JSON,   /* array of strings or objects, or an object with such an array as
				"entries" */
	BLOCK_FORMAT_NETSET, /* ipset save: "add NAME ENTRY timeout N comment TEXT" */
	BLOCK_FORMATS,
};

extern const char *const block_format_names[];

struct block_import {
	struct block_set set;	      /* permanent entries */
	struct block_single *singles; /* those that expire, in order, each range once */
	size_t single_count;
	size_t single_capacity;
	size_t read;	   /* entries in the file */
	size_t duplicates; /* of those, repeated ones */
	size_t invalid;
	size_t host_bits; /* CIDRs that named more than their network */
	enum block_format format;
};

void block_import_done(struct block_import *import);
#define _cleanup_import_ __attribute__((cleanup(block_import_done)))
/*
 * -EINVAL when any entry is wrong: diag has the first of them with line and column (`file` may be
 * NULL). default_ttl_ns (0 = none) applies to entries which say nothing themselves.
 */
struct block_import_options {
	enum block_format format;
	uint64_t default_ttl_ns;
	const char *file;
	/* Read with other rights than those of who hears the faults: they do not quote it, else a
	 * token would be enough to see lines of /etc/shadow. */
	bool is_secret;
	bool is_lasting; /* for a set: an entry that expires is a fault */
	struct block_now now;
};
int block_import_read(const char *text, size_t len, const struct block_import_options *options,
		      struct weir_diag *diag, struct block_import *ret_import);

/* Appends the lists in that format; BLOCK_FORMAT_AUTO is text. */
void block_export_write(const struct block_list *const *lists, size_t count,
			enum block_format format, const struct block_now *now,
			struct weir_buf *text);

#endif
