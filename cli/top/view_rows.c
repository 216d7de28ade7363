/* SPDX-License-Identifier: Apache-2.0 */
/* The table, or why there is none. */
#include <string.h>

#include "cli/top/view.h"
#include "cli/view.h"

static void wants_find(const struct top_app *app, int wants[TOP_COLUMNS_MOST])
{
	const struct top_rows *rows = &app->model.rows;
	const struct top_column *columns = top_model_way(&app->model)->columns;

	for (size_t i = 0; columns[i].title && i < TOP_COLUMNS_MOST; i++) {
		wants[i] = top_grid_columns(&app->grid, columns[i].title) + 1;
		for (size_t at = 0; at < app->rows_height && app->model.first + at < rows->count;
		     at++) {
			_cleanup_buf_ struct weir_buf text = { 0 };
			int columns_used;

			top_row_text(&rows->at[app->model.first + at], &columns[i], &text);
			columns_used = top_grid_columns(&app->grid, weir_buf_str(&text));
			wants[i] = columns_used > wants[i] ? columns_used : wants[i];
		}
	}
}

static void cell_text(struct top_grid *grid, const struct top_place *place,
		      const struct top_column *column, int y, enum top_style style,
		      const char *text)
{
	if (top_column_is_text(column))
		top_grid_text(grid, place->x, y, place->width, style, text);
	else
		top_grid_right(grid, place->x, y, place->width, style, text);
}

static void titles(struct top_app *app, int y)
{
	const struct top_way *way = top_model_way(&app->model);
	const struct top_sorting *sorting = top_model_sorting(&app->model);
	struct top_grid *grid = &app->grid;

	top_grid_fill(grid, 0, y, grid->width, TOP_HEAD);
	for (size_t i = 0; i < app->layout.count; i++) {
		const struct top_place *place = &app->layout.at[i];
		const struct top_column *column = &way->columns[place->column];
		bool is_sorted = place->column == sorting->column;
		_cleanup_buf_ struct weir_buf title = { 0 };

		weir_buf_addf(&title, "%s%s", column->title,
			      !is_sorted			   ? "" :
			      sorting->is_reverse == grid->is_utf8 ? (grid->is_utf8 ? "▲" : "v") :
								     (grid->is_utf8 ? "▼" : "^"));
		cell_text(grid, place, column, y, is_sorted ? TOP_SORTED : TOP_HEAD,
			  weir_buf_str(&title));
	}
}

static void row_draw(struct top_app *app, const struct top_row *row, int y, bool is_selected)
{
	const struct top_way *way = top_model_way(&app->model);
	struct top_grid *grid = &app->grid;

	for (size_t i = 0; i < app->layout.count; i++) {
		const struct top_place *place = &app->layout.at[i];
		const struct top_column *column = &way->columns[place->column];
		_cleanup_buf_ struct weir_buf text = { 0 };

		if (column->kind == TOP_LINE)
			top_spark(&row->history, (unsigned)place->width, grid->is_utf8, &text);
		else
			top_row_text(row, column, &text);
		if (!top_column_is_text(column) &&
		    top_grid_columns(grid, weir_buf_str(&text)) > place->width)
			top_row_short(row, column, &text);
		cell_text(grid, place, column, y, column->kind == TOP_LINE ? TOP_SPARK : TOP_PLAIN,
			  weir_buf_str(&text));
	}
	if (is_selected)
		top_grid_paint(grid, 0, y, grid->width, TOP_SELECTED);
}

/* Why there is nothing: what was refused, what is not switched on, what the filter leaves. */
static void nothing(struct top_app *app)
{
	const struct top_model *model = &app->model;
	struct top_grid *grid = &app->grid;
	const struct weir_json *answer = model->look ? model->look->answer : NULL;
	const char *note = weir_view_str(answer, "note"),
		   *problem = weir_view_str(answer, "problem");
	const struct weir_json *enabled = weir_json_get(answer, "enabled");
	_cleanup_buf_ struct weir_buf cure = { 0 };
	bool is_off = enabled && !weir_json_bool(enabled, true);
	struct top_box body = { grid, 2, app->rows_y + 1, grid->width - 4,
				(int)app->rows_height - 1 };

	if (model->problem) {
		top_view_paragraph(&body, TOP_BAD, model->problem);
		if (model->mend)
			top_view_paragraph(&body, TOP_PLAIN, model->mend);
	} else if (!model->look) {
		top_view_paragraph(&body, TOP_DIM, "asking …");
	} else if (*note || *problem) {
		top_view_paragraph(&body, TOP_WARN, *note ? note : problem);
	} else if (*top_model_filter(model) && !is_off) {
		top_view_paragraph(&body, TOP_DIM, "nothing passes the filter");
	} else if (top_model_way(model)->drops_only) {
		top_view_paragraph(&body, TOP_DIM, "nothing was dropped");
	} else {
		top_view_paragraph(&body, TOP_DIM,
				   is_off ? "this is not watched" : "there is nothing yet");
		if (!enabled || is_off)
			weir_buf_addf(&cure, "switched on by: %s", top_tabs[model->tab].switch_on);
		top_view_paragraph(&body, TOP_DIM, weir_buf_str(&cure));
	}
}

void top_view_rows(struct top_app *app)
{
	struct top_model *model = &app->model;
	int wants[TOP_COLUMNS_MOST];
	size_t selected;

	top_model_scroll(model, app->rows_height);
	wants_find(app, wants);
	top_layout_make(top_model_way(model), wants, app->grid.width, &app->layout);
	titles(app, app->rows_y - 1);
	if (!model->rows.count) {
		nothing(app);
		return;
	}
	selected = top_model_selected(model);
	for (size_t at = 0; at < app->rows_height && model->first + at < model->rows.count; at++)
		row_draw(app, &model->rows.at[model->first + at], app->rows_y + (int)at,
			 model->first + at == selected);
	for (size_t at = 0; model->is_gone && at < app->rows_height; at++)
		top_grid_paint(&app->grid, 0, app->rows_y + (int)at, app->grid.width, TOP_DIM);
}
