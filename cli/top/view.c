/* SPDX-License-Identifier: Apache-2.0 */
/* The screen as a whole, and its two lowest lines. */
#include "cli/top/view.h"

#include <string.h>

#include "base/clock.h"
#include "base/units.h"

static void too_small(struct top_app *app)
{
	struct top_grid *grid = &app->grid;

	top_grid_textf(grid, 0, 0, grid->width, TOP_BOLD, "too small: %dx%d", grid->width,
		       grid->height);
	top_grid_textf(grid, 0, 1, grid->width, TOP_PLAIN, "%dx%d at least", TOP_WIDTH_LEAST,
		       TOP_HEIGHT_LEAST);
	top_grid_text(grid, 0, 2, grid->width, TOP_DIM, "q quits");
}

void top_view_draw(struct top_app *app)
{
	struct top_grid *grid = &app->grid;

	app->rows_y = TOP_HEAD_LINES;
	app->rows_height = 0;
	if (grid->width < TOP_WIDTH_LEAST || grid->height < TOP_HEIGHT_LEAST) {
		too_small(app);
		return;
	}
	app->rows_height = (size_t)(grid->height - TOP_HEAD_LINES - TOP_FOOT_LINES);
	top_view_head(app);
	if (app->mode == TOP_MODE_HELP)
		top_view_help(app);
	else if (app->mode == TOP_MODE_DETAIL)
		top_view_detail(app);
	else
		top_view_rows(app);
	if (app->mode == TOP_MODE_BLOCK)
		top_view_block(app);
	top_view_foot(app);
}

static void counts_add(const struct top_app *app, struct weir_buf *out)
{
	const struct top_model *model = &app->model;
	const struct top_way *way = top_model_way(model);
	const struct weir_json *all =
		model->look && way->total ? weir_json_get(model->look->answer, way->total) : NULL;

	weir_count_format(model->rows.count ? top_model_selected(model) + 1 : 0, out);
	weir_buf_add_str(out, " of ");
	weir_count_format(model->rows.count, out);
	if (!model->rows.is_whole && all) {
		weir_buf_add_str(out, ", the largest of ");
		weir_count_format((uint64_t)weir_json_int(all, 0), out);
	}
}

/* What of a detail is in sight: without that, nobody looks below the last line. */
static void lines_add(const struct top_app *app, struct weir_buf *out)
{
	const struct top_detail *detail = &app->detail;
	size_t left = detail->lines - detail->first;
	size_t shown = left < app->rows_height ? left : app->rows_height;

	weir_buf_addf(out, "lines %zu to %zu of %zu", detail->first + 1, detail->first + shown,
		      detail->lines);
}

/* Of groups of flows: whether what has ended is in them, and what that lacks. */
static void scope_add(const struct top_model *model, struct weir_buf *out)
{
	const struct weir_json *answer = model->look ? model->look->answer : NULL,
			       *bytes = top_member(answer, "unknown.bytes");

	if (!top_model_way(model)->birth && !weir_json_bool(weir_json_get(answer, "steady"), true))
		weir_buf_add_str(out, "live flows, without rates: they go from row to row");
	else if (top_model_way(model)->has_ended && answer && !bytes)
		weir_buf_add_str(out, "live flows only");
	else if (top_model_way(model)->has_ended && weir_json_int(bytes, 0) > 0) {
		weir_buf_add_str(out, "lacks ");
		weir_size_format((uint64_t)weir_json_int(bytes, 0), out);
		weir_buf_add_str(out, " of ended flows");
	}
}

/* "by address (g)   sorted by rate/s   filter: proto=tcp            1 of 120" */
static void state_line(struct top_app *app, int y)
{
	struct top_grid *grid = &app->grid;
	struct top_model *model = &app->model;
	const struct top_way *way = top_model_way(model);
	const struct top_sorting *sorting = top_model_sorting(model);
	const char *filter = way->filtered == TOP_FILTER_NONE ? "" : top_model_filter(model);
	_cleanup_buf_ struct weir_buf counts = { 0 }, scope = { 0 };
	int width = grid->width, x, right;

	if (app->mode == TOP_MODE_DETAIL)
		lines_add(app, &counts);
	else
		counts_add(app, &counts);
	right = top_grid_columns(grid, weir_buf_str(&counts));
	top_grid_right(grid, 0, y, width, TOP_DIM, weir_buf_str(&counts));
	width -= right + 2;
	if (app->said) {
		top_grid_text(grid, 0, y, width, TOP_WARN, app->said);
		return;
	}
	x = top_grid_textf(grid, 0, y, width, TOP_DIM, "%s, by %s%s", way->name,
			   way->columns[sorting->column].title,
			   sorting->is_reverse ? ", reversed" : "");
	if (*filter)
		x += 2 +
		     top_grid_textf(grid, x + 2, y, width - x - 2, TOP_WARN, "filter: %s", filter);
	scope_add(model, &scope);
	top_grid_text(grid, x + 2, y, width - x - 2, TOP_WARN, weir_buf_str(&scope));
}

