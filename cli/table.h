/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns of text: cells are collected, then printed as wide as they turned out. */
#ifndef WEIR_CLI_TABLE_H
#define WEIR_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/terminal.h"

#define WEIR_TABLE_COLUMNS_MAX 24

struct weir_column {
	const char *title; /* "" for none; a table whose titles are all empty has no head line */
	bool right;	   /* numbers */
};

/* Zero-initialise, set columns and column_count. Out of memory shows in `text.failed`. */
struct weir_table {
	const struct weir_column *columns;
	size_t column_count;
	bool color;
	unsigned indent; /* blanks before each line */

	struct weir_buf text;	    /* of all cells, a NUL after each */
	struct weir_buf starts;	    /* size_t a cell: where it begins in text */
	struct weir_buf cell_color; /* a byte a cell */
};

void weir_table_done(struct weir_table *table);
#define _cleanup_table_ __attribute__((cleanup(weir_table_done)))
/* The next cell, row by row. NULL text is an empty cell. Control characters become visible. */
void weir_table_cell(struct weir_table *table, enum weir_color color, const char *text);
void weir_table_cellf(struct weir_table *table, enum weir_color color, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "1,234,567" */
void weir_table_count(struct weir_table *table, enum weir_color color, uint64_t count);
size_t weir_table_rows(const struct weir_table *table);
/* Nothing for a table without rows. No blanks at the ends of lines. */
void weir_table_print(const struct weir_table *table, struct weir_buf *out);

#endif
