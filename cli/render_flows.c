/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that are tracked: lists, counts, all that is known of some, the line of status. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/render.h"

static bool is_half_open(const struct weir_json *flow)
{
	return strcmp(weir_view_str(flow, "table"), "half-open") == 0;
}

static void cell_done(struct weir_table *table, enum weir_color color, struct weir_buf *text)
{
	weir_table_cell(table, color, weir_buf_str(text));
	weir_buf_done(text);
}

static void duration_cell(struct weir_table *table, enum weir_color color,
			  const struct weir_json *flow, const char *key)
{
	struct weir_buf text = { 0 };

	weir_duration_format(weir_view_uint(flow, key) * WEIR_NS_PER_S, &text);
	cell_done(table, color, &text);
}

/* A request of ICMP has an identifier where others have a port. */
static void source_add(struct weir_buf *out, const struct weir_json *flow)
{
	weir_view_add_endpoint(out, flow, "src", "sport");
	if (weir_json_get(flow, "icmp_id"))
		weir_buf_addf(out, " id %llu", (unsigned long long)weir_view_uint(flow, "icmp_id"));
}

/* "eth0 > eth1"; one side alone where the host itself is the other. */
static void path_add(struct weir_buf *out, const struct weir_json *flow)
{
	const char *in = weir_view_str(flow, "in"), *to = weir_view_str(flow, "out");

	if (!in[0] && !to[0])
		return;
	weir_buf_add_visible(out, in);
	weir_buf_addf(out, "%s>%s", in[0] ? " " : "", to[0] ? " " : "");
	weir_buf_add_visible(out, to);
}

/* Columns that are not always there. */
struct shown {
	bool backend, vlan, counted;
};

static bool flows_have_backends(const struct weir_json *flows)
{
	bool have = false;

	for (size_t i = 0; !have && i < weir_json_size(flows); i++)
		have = weir_json_get(weir_json_at(flows, i), "backend");
	return have;
}

static void flow_row(struct weir_table *table, struct shown shown, const struct weir_json *flow)
{
	enum weir_color color = is_half_open(flow) ? WEIR_COLOR_DIM : WEIR_COLOR_PLAIN;
	struct weir_buf text = { 0 };

	weir_table_cell(table, color, weir_view_str(flow, "proto"));
	source_add(&text, flow);
	cell_done(table, color, &text);
	weir_view_add_endpoint(&text, flow, "dst", "dport");
	cell_done(table, color, &text);
	weir_table_cell(table, color, weir_view_str(flow, "state"));
	path_add(&text, flow);
	cell_done(table, color, &text);
	if (shown.backend)
		weir_table_cell(table, color, weir_view_str(flow, "backend"));
	if (shown.vlan) {
		weir_flow_vlan_add(&text, flow);
		cell_done(table, color, &text);
	}
	if (shown.counted) {
		weir_flow_packets_add(&text, flow);
		cell_done(table, color, &text);
		weir_flow_bytes_add(&text, flow);
		cell_done(table, color, &text);
	}
	duration_cell(table, color, flow, "age_s");
	duration_cell(table, color, flow, "idle_s");
	duration_cell(table, color, flow, "expires_s");
}

bool weir_flow_note_show(const struct weir_view *view)
{
	const char *note = weir_view_str(view->answer, "note");

	if (note[0]) {
		weir_view_add_colored(view, WEIR_COLOR_WARN, note);
		weir_buf_add_char(view->out, '\n');
	}
	return note[0] && weir_view_uint(view->answer, "total") == 0;
}

static void total_show(const struct weir_view *view, const char *more)
{
	uint64_t shown = weir_view_uint(view->answer, "shown"),
		 total = weir_view_uint(view->answer, "total");

	if (total == 0) {
		weir_buf_add_str(view->out, "no flows\n");
		return;
	}
	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	if (shown < total) {
		weir_count_format(shown, view->out);
		weir_buf_add_str(view->out, " of ");
	}
	weir_view_add_plural(view->out, total, "flow", "flows");
	weir_buf_add_str(view->out, shown < total ? more : "");
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

#define FLOW_COLUMNS_MOST 12

static size_t flow_columns(struct shown shown, struct weir_column ret_columns[FLOW_COLUMNS_MOST])
{
	const struct {
		struct weir_column column;
		bool is_shown;
	} all[FLOW_COLUMNS_MOST] = {
		{ { "proto", false }, true },
		{ { "source", false }, true },
		{ { "destination", false }, true },
		{ { "state", false }, true },
		{ { "in > out", false }, true },
		{ { "backend", false }, shown.backend }, /* service/address:port */
		{ { "vlan", false }, shown.vlan },
		{ { "packets", true }, shown.counted },
		{ { "bytes", true }, shown.counted },
		{ { "age", true }, true },
		{ { "idle", true }, true },
		{ { "left", true }, true },
	};
	size_t count = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(all); i++)
		if (all[i].is_shown)
			ret_columns[count++] = all[i].column;
	return count;
}

