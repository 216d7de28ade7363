/* SPDX-License-Identifier: Apache-2.0 */
/* Draws what there is into the grid; asks nothing, changes nothing but where things were drawn. */
#ifndef WEIR_TOP_VIEW_H
#define WEIR_TOP_VIEW_H

#include "cli/top/app.h"

#define TOP_TABS_Y 4
#define TOP_HEAD_LINES 6 /* above the rows: four of the host, tabs, titles */
#define TOP_FOOT_LINES 2

/* All of it. The grid is cleared and has its size. */
void top_view_draw(struct top_app *app);
/* The tab whose title is at this x, or -1. */
int top_view_tab_at(int x);

/* Where lines are written one below the other. */
struct top_box {
	struct top_grid *grid;
	int x, y, width;
	int left; /* lines there is room for */
};

/* Text on as many lines as it takes, broken at blanks and line ends. */
void top_view_paragraph(struct top_box *box, enum top_style style, const char *text);
/* What is typed, with the cursor in sight. */
void top_view_edit(struct top_grid *grid, int x, int y, int width, const struct top_edit *edit);

/* Its parts. */
void top_view_head(struct top_app *app);
void top_view_rows(struct top_app *app);
void top_view_foot(struct top_app *app);
void top_view_help(struct top_app *app);
void top_view_detail(struct top_app *app);
void top_view_block(struct top_app *app);

#endif
