/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns a width has room for, and where they stand. */
#ifndef WEIR_TOP_LAYOUT_H
#define WEIR_TOP_LAYOUT_H

#include "cli/top/tabs.h"

/* Less than that, and nothing but so much is said. */
#define TOP_WIDTH_LEAST 40
#define TOP_HEIGHT_LEAST 10

struct top_place {
	size_t column; /* of the way */
	int x, width;
};

struct top_layout {
	struct top_place at[TOP_COLUMNS_MOST];
	size_t count;
};

/*
 * Columns of higher rank give way until the others fit; what is left over goes to texts that want
 * more (`wants`: columns that each column's longest text takes), then to the sparkline.
 */
void top_layout_make(const struct top_way *way, const int wants[TOP_COLUMNS_MOST], int width,
		     struct top_layout *ret_layout);
/* The column of the way that is at this x, or -1. */
int top_layout_column_at(const struct top_layout *layout, int x);

#endif
