/* SPDX-License-Identifier: Apache-2.0 */
/* What lies over the list: help, detail, the questions before an address is blocked. */
#include <string.h>

#include "cli/top/deed.h"
#include "cli/top/view.h"

#define LABEL_WIDTH 18
#define KEY_WIDTH 16
#define HALVES_WIDTH 78
#define BOX_WIDTH 72
#define BOX_HEIGHT 8

static void title(struct top_app *app, const char *text)
{
	int y = app->rows_y - 1;

	top_grid_fill(&app->grid, 0, y, app->grid.width, TOP_HEAD);
	top_grid_text(&app->grid, 1, y, app->grid.width - 1, TOP_HEAD, text);
}

static size_t bindings_count(void)
{
	size_t count = 0;

	while (top_bindings[count].label)
		count++;
	return count;
}

static void binding_draw(struct top_app *app, const struct top_binding *binding, int x, int y)
{
	struct top_grid *grid = &app->grid;

	top_grid_text(grid, x, y, KEY_WIDTH, TOP_BOLD, binding->label);
	top_grid_text(grid, x + KEY_WIDTH, y, HALVES_WIDTH / 2 - KEY_WIDTH, TOP_PLAIN,
		      binding->help);
}

#define SIGNS 3

static void signs_draw(struct top_app *app, int y)
{
	struct top_grid *grid = &app->grid;

	top_grid_text(grid, 1, y, grid->width - 2, TOP_DIM,
		      "-  not known: a rate takes two looks, and a row that was there before");
	top_grid_text(grid, 1, y + 1, grid->width - 2, TOP_DIM,
		      "~  about so much: flows ended in between, and what they carried is lacking");
}

/* Where it is wide enough, in two halves. */
void top_view_help(struct top_app *app)
{
	struct top_grid *grid = &app->grid;
	bool is_wide = grid->width >= HALVES_WIDTH;
	int half = is_wide ? grid->width / 2 : grid->width;
	size_t count = bindings_count(), most = app->rows_height, shown = is_wide ? 2 * most : most;

	if (app->help_first + shown > count)
		app->help_first = count > shown ? count - shown : 0;
	if (is_wide && most > (count + 1) / 2)
		most = (count + 1) / 2;
	title(app, "Keys; a mouse selects rows, tabs and titles");
	for (size_t i = 0; i < shown && app->help_first + i < count; i++)
		binding_draw(app, &top_bindings[app->help_first + i], i < most ? 1 : half,
			     app->rows_y + (int)(i % most));
	if (most + SIGNS < app->rows_height)
		signs_draw(app, app->rows_y + (int)most + 1);
}

static size_t lines_count(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

static const char *line_at(const char *text, size_t index)
{
	while (index-- > 0)
		text = strchr(text, '\n') + 1;
	return text;
}

void top_view_detail(struct top_app *app)
{
	struct top_detail *detail = &app->detail;
	const char *text = weir_buf_str(&detail->text);
	size_t count = lines_count(text), most = app->rows_height;

	title(app,
	      detail->is_over ? "Detail: it is over; this is the last that was seen" : "Detail");
	detail->lines = count;
	if (detail->first + most > count)
		detail->first = count > most ? count - most : 0;
	text = line_at(text, detail->first);
	for (size_t i = 0; i < most && detail->first + i < count; i++) {
		const char *end = strchr(text, '\n');

		top_grid_textf(&app->grid, 1, app->rows_y + (int)i, app->grid.width - 2, TOP_PLAIN,
			       "%.*s", (int)(end - text), text);
		text = end + 1;
	}
}

static void field(struct top_box *box, const char *label, const struct top_edit *edit, bool is_here)
{
	int x = box->x + LABEL_WIDTH, width = box->width - LABEL_WIDTH;

	top_grid_text(box->grid, box->x, box->y, LABEL_WIDTH, TOP_PLAIN, label);
	if (is_here)
		top_view_edit(box->grid, x, box->y, width, edit);
	else
		top_grid_text(box->grid, x, box->y, width, TOP_BOLD, edit->text);
	box->y++;
}

static struct top_box box_open(struct top_app *app, const char *text)
{
	struct top_grid *grid = &app->grid;
	int width = grid->width < BOX_WIDTH ? grid->width : BOX_WIDTH;
	int x = (grid->width - width) / 2, y = (grid->height - BOX_HEIGHT) / 2;

	for (int i = 0; i < BOX_HEIGHT; i++) {
		top_grid_fill(grid, x, y + i, width, TOP_PLAIN);
		top_grid_paint(grid, x, y + i, 1, TOP_HEAD);
		top_grid_paint(grid, x + width - 1, y + i, 1, TOP_HEAD);
	}
	top_grid_fill(grid, x, y, width, TOP_HEAD);
	top_grid_text(grid, x + 2, y, width - 4, TOP_HEAD, text);
	return (struct top_box){ grid, x + 2, y + 1, width - 4, BOX_HEIGHT - 2 };
}

static void sure(const struct top_blocking *blocking, struct top_box *box)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	top_deed_text(blocking->deed, &text);
	box->y++;
	top_view_paragraph(box, TOP_BOLD, weir_buf_str(&text));
	box->y++;
	top_view_paragraph(box, TOP_WARN, "y: do it   n: do not");
}

void top_view_block(struct top_app *app)
{
	const struct top_blocking *blocking = &app->blocking;
	struct top_box box = box_open(app, "Block");
	const struct top_deed *deed = blocking->deed;

	if (blocking->step == TOP_BLOCK_DONE) {
		top_view_paragraph(&box, deed->exit_code ? TOP_BAD : TOP_GOOD,
				   deed->said ? deed->said : "");
		top_view_paragraph(&box, TOP_DIM, "any key goes on");
		return;
	}
	field(&box, "Address or prefix", &blocking->target, blocking->step == TOP_BLOCK_WHICH);
	if (blocking->step > TOP_BLOCK_WHICH)
		field(&box, "For how long", &blocking->ttl, blocking->step == TOP_BLOCK_HOW_LONG);
	if (blocking->step == TOP_BLOCK_SURE)
		sure(blocking, &box);
	else if (blocking->step == TOP_BLOCK_UNDER_WAY)
		top_view_paragraph(&box, TOP_DIM, "under way …");
	else
		top_view_paragraph(&box, TOP_DIM,
				   blocking->step == TOP_BLOCK_HOW_LONG ?
					   "10m, 1h, 7d; empty: until it is deleted   Enter goes "
					   "on, Esc leaves" :
				   blocking->offered[1][0] ?
					   "Up, Down: the other end   Enter goes on, Esc leaves" :
					   "Enter goes on, Esc leaves");
}
