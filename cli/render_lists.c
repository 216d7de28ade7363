/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of lists, and what an import did. */
#include "base/clock.h"
#include "base/units.h"
#include "cli/render.h"

static void ttl_cell(struct weir_table *table, const struct weir_json *entry)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (weir_json_get(entry, "ttl_s") &&
	    weir_json_type(weir_json_get(entry, "ttl_s")) != WEIR_JSON_NULL)
		weir_duration_format(weir_view_uint(entry, "ttl_s") * WEIR_NS_PER_S, &text);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&text));
}

static void entry_row(struct weir_table *table, const struct weir_json *entry)
{
	const struct weir_json *hits = weir_json_get(entry, "hits");

	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(entry, "entry"));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(entry, "list"));
	weir_table_cell(table, WEIR_COLOR_DIM, weir_view_str(entry, "origin"));
	ttl_cell(table, entry);
	if (hits && weir_json_type(hits) == WEIR_JSON_OBJECT)
		weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(hits, "packets"));
	else
		weir_table_cell(table, WEIR_COLOR_PLAIN, "");
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(entry, "note"));
}

void weir_render_entries(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "entry", false }, { "list", false }, { "origin", false },
		{ "left", true },   { "hits", true },  { "note", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = 6,
		.color = view->color,
	};
	const struct weir_json *entries = weir_json_get(view->answer, "entries");
	uint64_t total = weir_view_uint(view->answer, "total");
	uint64_t shown = weir_json_size(entries);

	for (size_t i = 0; i < shown; i++)
		entry_row(&table, weir_json_at(entries, i));
	weir_table_print(&table, view->out);
	if (shown == 0 && total == 0) {
		weir_buf_add_str(view->out, "no entries\n");
		return;
	}
	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	if (shown < total) {
		weir_count_format(shown, view->out);
		weir_buf_add_str(view->out, " of ");
	}
	weir_view_add_plural(view->out, total, "entry", "entries");
	if (shown < total)
		weir_buf_add_str(view->out, "; --limit and --offset show others, --match finds");
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

static void import_part(struct weir_buf *out, bool *first, uint64_t count, const char *word)
{
	if (count == 0)
		return;
	weir_buf_add_str(out, *first ? " (" : ", ");
	weir_count_format(count, out);
	weir_buf_addf(out, " %s", word);
	*first = false;
}

void weir_render_import(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;
	struct weir_buf *out = view->out;
	uint64_t duplicates = weir_view_uint(answer, "duplicates");
	bool first = true;

	weir_view_add_plural(
		out, weir_view_uint(answer, "entries_v4") + weir_view_uint(answer, "entries_v6"),
		"entry", "entries");
	weir_buf_add_str(out, " in list ");
	weir_buf_add_visible(out, weir_view_str(answer, "list"));
	import_part(out, &first, weir_view_uint(answer, "added"), "new");
	import_part(out, &first, weir_view_uint(answer, "replaced"), "replaced");
	import_part(out, &first, duplicates, duplicates == 1 ? "duplicate" : "duplicates");
	if (!first)
		weir_buf_add_char(out, ')');
	weir_buf_add_str(out, " live in ");
	weir_view_add_seconds(out,
			      view->elapsed_ms ? view->elapsed_ms : weir_view_uint(answer, "ms"));
	weir_buf_addf(out, ", revision %llu\n",
		      (unsigned long long)weir_view_uint(answer, "revision"));
}
