/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel gives up: a table by reason and place, or by flow, and what is not in it. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"
#include "cli/socket_owner.h"

static void cell_take(struct weir_table *table, struct weir_buf *text)
{
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(text));
	weir_buf_done(text);
}

static void ends_cell(struct weir_table *table, const struct weir_json *flow)
{
	struct weir_buf text = { 0 };

	if (flow) {
		weir_view_add_endpoint(&text, flow, "src", "sport");
		weir_buf_add_str(&text, " > ");
		weir_view_add_endpoint(&text, flow, "dst", "dport");
	}
	cell_take(table, &text);
}

/* Who has the socket; else whose the daemon says it is, or was. */
static const char *program_of(const struct weir_json *flow, const struct weir_socket_owner *owner)
{
	static const char *const ends[] = { "dst_owner", "src_owner" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(ends) && !owner->name[0]; i++) {
		const char *name = weir_view_str(weir_json_get(flow, ends[i]), "process");

		if (*name)
			return name;
	}
	return owner->name;
}

/* `owner` NULL: a row by reason, else a flow and whose it is. */
static void row_add(struct weir_table *table, const struct weir_json *row,
		    const struct weir_socket_owner *owner)
{
	bool is_flow = owner;
	struct weir_buf size = { 0 }, rate = { 0 };

	weir_table_cell(table, WEIR_COLOR_BAD, weir_view_str(row, "reason"));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "where"));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "interface"));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "protocol"));
	weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(row, "packets"));
	if (is_flow) {
		weir_size_format(weir_view_uint(row, "bytes"), &size);
		cell_take(table, &size);
	} else {
		weir_buf_addf(&rate, "%.3g/s", weir_json_real(weir_json_get(row, "per_second"), 0));
		cell_take(table, &rate);
	}
	ends_cell(table, is_flow ? row : weir_json_get(row, "flow"));
	if (is_flow)
		weir_table_cell(table, WEIR_COLOR_PLAIN, program_of(row, owner));
}

/* The command runs on the host of the daemon: it speaks to it by a socket. NULL: no memory. */
static struct weir_socket_owner *owners_find(const struct weir_json *flows)
{
	size_t count = weir_json_size(flows);
	struct weir_socket_owner *owners = calloc(count + 1, sizeof(*owners));

	for (size_t i = 0; owners && i < count; i++)
		owners[i].inode = weir_view_uint(weir_json_at(flows, i), "socket_inode");
	if (owners)
		weir_socket_owners_find(owners, count);
	return owners;
}

static void table_show(const struct weir_view *view, const struct weir_json *rows, bool is_flow)
{
	const struct weir_column columns[] = {
		{ "reason", false },
		{ "where", false },
		{ "interface", false },
		{ "protocol", false },
		{ "packets", true },
		{ is_flow ? "bytes" : "now", true },
		{ is_flow ? "flow" : "last flow", false },
		{ "program", false },
	};
	_cleanup_free_ struct weir_socket_owner *owners = is_flow ? owners_find(rows) : NULL;
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns) - !is_flow,
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(rows) && (!is_flow || owners); i++)
		row_add(&table, weir_json_at(rows, i), is_flow ? &owners[i] : NULL);
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

static uint64_t packets_of(const struct weir_view *view, const char *sum)
{
	return weir_view_uint(weir_json_get(view->answer, sum), "packets");
}

/* All that a sum of the table would not give. */
static void foot_show(const struct weir_view *view)
{
	uint64_t matching = weir_view_uint(view->answer, "matching"),
		 shown = weir_view_uint(view->answer, "shown");

	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	weir_view_add_plural(view->out, packets_of(view, "total"), "packet", "packets");
	weir_buf_add_str(view->out, " given up in this network namespace");
	part_add(view, matching - shown, "more rows with --limit");
	part_add(view, packets_of(view, "crowded"), "without room for a row");
	part_add(view, packets_of(view, "no_namespace"), "of no known namespace");
	part_add(view, weir_view_uint(view->answer, "missed"), "not counted (inexact)");
	part_add(view, weir_view_uint(view->answer, "flows_forgotten"),
		 "flows forgotten (inexact)");
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_drops(const struct weir_view *view)
{
	const struct weir_json *drops = weir_json_get(view->answer, "drops"),
			       *flows = weir_json_get(view->answer, "flows");

	if (!weir_view_bool(view->answer, "enabled")) {
		weir_buf_add_str(view->out, "drops are not watched; `drops: {enabled: true}` in "
					    "weir.yaml switches it on\n");
		return;
	}
	if (!weir_view_bool(view->answer, "watched")) {
		weir_buf_addf(view->out, "drops cannot be watched: %s; see `weir doctor`\n",
			      weir_view_str(view->answer, "problem"));
		return;
	}
	table_show(view, drops ? drops : flows, !drops);
	foot_show(view);
}