static void hints(struct top_grid *grid, int y)
{
	int x = 0;

	for (const struct top_binding *binding = top_bindings; binding->label; binding++) {
		const char *blank = binding->hint ? strchr(binding->hint, ' ') : NULL;

		if (!blank || x + (int)strlen(binding->hint) > grid->width)
			continue;
		x += top_grid_textf(grid, x, y, grid->width - x, TOP_BOLD, "%.*s",
				    (int)(blank - binding->hint), binding->hint);
		x += top_grid_text(grid, x, y, grid->width - x, TOP_KEY, blank + 1) + 1;
	}
}

static void line_put(struct top_box *box, enum top_style style, const char *text, size_t len)
{
	top_grid_textf(box->grid, box->x, box->y++, box->width, style, "%.*s", (int)len, text);
	box->left--;
}

/* Bytes of the next line. A character of several bytes is never broken: lines break at blanks. */
static size_t line_len(const char *text, size_t most)
{
	size_t len = strcspn(text, "\n"), at = most;

	if (len <= most)
		return len;
	while (at > 0 && text[at] != ' ')
		at--;
	return at ? at : len;
}

void top_view_paragraph(struct top_box *box, enum top_style style, const char *text)
{
	while (*text && box->left > 0 && box->width > 0) {
		text += strspn(text, " ");
		size_t len = line_len(text, (size_t)box->width);

		line_put(box, style, text, len);
		text += len;
		text += *text == '\n' || *text == ' ';
	}
}

void top_view_edit(struct top_grid *grid, int x, int y, int width, const struct top_edit *edit)
{
	char head[TOP_EDIT_BYTES];
	const char *text = edit->text;
	int cursor;

	memcpy(head, edit->text, edit->at);
	head[edit->at] = '\0';
	cursor = top_grid_columns(grid, head);
	while (cursor >= width && *text) {
		text++;
		while (((unsigned char)*text & 0xc0) == 0x80)
			text++;
		memmove(head, text, strlen(text) + 1);
		head[edit->at - (size_t)(text - edit->text)] = '\0';
		cursor = top_grid_columns(grid, head);
	}
	top_grid_fill(grid, x, y, width, TOP_BOLD);
	top_grid_text(grid, x, y, width, TOP_BOLD, text);
	top_grid_paint(grid, x + cursor, y, 1, TOP_SELECTED);
}

static void filter_lines(struct top_app *app, int y)
{
	struct top_grid *grid = &app->grid;
	const struct top_model *model = &app->model;
	int x = top_grid_text(grid, 0, y, grid->width, TOP_PLAIN, "filter: ");

	top_view_edit(grid, x, y, grid->width - x, &app->filter);
	if (app->filter_refused && model->problem)
		top_grid_textf(grid, 0, y - 1, grid->width, TOP_BAD, "%s%s%s", model->problem,
			       model->mend ? "; " : "", model->mend ? model->mend : "");
	else
		top_grid_text(grid, 0, y - 1, grid->width, TOP_DIM,
			      app->filter_waits ?
				      "asking …" :
				      "as in weir flow list; Enter applies it, Esc leaves it");
}

void top_view_foot(struct top_app *app)
{
	struct top_grid *grid = &app->grid;
	int y = grid->height - 1;

	if (app->mode == TOP_MODE_FILTER) {
		filter_lines(app, y);
		return;
	}
	state_line(app, y - 1);
	if (app->mode == TOP_MODE_DETAIL || app->mode == TOP_MODE_HELP)
		top_grid_text(grid, 0, y, grid->width, TOP_DIM, "Esc back   Up, Down scroll");
	else
		hints(grid, y);
}
