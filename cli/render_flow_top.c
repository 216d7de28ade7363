/* SPDX-License-Identifier: Apache-2.0 */
/* Who carries most: groups of flows, and how much of the whole each is. */
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

#define COLUMNS 8
#define COLUMNS_UNCOUNTED 3

static void cell_take(struct weir_table *table, struct weir_buf *text)
{
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(text));
	weir_buf_done(text);
}

static void size_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	struct weir_buf text = { 0 };

	weir_size_format(weir_view_uint(row, key), &text);
	cell_take(table, &text);
}

static void share_cell(struct weir_table *table, const struct weir_view *view,
		       const struct weir_json *row)
{
	const char *by = weir_view_str(view->answer, "by");
	uint64_t whole = weir_view_uint(weir_json_get(view->answer, "total"), by);
	struct weir_buf text = { 0 };

	if (whole)
		weir_buf_addf(&text, "%.1f %%",
			      100.0 * (double)weir_view_uint(row, by) / (double)whole);
	cell_take(table, &text);
}

/* What it may have carried besides, as it was not kept apart from the beginning. */
static void missed_cell(struct weir_table *table, const struct weir_view *view,
			const struct weir_json *row)
{
	uint64_t missed = weir_view_uint(row, "missed_at_most");
	struct weir_buf text = { 0 };

	if (missed && strcmp(weir_view_str(view->answer, "by"), "bytes") == 0)
		weir_size_format(missed, &text);
	else if (missed)
		weir_count_format(missed, &text);
	cell_take(table, &text);
}

static bool has_missed(const struct weir_json *rows)
{
	bool has = false;

	for (size_t i = 0; i < weir_json_size(rows) && !has; i++)
		has = weir_view_uint(weir_json_at(rows, i), "missed_at_most");
	return has;
}

static void row_add(struct weir_table *table, const struct weir_view *view, const char *name,
		    const struct weir_json *row)
{
	weir_table_cell(table, WEIR_COLOR_PLAIN, name);
	share_cell(table, view, row);
	weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(row, "flows"));
	if (table->column_count == COLUMNS_UNCOUNTED)
		return;
	weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(row, "packets"));
	size_cell(table, row, "bytes");
	size_cell(table, row, "sent_bytes");
	size_cell(table, row, "received_bytes");
	if (table->column_count == COLUMNS)
		missed_cell(table, view, row);
}

static void groups_table(const struct weir_view *view)
{
	const struct weir_json *rows = weir_json_get(view->answer, "rows"),
			       *total = weir_json_get(view->answer, "total"),
			       *rest = weir_json_get(view->answer, "rest");
	const struct weir_column columns[COLUMNS] = {
		{ weir_view_str(view->answer, "group"), false },
		{ "share", true },
		{ "flows", true },
		{ "packets", true },
		{ "bytes", true },
		{ "sent", true },
		{ "received", true },
		{ "at most more", true },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = !weir_json_get(total, "bytes") ? COLUMNS_UNCOUNTED :
				has_missed(rows)	       ? COLUMNS :
								 COLUMNS - 1,
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(rows); i++)
		row_add(&table, view, weir_view_str(weir_json_at(rows, i), "name"),
			weir_json_at(rows, i));
	if (weir_view_uint(rest, "flows") || weir_view_uint(rest, "packets"))
		row_add(&table, view, "(others)", rest);
	weir_table_print(&table, view->out);
}

/* What is in no group, since no record told whose it was. */
static void ended_foot(const struct weir_view *view)
{
	const struct weir_json *ended = weir_json_get(view->answer, "ended"),
			       *unknown = weir_json_get(view->answer, "unknown");

	if (!ended)
		return;
	weir_buf_add_str(view->out, ", ");
	weir_count_format(weir_view_uint(ended, "flows"), view->out);
	weir_buf_addf(view->out, " of them ended since %s", weir_view_str(ended, "since"));
	if (!weir_view_uint(unknown, "packets"))
		return;
	weir_buf_add_str(view->out, "; besides, ");
	weir_size_format(weir_view_uint(unknown, "bytes"), view->out);
	weir_buf_add_str(view->out, " of ended flows that no record tells of");
}

/* Two ends, two interfaces: a flow that is in both groups makes shares of more than the whole. */
static void groups_foot(const struct weir_view *view)
{
	uint64_t groups = weir_view_uint(view->answer, "groups"),
		 crowded = weir_view_uint(view->answer, "crowded_flows");

	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	weir_view_add_plural(view->out, groups, "group", "groups");
	weir_buf_add_str(view->out, " of ");
	weir_view_add_plural(view->out,
			     weir_view_uint(weir_json_get(view->answer, "total"), "flows"), "flow",
			     "flows");
	if (crowded) {
		weir_buf_add_str(view->out, "; ");
		weir_count_format(crowded, view->out);
		weir_buf_add_str(view->out,
				 " of them in more groups than are kept: a filter helps");
	}
	ended_foot(view);
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_flow_top(const struct weir_view *view)
{
	if (weir_json_get(view->answer, "flows")) {
		weir_render_flows(view);
		return;
	}
	groups_table(view);
	if (!weir_flow_note_show(view))
		groups_foot(view);
}
