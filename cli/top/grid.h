/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screen as it is to be: characters and how each is to look. Whatever is written to it, no text
 * can leave its cells or steer the terminal.
 */
#ifndef WEIR_TOP_GRID_H
#define WEIR_TOP_GRID_H

#include <stdbool.h>
#include <wchar.h>

enum top_style {
	TOP_PLAIN,
	TOP_DIM,
	TOP_BOLD,
	TOP_BAD,
	TOP_WARN,
	TOP_GOOD,
	TOP_SPARK,
	TOP_KEY,    /* of the keyboard, in the lowest line */
	TOP_HEAD,   /* titles of columns */
	TOP_SORTED, /* of the one that is sorted by */
	TOP_TAB,
	TOP_TAB_HERE, /* the one that is shown */
	TOP_SELECTED,
	TOP_STYLES,
};

struct top_cell {
	wchar_t c; /* 0: the right half of the character before */
	unsigned char style;
};

/* Zero-initialise. */
struct top_grid {
	int width, height;
	bool is_utf8; /* else all but ASCII is '?' */
	struct top_cell *cells;
};

/* Blank, of this size. -ENOMEM. */
int top_grid_clear(struct top_grid *grid, int width, int height);
void top_grid_done(struct top_grid *grid);
/*
 * UTF-8 text from column x of line y on, in `width` columns at the most; what is longer ends with
 * an ellipsis. Control characters become \xNN, what takes no column is left out. Returns the
 * columns it took.
 */
int top_grid_text(struct top_grid *grid, int x, int y, int width, enum top_style style,
		  const char *text);
int top_grid_textf(struct top_grid *grid, int x, int y, int width, enum top_style style,
		   const char *format, ...) __attribute__((format(printf, 6, 7)));
/* At the right end of these columns. */
void top_grid_right(struct top_grid *grid, int x, int y, int width, enum top_style style,
		    const char *text);
/* Blanks. */
void top_grid_fill(struct top_grid *grid, int x, int y, int width, enum top_style style);
/* How these columns look, whatever stands there. */
void top_grid_paint(struct top_grid *grid, int x, int y, int width, enum top_style style);
/* Columns that the text takes in this grid. */
int top_grid_columns(const struct top_grid *grid, const char *text);

#endif
