/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that have ended: a table of them, and a line as one ends. */
#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

#include <string.h>

#define COLUMNS_MAX 11

/* The clock of "2031-05-01T12:30:00Z". */
static void clock_add(struct weir_buf *out, const struct weir_json *flow)
{
	const char *time = weir_view_str(flow, "time"), *clock = strchr(time, 'T');

	if (clock)
		weir_buf_add(out, clock + 1, strcspn(clock + 1, "Zz+"));
}

static void source_add(struct weir_buf *out, const struct weir_json *flow)
{
	weir_view_add_endpoint(out, flow, "src", "sport");
	if (weir_json_get(flow, "icmp_id"))
		weir_buf_addf(out, " id %llu", (unsigned long long)weir_view_uint(flow, "icmp_id"));
}

static void cell_done(struct weir_table *table, struct weir_buf *text)
{
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(text));
	weir_buf_done(text);
}

static void side_add(struct weir_buf *out, const struct weir_json *side, const char *key)
{
	const struct weir_json *value = weir_json_get(side, key);

	if (!value)
		weir_buf_add_char(out, '-');
	else if (weir_json_type(value) == WEIR_JSON_INTEGER)
		weir_count_format(weir_view_uint(side, key), out);
	else
		weir_buf_addf(out, "%.3g", weir_json_real(value, 0));
}

/* "3 / 41": of the source, and of the destination; "-" where nobody knows. */
static void both_add(struct weir_buf *out, const struct weir_json *quality, const char *key,
		     const char *unit)
{
	const struct weir_json *src = weir_json_get(quality, "src_side"),
			       *dst = weir_json_get(quality, "dst_side");

	if (!weir_json_get(src, key) && !weir_json_get(dst, key))
		return;
	side_add(out, src, key);
	weir_buf_add_str(out, " / ");
	side_add(out, dst, key);
	weir_buf_add_str(out, unit);
}

/* Columns that are there only where a flow has something in them. */
struct extra {
	bool vlan, quality;
};

static void ended_row(struct weir_table *table, const struct weir_json *flow, struct extra extra)
{
	struct weir_buf text = { 0 };

	clock_add(&text, flow);
	cell_done(table, &text);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(flow, "proto"));
	source_add(&text, flow);
	cell_done(table, &text);
	weir_view_add_endpoint(&text, flow, "dst", "dport");
	cell_done(table, &text);
	if (extra.vlan) {
		weir_flow_vlan_add(&text, flow);
		cell_done(table, &text);
	}
	weir_flow_packets_add(&text, flow);
	cell_done(table, &text);
	weir_flow_bytes_add(&text, flow);
	cell_done(table, &text);
	weir_duration_format(weir_view_uint(flow, "duration_ns"), &text);
	cell_done(table, &text);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(flow, "reason"));
	if (!extra.quality)
		return;
	both_add(&text, weir_json_get(flow, "quality"), "rtt_ms", " ms");
	cell_done(table, &text);
	both_add(&text, weir_json_get(flow, "quality"), "retransmits", "");
	cell_done(table, &text);
}

static bool some_are_measured(const struct weir_json *flows)
{
	for (size_t i = 0; i < weir_json_size(flows); i++)
		if (weir_json_get(weir_json_at(flows, i), "quality"))
			return true;
	return false;
}

static bool some_go_on(const struct weir_view *view)
{
	const struct weir_json *flows = weir_json_get(view->answer, "flows");

	for (size_t i = 0; i < weir_json_size(flows); i++)
		if (strcmp(weir_view_str(weir_json_at(flows, i), "reason"), "active") == 0)
			return true;
	return false;
}

/* How many are shown of those kept, and how many there were that are kept no more. */
static void kept_show(const struct weir_view *view)
{
	uint64_t shown = weir_view_uint(view->answer, "shown"),
		 total = weir_view_uint(view->answer, "total"),
		 kept = weir_view_uint(view->answer, "kept"),
		 made = weir_view_uint(view->answer, "made");

	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	if (shown < total) {
		weir_count_format(shown, view->out);
		weir_buf_add_str(view->out, " of ");
	}
	bool goes_on = some_go_on(view);

	weir_view_add_plural(view->out, total, goes_on ? "record" : "ended flow",
			     goes_on ? "records" : "ended flows");
	weir_buf_add_str(view->out, goes_on ? "; active: the flow goes on" : "");
	if (made > kept) {
		weir_buf_add_str(view->out, "; of ");
		weir_count_format(made, view->out);
		weir_buf_add_str(view->out, " in this run the last ");
		weir_count_format(kept, view->out);
		weir_buf_add_str(view->out, " are kept");
	}
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

/* Returns how many there are. */
static size_t columns_choose(struct extra extra, struct weir_column columns[COLUMNS_MAX])
{
	static const struct {
		struct weir_column column;
		bool is_vlan, is_quality;
	} all[COLUMNS_MAX] = {
		{ { "ended", false } },
		{ { "proto", false } },
		{ { "source", false } },
		{ { "destination", false } },
		{ { "vlan", false }, .is_vlan = true },
		{ { "packets", true } },
		{ { "bytes", true } },
		{ { "lasted", true } },
		{ { "why", false } },
		{ { "rtt", true }, .is_quality = true },
		{ { "retransmits", true }, .is_quality = true },
	};
	size_t count = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(all); i++)
		if ((!all[i].is_vlan || extra.vlan) && (!all[i].is_quality || extra.quality))
			columns[count++] = all[i].column;
	return count;
}

void weir_render_flow_records(const struct weir_view *view)
{
	const struct weir_json *flows = weir_json_get(view->answer, "flows");
	struct extra extra = { weir_flows_have_vlans(flows), some_are_measured(flows) };
	struct weir_column columns[COLUMNS_MAX];
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = columns_choose(extra, columns),
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(flows); i++)
		ended_row(&table, weir_json_at(flows, i), extra);
	weir_table_print(&table, view->out);
}

void weir_render_flow_ended(const struct weir_view *view)
{
	weir_render_flow_records(view);
	kept_show(view);
}

void weir_render_flow_event(const struct weir_view *view, const struct weir_json *flow)
{
	struct weir_buf *out = view->out;

	clock_add(out, flow);
	weir_buf_add_char(out, ' ');
	weir_buf_add_visible(out, weir_view_str(flow, "proto"));
	weir_buf_add_char(out, ' ');
	source_add(out, flow);
	weir_buf_add_str(out, " > ");
	weir_view_add_endpoint(out, flow, "dst", "dport");
	if (weir_view_bool(flow, "tagged")) {
		weir_buf_add_str(out, " vlan ");
		weir_flow_vlan_add(out, flow);
	}
	weir_buf_add_str(out, "  packets ");
	weir_flow_packets_add(out, flow);
	weir_buf_add_str(out, "  bytes ");
	weir_flow_bytes_add(out, flow);
	weir_buf_add_str(out, "  ");
	weir_duration_format(weir_view_uint(flow, "duration_ns"), out);
	weir_buf_addf(out, "  %s\n", weir_view_str(flow, "reason"));
}
