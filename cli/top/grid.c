/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define REPLACEMENT 0xfffd

int top_grid_clear(struct top_grid *grid, int width, int height)
{
	size_t count = (size_t)width * (size_t)height;
	struct top_cell *cells = reallocarray(grid->cells, count + 1, sizeof(*cells));

	if (!cells)
		return -ENOMEM;
	grid->cells = cells;
	grid->width = width;
	grid->height = height;
	for (size_t i = 0; i < count; i++)
		cells[i] = (struct top_cell){ L' ', TOP_PLAIN };
	return 0;
}

void top_grid_done(struct top_grid *grid)
{
	free(grid->cells);
	grid->cells = NULL;
}

/* The next character of UTF-8, whatever the locale; moves *text past it. */
static wchar_t character_next(const char **text)
{
	const unsigned char *at = (const unsigned char *)*text;
	int more = at[0] < 0x80 ? 0 : at[0] >> 5 == 6 ? 1 : at[0] >> 4 == 14 ? 2 : 3;
	unsigned c = more == 0 ? at[0] : at[0] & (0x3fu >> more);

	for (int i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80) {
			*text += i;
			return REPLACEMENT;
		}
		c = c << 6 | (at[i] & 0x3f);
	}
	*text += more + 1;
	return (wchar_t)c;
}

/* 0: it takes no column. What cannot be shown becomes '?'. */
static int width_of(const struct top_grid *grid, wchar_t *c)
{
	int width = *c < 0x80 || grid->is_utf8 ? wcwidth(*c) : -1;

	if (width >= 0)
		return width;
	*c = L'?';
	return 1;
}

static struct top_cell *cell_at(struct top_grid *grid, int x, int y)
{
	return &grid->cells[(size_t)y * (size_t)grid->width + (size_t)x];
}

/* A wide character that loses one half loses the other, too. */
static void cell_put(struct top_grid *grid, int x, int y, wchar_t c, enum top_style style)
{
	struct top_cell *cell = cell_at(grid, x, y);

	if (!cell->c && x > 0)
		cell[-1].c = L' ';
	if (x + 1 < grid->width && !cell[1].c)
		cell[1].c = L' ';
	*cell = (struct top_cell){ c, (unsigned char)style };
}

int top_grid_columns(const struct top_grid *grid, const char *text)
{
	_cleanup_buf_ struct weir_buf visible = { 0 };
	int columns = 0;

	weir_buf_add_visible(&visible, text);
	for (const char *at = weir_buf_str(&visible); *at;) {
		wchar_t c = character_next(&at);

		columns += width_of(grid, &c);
	}
	return columns;
}

static int clip(const struct top_grid *grid, int x, int y, int width)
{
	if (y < 0 || y >= grid->height || x < 0 || x >= grid->width)
		return 0;
	return width < grid->width - x ? width : grid->width - x;
}

int top_grid_text(struct top_grid *grid, int x, int y, int width, enum top_style style,
		  const char *text)
{
	_cleanup_buf_ struct weir_buf visible = { 0 };
	int most = clip(grid, x, y, width), used = 0;
	bool is_cut = top_grid_columns(grid, text) > most;

	weir_buf_add_visible(&visible, text);
	for (const char *at = weir_buf_str(&visible); *at && most > 0;) {
		wchar_t c = character_next(&at);
		int columns = width_of(grid, &c);

		if (!columns)
			continue;
		if (used + columns > most - is_cut)
			break;
		cell_put(grid, x + used, y, c, style);
		if (columns == 2)
			*cell_at(grid, x + used + 1, y) =
				(struct top_cell){ 0, (unsigned char)style };
		used += columns;
	}
	if (is_cut && most > 0)
		cell_put(grid, x + used++, y, grid->is_utf8 ? L'…' : L'~', style);
	return used;
}

int top_grid_textf(struct top_grid *grid, int x, int y, int width, enum top_style style,
		   const char *format, ...)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&text, format, args);
	va_end(args);
	return top_grid_text(grid, x, y, width, style, weir_buf_str(&text));
}

void top_grid_right(struct top_grid *grid, int x, int y, int width, enum top_style style,
		    const char *text)
{
	int columns = top_grid_columns(grid, text);
	int before = columns < width ? width - columns : 0;

	top_grid_text(grid, x + before, y, width - before, style, text);
}

void top_grid_fill(struct top_grid *grid, int x, int y, int width, enum top_style style)
{
	int most = clip(grid, x, y, width);

	for (int i = 0; i < most; i++)
		cell_put(grid, x + i, y, L' ', style);
}

void top_grid_paint(struct top_grid *grid, int x, int y, int width, enum top_style style)
{
	int most = clip(grid, x, y, width);

	for (int i = 0; i < most; i++)
		cell_at(grid, x + i, y)->style = (unsigned char)style;
}
