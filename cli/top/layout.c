/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/layout.h"

#include "cli/top/history.h"

#define GAP 1
#define TEXT_LEAST 4

static int widths_sum(const struct top_way *way, unsigned rank_most)
{
	int sum = -GAP;

	for (const struct top_column *column = way->columns; column->title; column++)
		if (column->rank <= rank_most)
			sum += column->width + GAP;
	return sum;
}

static unsigned rank_find(const struct top_way *way, int width)
{
	unsigned rank = 0;

	for (const struct top_column *column = way->columns; column->title; column++)
		rank = column->rank > rank ? column->rank : rank;
	while (rank > 0 && widths_sum(way, rank) > width)
		rank--;
	return rank;
}

/*
 * What stays, and still is wider than the screen, takes it of the widest text, column by column: a
 * text that is cut says so, and a number that is cut would be another.
 */
static void text_take(const struct top_way *way, struct top_layout *layout, int lacking)
{
	for (; lacking > 0; lacking--) {
		struct top_place *widest = NULL;

		for (size_t i = 0; i < layout->count; i++)
			if (top_column_is_text(&way->columns[layout->at[i].column]) &&
			    layout->at[i].width > TEXT_LEAST &&
			    (!widest || layout->at[i].width > widest->width))
				widest = &layout->at[i];
		if (!widest)
			return;
		widest->width--;
	}
}

/* In turns, so that of two long ends of a flow each gets its half. */
static int spare_give(const struct top_way *way, const int *wants, struct top_layout *layout,
		      int spare)
{
	for (bool has_given = true; spare > 0 && has_given;) {
		has_given = false;
		for (size_t i = 0; i < layout->count && spare > 0; i++) {
			struct top_place *place = &layout->at[i];

			if (way->columns[place->column].kind == TOP_LINE ||
			    place->width >= wants[place->column])
				continue;
			place->width++;
			spare--;
			has_given = true;
		}
	}
	return spare;
}

static void line_give(const struct top_way *way, struct top_layout *layout, int spare)
{
	for (size_t i = 0; i < layout->count; i++)
		if (way->columns[layout->at[i].column].kind == TOP_LINE)
			layout->at[i].width += spare;
}

void top_layout_make(const struct top_way *way, const int wants[TOP_COLUMNS_MOST], int width,
		     struct top_layout *ret_layout)
{
	struct top_layout layout = { .count = 0 };
	unsigned rank = rank_find(way, width);
	int x = 0;

	for (size_t i = 0; way->columns[i].title && i < TOP_COLUMNS_MOST; i++)
		if (way->columns[i].rank <= rank)
			layout.at[layout.count++] =
				(struct top_place){ i, 0, way->columns[i].width };
	text_take(way, &layout, widths_sum(way, rank) - width);
	int spare = spare_give(way, wants, &layout, width - widths_sum(way, rank));

	line_give(way, &layout, spare < TOP_HISTORY_MOST / 2 ? spare : TOP_HISTORY_MOST / 2);
	for (size_t i = 0; i < layout.count; i++) {
		layout.at[i].x = x;
		x += layout.at[i].width + GAP;
	}
	*ret_layout = layout;
}

int top_layout_column_at(const struct top_layout *layout, int x)
{
	for (size_t i = 0; i < layout->count; i++)
		if (x >= layout->at[i].x && x < layout->at[i].x + layout->at[i].width + GAP)
			return (int)layout->at[i].column;
	return -1;
}
