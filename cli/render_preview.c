/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration would cut, before it is applied. */
#include "cli/render.h"

#include <string.h>

#define ROWS_MAX 40 /* of a table: what matters stands above the question */

static void end_cell(struct weir_table *table, const struct weir_json *flow, const char *addr,
		     const char *port)
{
	bool is_v6 = strchr(weir_view_str(flow, addr), ':');

	weir_table_cellf(table, WEIR_COLOR_PLAIN, is_v6 ? "[%s]:%llu" : "%s:%llu",
			 weir_view_str(flow, addr), (unsigned long long)weir_view_uint(flow, port));
}

static void flows_show(const struct weir_view *view, const struct weir_json *flows, bool has_peer)
{
	static const struct weir_column columns[] = {
		{ "proto", false },	{ "peer", false },    { "local", false },
		{ "interface", false }, { "program", false }, { "reason", false },
	};
	static const struct weir_column of_ports[] = {
		{ "proto", false },
		{ "local", false },
		{ "program", false },
		{ "reason", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = has_peer ? columns : of_ports,
		.column_count = has_peer ? 6 : 4,
		.color = view->color,
		.indent = 2,
	};
	size_t count = weir_json_size(flows);

	for (size_t i = 0; i < count && i < ROWS_MAX; i++) {
		const struct weir_json *flow = weir_json_at(flows, i);
		const char *program = weir_view_bool(flow, "forwarded") ?
					      "(forwarded)" :
					      weir_view_str(flow, "program");

		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_view_str(flow, "proto"));
		if (has_peer)
			end_cell(&table, flow, "peer", "peer_port");
		end_cell(&table, flow, "local", "local_port");
		if (has_peer)
			weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_view_str(flow, "interface"));
		weir_table_cell(&table, WEIR_COLOR_PLAIN, program);
		weir_table_cell(&table, WEIR_COLOR_BAD, weir_view_str(flow, "reason"));
	}
	weir_table_print(&table, view->out);
	if (count > ROWS_MAX)
		weir_buf_addf(view->out, "  … and %zu more; --json has them all\n",
			      count - ROWS_MAX);
}

void weir_render_preview(const struct weir_view *view)
{
	const struct weir_json *cut = weir_json_get(view->answer, "cut");
	const struct weir_json *closed = weir_json_get(view->answer, "closed_ports");

	if (weir_json_size(cut) > 0) {
		weir_view_heading(view, "Would be cut");
		flows_show(view, cut, true);
	} else {
		weir_buf_add_str(view->out, "no live connection would be cut, of ");
		weir_view_add_plural(view->out, weir_view_uint(view->answer, "looked_at"),
				     "connection and port", "connections and ports");
		weir_buf_add_char(view->out, '\n');
	}
	if (weir_json_size(closed) > 0) {
		weir_view_heading(view, "Strangers would no longer reach");
		flows_show(view, closed, false);
	}
	if (weir_json_get(view->answer, "ssh_session"))
		weir_view_add_colored(view, WEIR_COLOR_BAD,
				      "the SSH session you are in would be cut\n");
}
