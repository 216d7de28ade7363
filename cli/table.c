/* SPDX-License-Identifier: Apache-2.0 */
/* Cells are kept in three flat buffers, so that a thousand rows are a handful of allocations. */
#include "cli/table.h"

#include <stdarg.h>
#include <string.h>

#include "base/units.h"

#define GAP 2 /* blanks between columns */

void weir_table_done(struct weir_table *table)
{
	weir_buf_done(&table->text);
	weir_buf_done(&table->starts);
	weir_buf_done(&table->cell_color);
}

void weir_table_cell(struct weir_table *table, enum weir_color color, const char *text)
{
	size_t start = table->text.len;

	weir_buf_add(&table->starts, &start, sizeof(start));
	weir_buf_add_char(&table->cell_color, (char)color);
	weir_buf_add_visible(&table->text, text ? text : "");
	weir_buf_add(&table->text, "", 1);
}

void weir_table_cellf(struct weir_table *table, enum weir_color color, const char *format, ...)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&text, format, args);
	va_end(args);
	weir_table_cell(table, color, weir_buf_str(&text));
}

void weir_table_count(struct weir_table *table, enum weir_color color, uint64_t count)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_count_format(count, &text);
	weir_table_cell(table, color, weir_buf_str(&text));
}

size_t weir_table_rows(const struct weir_table *table)
{
	return table->cell_color.len / table->column_count;
}

static const char *cell_text(const struct weir_table *table, size_t row, size_t column)
{
	size_t start;

	memcpy(&start, table->starts.data + (row * table->column_count + column) * sizeof(start),
	       sizeof(start));
	return table->text.data + start;
}

static void blanks_add(struct weir_buf *out, size_t count)
{
	while (count-- > 0)
		weir_buf_add_char(out, ' ');
}

struct line {
	const struct weir_table *table;
	const size_t *widths;
	struct weir_buf *out;
	size_t pending; /* blanks that are due if anything follows on the line */
};

static void line_cell(struct line *line, size_t column, enum weir_color color, const char *text)
{
	size_t columns = weir_text_columns(text);
	size_t fill = line->widths[column] - columns;
	bool on = line->table->color;

	if (line->table->columns[column].right)
		line->pending += fill;
	if (columns > 0) {
		blanks_add(line->out, line->pending);
		line->pending = 0;
		weir_buf_addf(line->out, "%s%s%s", weir_color_on(color, on), text,
			      weir_color_off(color, on));
	}
	line->pending += GAP + (line->table->columns[column].right ? 0 : fill);
}

static bool has_titles(const struct weir_table *table)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (table->columns[i].title[0])
			return true;
	return false;
}

static void widths_find(const struct weir_table *table, size_t widths[WEIR_TABLE_COLUMNS_MAX])
{
	for (size_t column = 0; column < table->column_count; column++) {
		widths[column] = weir_text_columns(table->columns[column].title);
		for (size_t row = 0; row < weir_table_rows(table); row++) {
			size_t columns = weir_text_columns(cell_text(table, row, column));

			widths[column] = columns > widths[column] ? columns : widths[column];
		}
	}
}

void weir_table_print(const struct weir_table *table, struct weir_buf *out)
{
	size_t widths[WEIR_TABLE_COLUMNS_MAX];
	size_t rows = weir_table_rows(table);

	if (table->text.failed || table->starts.failed || table->cell_color.failed) {
		out->failed = true;
		return;
	}
	if (rows == 0)
		return;
	widths_find(table, widths);
	if (has_titles(table)) {
		struct line line = { table, widths, out, table->indent };

		for (size_t column = 0; column < table->column_count; column++)
			line_cell(&line, column, WEIR_COLOR_HEAD, table->columns[column].title);
		weir_buf_add_char(out, '\n');
	}
	for (size_t row = 0; row < rows; row++) {
		struct line line = { table, widths, out, table->indent };

		for (size_t column = 0; column < table->column_count; column++)
			line_cell(&line, column,
				  (enum weir_color)table->cell_color
					  .data[row * table->column_count + column],
				  cell_text(table, row, column));
		weir_buf_add_char(out, '\n');
	}
}