void weir_render_flows(const struct weir_view *view)
{
	const struct weir_json *flows = weir_json_get(view->answer, "flows");
	const struct shown shown = { flows_have_backends(flows), weir_flows_have_vlans(flows),
				     weir_flow_is_counted(weir_json_at(flows, 0)) };
	struct weir_column columns[FLOW_COLUMNS_MOST];
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = flow_columns(shown, columns),
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(flows); i++)
		flow_row(&table, shown, weir_json_at(flows, i));
	weir_table_print(&table, view->out);
	if (!weir_flow_note_show(view))
		total_show(view, "; --limit shows more, a filter finds");
}

/* --- flow show --------------------------------------------------------------------------- */

struct details {
	const struct weir_view *view;
	struct weir_table table;
};

static void detail(struct details *details, const char *name, struct weir_buf *text)
{
	if (text->len > 0) {
		weir_table_cell(&details->table, WEIR_COLOR_DIM, name);
		weir_table_cell(&details->table, WEIR_COLOR_PLAIN, weir_buf_str(text));
	}
	weir_buf_done(text);
}

/* "fin_wait (closing)": the second is the state in one of four words. */
static void detail_state(struct details *details, const struct weir_json *flow)
{
	const char *state = weir_view_str(flow, "state"), *stage = weir_view_str(flow, "stage");
	struct weir_buf text = { 0 };

	weir_buf_add_visible(&text, state);
	if (stage[0] && strcmp(stage, state) != 0)
		weir_buf_addf(&text, " (%s)", stage);
	weir_buf_addf(&text, ", %s", weir_view_str(flow, "table"));
	detail(details, "state", &text);
}

static void detail_flags(struct details *details, const struct weir_json *flow)
{
	static const struct {
		const char *key, *words;
	} flags[] = {
		{ "answered", "answered" },
		{ "picked_up", "picked up: its beginning was not seen" },
		{ "granted", "granted: passes where no rule speaks" },
		{ "relayed", "relayed by the SYN proxy: its numbers are translated" },
	};
	struct weir_buf text = { 0 };

	if (!weir_view_bool(flow, "answered"))
		weir_buf_add_str(&text, "not answered");
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(flags); i++)
		if (weir_view_bool(flow, flags[i].key))
			weir_buf_addf(&text, "%s%s", text.len ? "; " : "", flags[i].words);
	detail(details, "flags", &text);
}

static void detail_icmp(struct details *details, const struct weir_json *flow)
{
	struct weir_buf text = { 0 };

	if (weir_json_get(flow, "icmp_type"))
		weir_buf_addf(&text, "requests of type %llu, identifier %llu",
			      (unsigned long long)weir_view_uint(flow, "icmp_type"),
			      (unsigned long long)weir_view_uint(flow, "icmp_id"));
	detail(details, "ICMP", &text);
}

