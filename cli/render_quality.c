/* SPDX-License-Identifier: Apache-2.0 */
/* How well connections get on, as a table: what comes from either side, and what all of them have.
 */
#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

static void cell_take(struct weir_table *table, enum weir_color color, struct weir_buf *text)
{
	weir_table_cell(table, color, weir_buf_str(text));
	weir_buf_done(text);
}

static void end_cell(struct weir_table *table, const struct weir_json *row, const char *address,
		     const char *port)
{
	struct weir_buf text = { 0 };

	weir_view_add_endpoint(&text, row, address, port);
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

static void ms_cell(struct weir_table *table, const struct weir_json *object, const char *key)
{
	struct weir_buf text = { 0 };

	if (weir_json_get(object, key))
		weir_buf_addf(&text, "%.3g ms", weir_json_real(weir_json_get(object, key), 0));
	else
		weir_buf_add_char(&text, '-');
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

/* "3 / 0": what the source sent, and the destination. */
static void both_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	uint64_t src = weir_view_uint(weir_json_get(row, "src_side"), key),
		 dst = weir_view_uint(weir_json_get(row, "dst_side"), key);
	struct weir_buf text = { 0 };

	weir_count_format(src, &text);
	weir_buf_add_str(&text, " / ");
	weir_count_format(dst, &text);
	cell_take(table, src + dst ? WEIR_COLOR_BAD : WEIR_COLOR_DIM, &text);
}

static void row_add(struct weir_table *table, const struct weir_json *row)
{
	end_cell(table, row, "src", "sport");
	end_cell(table, row, "dst", "dport");
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "state"));
	ms_cell(table, row, "handshake_ms");
	ms_cell(table, weir_json_get(row, "src_side"), "rtt_ms");
	ms_cell(table, weir_json_get(row, "dst_side"), "rtt_ms");
	both_cell(table, row, "retransmits");
	both_cell(table, row, "out_of_order");
	both_cell(table, row, "zero_windows");
	both_cell(table, row, "resets");
}

static void table_show(const struct weir_view *view, const struct weir_json *rows)
{
	static const struct weir_column columns[] = {
		{ "source", false },	 { "destination", false }, { "state", false },
		{ "handshake", true },	 { "rtt source", true },   { "rtt destination", true },
		{ "retransmits", true }, { "out of order", true }, { "zero window", true },
		{ "resets", true },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns),
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(rows); i++)
		row_add(&table, weir_json_at(rows, i));
	weir_table_print(&table, view->out);
}

static void part_add(const struct weir_view *view, uint64_t count, const char *what)
{
	if (!count)
		return;
	weir_buf_add_str(view->out, "; ");
	weir_count_format(count, view->out);
	weir_buf_addf(view->out, " %s", what);
}

static void sample_add(const struct weir_view *view)
{
	uint64_t sample = weir_view_uint(view->answer, "sample");

	if (!sample)
		weir_buf_add_str(view->out, "; paused: measuring took too much of a processor");
	else if (sample > 1)
		weir_buf_addf(view->out, "; one of %llu connections is measured",
			      (unsigned long long)sample);
}

/* Totals, and all that they lack. */
static void foot_show(const struct weir_view *view)
{
	const struct weir_json *total = weir_json_get(view->answer, "total");
	uint64_t matching = weir_view_uint(view->answer, "matching"),
		 shown = weir_view_uint(view->answer, "shown");
	const char *problem = weir_view_str(view->answer, "problem");

	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	weir_buf_add_str(view->out, weir_view_bool(total, "is_estimate") ? "about " : "");
	weir_view_add_plural(view->out, weir_view_uint(total, "retransmits"), "retransmit",
			     "retransmits");
	weir_buf_add_str(view->out, " in ");
	weir_view_add_plural(view->out, weir_view_uint(total, "segments"), "segment", "segments");
	weir_buf_add_str(view->out, " so far");
	part_add(view, matching - shown, "more rows with --limit");
	sample_add(view);
	part_add(view, weir_view_uint(view->answer, "no_place"),
		 "segments of connections without room");
	if (problem[0])
		weir_buf_addf(view->out, "; not measured everywhere: %s", problem);
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_quality(const struct weir_view *view)
{
	if (!weir_view_bool(view->answer, "enabled")) {
		weir_buf_add_str(view->out, "connections are not measured; `quality: {enabled: "
					    "true}` in weir.yaml switches it on\n");
		return;
	}
	if (!weir_view_bool(view->answer, "watched")) {
		weir_buf_addf(view->out, "connections cannot be measured: %s; see `weir doctor`\n",
			      weir_view_str(view->answer, "problem"));
		return;
	}
	table_show(view, weir_json_get(view->answer, "connections"));
	foot_show(view);
}

static void governor_add(const struct weir_view *view, const struct weir_json *quality)
{
	uint64_t sample = weir_view_uint(quality, "sample");

	if (!sample)
		weir_view_add_colored(view, WEIR_COLOR_WARN, "  paused");
	else if (sample > 1)
		weir_buf_addf(view->out, "  one of %llu is measured", (unsigned long long)sample);
	weir_buf_addf(view->out, "  %.1f%% of a processor",
		      weir_json_real(weir_json_get(quality, "cpu_percent"), 0));
	if (weir_json_get(quality, "cpu_ceiling_percent"))
		weir_buf_addf(view->out, ", at most %llu%%",
			      (unsigned long long)weir_view_uint(quality, "cpu_ceiling_percent"));
}

void weir_render_quality_status(const struct weir_view *view, const struct weir_json *quality)
{
	const struct weir_json *total = weir_json_get(quality, "total");
	const char *problem = weir_view_str(quality, "problem");
	uint64_t no_place = weir_view_uint(quality, "no_place");
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_add_char(view->out, '\n');
	weir_view_add_colored(view, WEIR_COLOR_HEAD, "quality");
	weir_buf_add_str(view->out, "  on  ");
	weir_count_format(weir_view_uint(quality, "flows"), view->out);
	weir_buf_add_str(view->out, " of ");
	weir_count_format(weir_view_uint(quality, "capacity"), view->out);
	weir_buf_add_str(view->out, " connections  at ");
	weir_view_add_plural(view->out, weir_view_uint(quality, "interfaces"), "interface",
			     "interfaces");
	weir_buf_add_str(view->out, weir_view_bool(total, "is_estimate") ? "  about " : "  ");
	weir_view_add_plural(view->out, weir_view_uint(total, "retransmits"), "retransmit",
			     "retransmits");
	weir_buf_add_str(view->out, " in ");
	weir_view_add_plural(view->out, weir_view_uint(total, "segments"), "segment", "segments");
	governor_add(view, quality);
	if (no_place) {
		weir_count_format(no_place, &text);
		weir_buf_add_str(&text, " segments without room");
		weir_buf_add_str(view->out, "  ");
		weir_view_add_colored(view, WEIR_COLOR_BAD, weir_buf_str(&text));
	}
	weir_buf_add_str(view->out, problem[0] ? "  " : "");
	weir_view_add_colored(view, WEIR_COLOR_BAD, problem);
	weir_buf_add_char(view->out, '\n');
}
