/* SPDX-License-Identifier: Apache-2.0 */
/* The balancer: what became of an edit, the table of list-dnat, and who is served by whom. */
#include <string.h>

#include "base/units.h"
#include "cli/render.h"

static void end_add(struct weir_buf *out, const struct weir_json *answer)
{
	if (weir_view_uint(answer, "backends"))
		weir_buf_addf(out, " with %llu backends",
			      (unsigned long long)weir_view_uint(answer, "backends"));
	if (!weir_view_str(answer, "address")[0])
		return;
	weir_buf_add_str(out, weir_view_str(answer, "service")[0] ? ", backend " : "backend ");
	weir_view_add_endpoint(out, answer, "address", "port");
	if (weir_view_str(answer, "port")[0])
		weir_buf_addf(out, " port %s", weir_view_str(answer, "port"));
}

void weir_render_balance_edit(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;
	const char *service = weir_view_str(answer, "service");

	weir_buf_add_str(view->out, service[0] ? "service " : "balancer");
	weir_buf_add_visible(view->out, service);
	end_add(view->out, answer);
	weir_buf_addf(view->out, " %s, revision %llu\n", weir_view_str(answer, "result"),
		      (unsigned long long)weir_view_uint(answer, "revision"));
}

/* The answer, or where it has none of these rows, what makes some. */
static void rows_or_say(const struct weir_view *view, const char *rows, const char *more,
			const char *none)
{
	const char *note = weir_view_str(view->answer, "note");

	if (weir_json_size(weir_json_get(view->answer, rows)) ||
	    weir_json_size(weir_json_get(view->answer, more)))
		weir_view_generic(view, view->answer, 0);
	else
		weir_buf_addf(view->out, "%s%s%s\n", note, *note ? "\n" : "", none);
}

void weir_render_services(const struct weir_view *view)
{
	rows_or_say(view, "services", "do_not_act",
		    "no services; add one with 'weir service add NAME --address ADDRESS --port "
		    "PORT --backend ADDRESS[:PORT]'");
}

void weir_render_backends(const struct weir_view *view)
{
	rows_or_say(view, "backends", "leaving",
		    "no backends; add one with 'weir service backend add SERVICE ADDRESS[:PORT]'");
}

void weir_render_health(const struct weir_view *view)
{
	rows_or_say(view, "backends", "",
		    "no backend is checked; 'weir service set NAME --health TYPE' checks those of "
		    "a service of run time, `health` in weir.yaml those of others");
}

static void port_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	const struct weir_json *port = weir_json_get(row, key);

	if (port && weir_json_type(port) == WEIR_JSON_STRING)
		weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, key));
	else if (port && weir_json_type(port) == WEIR_JSON_INTEGER)
		weir_table_cellf(table, WEIR_COLOR_PLAIN, "%llu",
				 (unsigned long long)weir_view_uint(row, key));
	else
		weir_table_cell(table, WEIR_COLOR_DIM, "-");
}

static void text_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	const char *text = weir_view_str(row, key);

	weir_table_cell(table, WEIR_COLOR_PLAIN, text[0] ? text : "-");
}

#define DNAT_COLUMNS 7 /* one more where backends are checked */

static void dnat_row(struct weir_table *table, const struct weir_json *row, size_t index)
{
	bool is_enabled = weir_view_bool(row, "enabled");

	weir_table_cellf(table, WEIR_COLOR_DIM, "%zu", index);
	text_cell(table, row, "vip");
	port_cell(table, row, "vport");
	text_cell(table, row, "protocol");
	text_cell(table, row, "rip");
	port_cell(table, row, "rport");
	weir_table_cell(table, is_enabled ? WEIR_COLOR_GOOD : WEIR_COLOR_BAD,
			is_enabled ? "true" : "false");
	if (table->column_count > DNAT_COLUMNS)
		text_cell(table, row, "state");
}

static bool any_has(const struct weir_json *rows, const char *key)
{
	bool has = false;

	for (size_t i = 0; i < weir_json_size(rows); i++)
		has |= weir_json_get(weir_json_at(rows, i), key) != NULL;
	return has;
}

void weir_render_dnat(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "Index", false }, { "VIP", false },	{ "VPort", false },   { "Protocol", false },
		{ "RIP", false },   { "RPort", false }, { "Enabled", false }, { "State", false },
	};
	const struct weir_json *rows = weir_json_get(view->answer, "dnat");
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = DNAT_COLUMNS + any_has(rows, "state"),
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(rows); i++)
		dnat_row(&table, weir_json_at(rows, i), i);
	weir_table_print(&table, view->out);
	weir_buf_addf(view->out, "%sTotal rules: %zu\n", weir_json_size(rows) ? "\n" : "",
		      weir_json_size(rows));
}

static void size_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_size_format(weir_view_uint(row, key), &text);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&text));
}

#define CONNECTION_COLUMNS 8 /* two more where flows are counted */

static void connection_row(struct weir_table *table, const struct weir_json *row)
{
	text_cell(table, row, "client");
	port_cell(table, row, "client_port");
	text_cell(table, row, "vip");
	port_cell(table, row, "vport");
	text_cell(table, row, "protocol");
	text_cell(table, row, "target");
	port_cell(table, row, "target_port");
	text_cell(table, row, "state");
	if (table->column_count > CONNECTION_COLUMNS) {
		size_cell(table, row, "in_bytes");
		size_cell(table, row, "out_bytes");
	}
}

void weir_render_lb_status(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "Client IP", false }, { "Port", false },     { "Original VIP", false },
		{ "Port", false },	{ "Protocol", false }, { "Target IP", false },
		{ "Port", false },	{ "State", false },    { "Bytes in", true },
		{ "Bytes out", true },
	};
	const struct weir_json *rows = weir_json_get(view->answer, "connections");
	bool is_counted = weir_json_get(weir_json_at(rows, 0), "in_bytes");
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = CONNECTION_COLUMNS + (is_counted ? 2 : 0),
		.color = view->color,
	};
	uint64_t total = weir_view_uint(view->answer, "total");
	bool is_on = strcmp(weir_view_str(view->answer, "state"), "enabled") == 0;

	weir_buf_add_str(view->out, "Balancer: ");
	weir_view_add_colored(view, is_on ? WEIR_COLOR_GOOD : WEIR_COLOR_BAD,
			      is_on ? "ENABLED" : "DISABLED");
	weir_buf_add_char(view->out, '\n');
	for (size_t i = 0; i < weir_json_size(rows); i++)
		connection_row(&table, weir_json_at(rows, i));
	if (weir_json_size(rows))
		weir_view_heading(view, "Connections:");
	weir_table_print(&table, view->out);
	weir_buf_add_str(view->out, "\nTotal connections: ");
	weir_count_format(total, view->out);
	weir_buf_add_str(view->out, ", active: ");
	weir_count_format(weir_view_uint(view->answer, "active"), view->out);
	if (weir_json_size(rows) < total)
		weir_buf_addf(view->out, " (%zu shown; --limit shows more)", weir_json_size(rows));
	weir_buf_add_char(view->out, '\n');
	if (weir_json_size(rows) && !is_counted)
		weir_buf_add_str(view->out,
				 "Bytes are not counted: set conntrack: {account: true}\n");
}

void weir_render_lb_cleanup(const struct weir_view *view)
{
	weir_view_add_plural(view->out, weir_view_uint(view->answer, "forgotten"), "connection",
			     "connections");
	weir_buf_add_str(view->out, " forgotten\n");
}
