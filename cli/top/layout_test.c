/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns stand where, at all widths. */
#include "cli/top/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct top_column columns[] = {
	{ "name", TOP_TEXT, "name", .width = 10 },
	{ "bytes", TOP_SIZE, "bytes", .width = 9, .rank = 1 },
	{ "rate", TOP_RATE, .counters = 1, .width = 8 },
	{ "line", TOP_LINE, .width = 12, .rank = 2 },
	{ 0 },
};
static const struct top_way way = { .name = "way", .columns = columns };

static void columns_are(const struct top_layout *layout, size_t count,
			const struct top_place *wanted)
{
	assert_int_equal(layout->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(layout->at[i].column, wanted[i].column);
		assert_int_equal(layout->at[i].x, wanted[i].x);
		assert_int_equal(layout->at[i].width, wanted[i].width);
	}
}

static void what_does_not_fit_gives_way_by_rank(void **state)
{
	const int wants[TOP_COLUMNS_MOST] = { 0 };
	struct top_layout layout;

	top_layout_make(&way, wants, 42, &layout);
	columns_are(
		&layout, 4,
		(struct top_place[]){ { 0, 0, 10 }, { 1, 11, 9 }, { 2, 21, 8 }, { 3, 30, 12 } });
	top_layout_make(&way, wants, 41, &layout);
	columns_are(&layout, 3, (struct top_place[]){ { 0, 0, 10 }, { 1, 11, 9 }, { 2, 21, 8 } });
	top_layout_make(&way, wants, 28, &layout);
	columns_are(&layout, 2, (struct top_place[]){ { 0, 0, 10 }, { 2, 11, 8 } });
	top_layout_make(&way, wants, 18, &layout);
	columns_are(&layout, 2, (struct top_place[]){ { 0, 0, 9 }, { 2, 10, 8 } });
	top_layout_make(&way, wants, 5, &layout);
	columns_are(&layout, 2, (struct top_place[]){ { 0, 0, 4 }, { 2, 5, 8 } });
}

static void what_is_left_goes_to_who_wants_it_then_to_the_line(void **state)
{
	const int wants[TOP_COLUMNS_MOST] = { 14, 11, 8 };
	struct top_layout layout;

	top_layout_make(&way, wants, 45, &layout);
	columns_are(
		&layout, 4,
		(struct top_place[]){ { 0, 0, 12 }, { 1, 13, 10 }, { 2, 24, 8 }, { 3, 33, 12 } });
	top_layout_make(&way, wants, 60, &layout);
	columns_are(
		&layout, 4,
		(struct top_place[]){ { 0, 0, 14 }, { 1, 15, 11 }, { 2, 27, 8 }, { 3, 36, 24 } });
}

static void a_press_finds_its_column(void **state)
{
	const int wants[TOP_COLUMNS_MOST] = { 0 };
	struct top_layout layout;

	top_layout_make(&way, wants, 28, &layout);
	assert_int_equal(top_layout_column_at(&layout, 0), 0);
	assert_int_equal(top_layout_column_at(&layout, 10), 0);
	assert_int_equal(top_layout_column_at(&layout, 11), 2);
	assert_int_equal(top_layout_column_at(&layout, 27), -1);
}

static void way_fits(const struct top_way *one)
{
	const int wants[TOP_COLUMNS_MOST] = { 0 };

	assert_true(top_columns_count(one) <= TOP_COLUMNS_MOST);
	for (int width = TOP_WIDTH_LEAST; width <= 300; width++) {
		struct top_layout layout;

		top_layout_make(one, wants, width, &layout);
		assert_true(layout.at[layout.count - 1].x + layout.at[layout.count - 1].width <=
			    width);
	}
}

/* No column is beyond the edge, in any tab; from 80 columns on all tabs are in sight. */
static void every_tab_fits_into_its_columns(void **state)
{
	int titles = 0;

	for (const struct top_tab *tab = top_tabs; tab->name; tab++) {
		titles += (int)strlen(tab->title) + 4;
		for (const struct top_way *one = tab->ways; one->name; one++)
			way_fits(one);
		assert_string_equal(top_tab_names[tab - top_tabs], tab->name);
	}
	assert_null(top_tab_names[top_tabs_count()]);
	assert_true(titles <= 80);
	assert_true(top_tabs_count() <= TOP_TABS_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_fit_gives_way_by_rank),
		cmocka_unit_test(what_is_left_goes_to_who_wants_it_then_to_the_line),
		cmocka_unit_test(a_press_finds_its_column),
		cmocka_unit_test(every_tab_fits_into_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