static void detail_times(struct details *details, const struct weir_json *flow)
{
	static const char *const keys[][2] = {
		{ "age", "age_s" },
		{ "idle", "idle_s" },
		{ "left", "expires_s" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++) {
		struct weir_buf text = { 0 };

		weir_duration_format(weir_view_uint(flow, keys[i][1]) * WEIR_NS_PER_S, &text);
		detail(details, keys[i][0], &text);
	}
}

static void detail_seen(struct details *details, const struct weir_json *flow)
{
	static const char *const keys[][2] = {
		{ "first seen", "first_seen" },
		{ "last seen", "last_seen" },
		{ "TCP flags", "orig_tcp_flags" },
		{ "of replies", "reply_tcp_flags" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++) {
		struct weir_buf text = { 0 };

		weir_buf_add_visible(&text, weir_view_str(flow, keys[i][1]));
		detail(details, keys[i][0], &text);
	}
}

static void detail_verdict(struct details *details, const struct weir_json *flow)
{
	struct weir_buf text = { 0 };

	weir_buf_add_visible(&text, weir_view_str(flow, "verdict_reason"));
	detail(details, "let in", &text);
	weir_view_add_scalar(&text, "id", weir_json_get(flow, "rule"));
	detail(details, "rule", &text);
	if (weir_json_get(flow, "mark"))
		weir_buf_addf(&text, "0x%llx", (unsigned long long)weir_view_uint(flow, "mark"));
	detail(details, "mark", &text);
}

/* Sequence numbers are no amounts: without thousands. */
static void detail_side(struct details *details, const struct weir_json *flow, const char *key)
{
	const struct weir_json *side = weir_json_get(flow, key);
	struct weir_buf text = { 0 };

	if (!side)
		return;
	if (weir_json_get(side, "tag")) {
		weir_buf_addf(&text, "verification tag 0x%08llx",
			      (unsigned long long)weir_view_uint(side, "tag"));
		detail(details, key, &text);
		return;
	}
	weir_buf_addf(&text, "sent to %llu, room to %llu, largest window ",
		      (unsigned long long)weir_view_uint(side, "end"),
		      (unsigned long long)weir_view_uint(side, "max_end"));
	weir_count_format(weir_view_uint(side, "max_window"), &text);
	weir_buf_addf(&text, ", scale %llu", (unsigned long long)weir_view_uint(side, "scale"));
	detail(details, key, &text);
}

static void flow_head(const struct weir_view *view, const struct weir_json *flow)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_add_visible(&text, weir_view_str(flow, "proto"));
	weir_buf_add_char(&text, ' ');
	weir_view_add_endpoint(&text, flow, "src", "sport");
	weir_buf_add_str(&text, " > ");
	weir_view_add_endpoint(&text, flow, "dst", "dport");
	weir_view_heading(view, "%s", weir_buf_str(&text));
}

static void flow_show(const struct weir_view *view, const struct weir_json *flow)
{
	static const struct weir_column columns[] = { { "", false }, { "", false } };
	struct details details = {
		.view = view,
		.table = { .columns = columns,
			   .column_count = 2,
			   .color = view->color,
			   .indent = 2 },
	};
	struct weir_buf text = { 0 };

	flow_head(view, flow);
	detail_state(&details, flow);
	detail_icmp(&details, flow);
	path_add(&text, flow);
	detail(&details, "in > out", &text);
	weir_buf_add_visible(&text, weir_view_str(flow, "backend"));
	detail(&details, "backend", &text);
	if (weir_flow_is_counted(flow))
		weir_flow_vlan_add(&text, flow);
	detail(&details, "VLAN", &text);
	weir_flow_packets_add(&text, flow);
	detail(&details, "packets", &text);
	weir_flow_bytes_add(&text, flow);
	detail(&details, "bytes", &text);
	detail_seen(&details, flow);
	detail_times(&details, flow);
	detail_flags(&details, flow);
	detail_verdict(&details, flow);
	detail_side(&details, flow, "initiator");
	detail_side(&details, flow, "responder");
	weir_table_print(&details.table, view->out);
	weir_table_done(&details.table);
}

void weir_render_flow_details(const struct weir_view *view)
{
	const struct weir_json *flows = weir_json_get(view->answer, "flows");

	for (size_t i = 0; i < weir_json_size(flows); i++)
		flow_show(view, weir_json_at(flows, i));
	if (weir_flow_note_show(view))
		return;
	weir_buf_add_char(view->out, '\n');
	total_show(view, "; a narrower filter finds others");
}

/* --- flow count and flush ---------------------------------------------------------------- */

static int state_count(const char *state, const struct weir_json *count, void *arg)
{
	struct weir_table *table = arg;

	if (weir_json_int(count, 0) == 0)
		return 0;
	weir_table_cell(table, WEIR_COLOR_PLAIN, state);
	weir_table_count(table, WEIR_COLOR_PLAIN, (uint64_t)weir_json_int(count, 0));
	weir_table_cell(table, WEIR_COLOR_PLAIN, NULL);
	return 0;
}

/* "of 100,000, 12.3%"; none is no share. */
static void share_add(struct weir_buf *out, uint64_t count, uint64_t places)
{
	uint64_t tenths = places ? count * 1000 / places : 0;

	weir_buf_add_str(out, "of ");
	weir_count_format(places, out);
	if (count > 0 && places && tenths == 0)
		weir_buf_add_str(out, ", under 0.1%");
	else if (count > 0 && places)
		weir_buf_addf(out, ", %llu.%llu%%", (unsigned long long)(tenths / 10),
			      (unsigned long long)(tenths % 10));
}

static void table_count(struct weir_table *table, const struct weir_json *answer, const char *name,
			const char *key, const char *places_key)
{
	uint64_t count = weir_view_uint(answer, key);
	struct weir_buf text = { 0 };

	weir_table_cell(table, WEIR_COLOR_HEAD, name);
	weir_table_count(table, WEIR_COLOR_PLAIN, count);
	if (places_key)
		share_add(&text, count, weir_view_uint(answer, places_key));
	cell_done(table, WEIR_COLOR_DIM, &text);
}

void weir_render_flow_count(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "state", false },
		{ "flows", true },
		{ "", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns),
		.color = view->color,
	};

	if (weir_flow_note_show(view))
		return;
	(void)weir_json_each(weir_json_get(view->answer, "states"), state_count, &table);
	for (size_t i = 0; weir_table_rows(&table) > 0 && i < WEIR_ARRAY_SIZE(columns); i++)
		weir_table_cell(&table, WEIR_COLOR_PLAIN, NULL);
	table_count(&table, view->answer, "proven", "proven", "places");
	table_count(&table, view->answer, "half-open", "half_open", "half_open_places");
	table_count(&table, view->answer, "total", "total", NULL);
	weir_table_print(&table, view->out);
}

void weir_render_flow_flush(const struct weir_view *view)
{
	if (weir_flow_note_show(view))
		return;
	weir_view_add_plural(view->out, weir_view_uint(view->answer, "flushed"), "flow", "flows");
	weir_buf_add_str(view->out, " forgotten\n");
}
