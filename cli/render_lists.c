/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of lists, and what an import did. */
#include <string.h>

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

void weir_render_added(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;
	const char *result = weir_view_str(answer, "result");
	const char *action = weir_view_str(answer, "action");

	weir_buf_add_visible(view->out, weir_view_str(answer, "entry"));
	weir_buf_addf(view->out, " %s in ", strcmp(result, "added") == 0 ? "is now" : result);
	weir_view_add_colored(view, weir_view_verdict_color(action), action);
	weir_buf_add_str(view->out, " list ");
	weir_buf_add_visible(view->out, weir_view_str(answer, "list"));
	if (weir_json_get(answer, "ttl_s")) {
		weir_buf_add_str(view->out, " for ");
		weir_duration_format(weir_view_uint(answer, "ttl_s") * WEIR_NS_PER_S, view->out);
	}
	weir_buf_addf(view->out, ", revision %llu\n",
		      (unsigned long long)weir_view_uint(answer, "revision"));
}

void weir_render_removed(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;

	if (weir_view_str(answer, "entry")[0]) {
		weir_buf_add_visible(view->out, weir_view_str(answer, "entry"));
		weir_buf_add_str(view->out, " is out again");
	} else {
		weir_view_add_plural(view->out, weir_view_uint(answer, "removed"), "entry",
				     "entries");
		weir_buf_add_str(view->out, " removed");
	}
	weir_buf_addf(view->out, ", revision %llu\n",
		      (unsigned long long)weir_view_uint(answer, "revision"));
}

/* A set has none: it decides nothing. */
static void hits_cell(struct weir_table *table, const struct weir_json *list)
{
	const struct weir_json *hits = weir_json_get(list, "hits");

	if (hits && weir_json_type(hits) == WEIR_JSON_NULL)
		weir_table_cell(table, WEIR_COLOR_PLAIN, "");
	else if (hits && weir_json_type(hits) == WEIR_JSON_OBJECT)
		weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(hits, "packets"));
	else
		weir_table_count(table, WEIR_COLOR_PLAIN,
				 weir_view_uint(list, hits ? "hits" : "hits_packets"));
}

void weir_render_list_rows(const struct weir_view *view, const struct weir_json *lists)
{
	static const struct weir_column columns[] = {
		{ "list", false }, { "action", false }, { "IPv4", true },  { "IPv6", true },
		{ "hits", true },  { "origin", false }, { "note", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = 7,
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(lists); i++) {
		const struct weir_json *list = weir_json_at(lists, i);
		const char *action = weir_view_str(list, "action");

		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_view_str(list, "name"));
		weir_table_cell(&table, weir_view_verdict_color(action), action);
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(list, "v4"));
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(list, "v6"));
		hits_cell(&table, list);
		weir_table_cell(&table, WEIR_COLOR_DIM, weir_view_str(list, "origin"));
		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_view_str(list, "note"));
	}
	weir_table_print(&table, view->out);
}

void weir_render_lists(const struct weir_view *view)
{
	const struct weir_json *lists = weir_json_get(view->answer, "lists");

	if (weir_json_size(lists) == 0)
		weir_buf_add_str(view->out, "no lists\n");
	weir_render_list_rows(view, lists);
}
