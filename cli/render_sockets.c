/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of this host as a table, and who carried most; what is not in them stands below. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

#define CONTAINER_SHOWN 12 /* digits, as Docker and others show them */

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

static void size_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	struct weir_buf text = { 0 };

	if (weir_json_get(row, key))
		weir_size_format(weir_view_uint(row, key), &text);
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

static void count_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	uint64_t count = weir_view_uint(row, key);

	if (weir_json_get(row, key))
		weir_table_count(table, count ? WEIR_COLOR_BAD : WEIR_COLOR_PLAIN, count);
	else
		weir_table_cell(table, WEIR_COLOR_PLAIN, NULL);
}

static void process_cell(struct weir_table *table, const struct weir_json *row)
{
	struct weir_buf text = { 0 };

	if (weir_json_get(row, "pid"))
		weir_buf_addf(&text, "%s (%llu)", weir_view_str(row, "process"),
			      (unsigned long long)weir_view_uint(row, "pid"));
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

/* The command runs on the host of the daemon. */
static void user_add(struct weir_buf *text, uint64_t uid)
{
	const struct passwd *user = getpwuid((uid_t)uid);

	if (user)
		weir_buf_add_str(text, user->pw_name);
	else
		weir_buf_addf(text, "%llu", (unsigned long long)uid);
}

static void user_cell(struct weir_table *table, const struct weir_json *row)
{
	struct weir_buf text = { 0 };

	if (weir_json_get(row, "uid"))
		user_add(&text, weir_view_uint(row, "uid"));
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

/* A container's identifier, else the cgroup. */
static void where_cell(struct weir_table *table, const struct weir_json *row)
{
	const char *container = weir_view_str(row, "container"),
		   *cgroup = weir_view_str(row, "cgroup");
	struct weir_buf text = { 0 };

	if (container && container[0])
		weir_buf_addf(&text, "%.*s", CONTAINER_SHOWN, container);
	else if (cgroup && strcmp(cgroup, "/") != 0)
		weir_buf_add_str(&text, cgroup);
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

static void ms_cell(struct weir_table *table, const struct weir_json *row, const char *key)
{
	struct weir_buf text = { 0 };

	if (weir_json_get(row, key))
		weir_buf_addf(&text, "%.3g ms", weir_json_real(weir_json_get(row, key), 0));
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

/* Nothing of which a column is needed, as a rule. */
static bool has_command(const struct weir_json *rows)
{
	for (size_t i = 0; i < weir_json_size(rows); i++)
		if (weir_json_get(weir_json_at(rows, i), "command"))
			return true;
	return false;
}

static void row_add(struct weir_table *table, const struct weir_json *row, bool with_command)
{
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "protocol"));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "state"));
	end_cell(table, row, "local", "local_port");
	end_cell(table, row, "remote", "remote_port");
	process_cell(table, row);
	user_cell(table, row);
	where_cell(table, row);
	ms_cell(table, row, "rtt_ms");
	count_cell(table, row, "retransmits");
	size_cell(table, row, "bytes_sent");
	size_cell(table, row, "bytes_received");
	if (with_command)
		weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(row, "command"));
}

static void part_add(const struct weir_view *view, uint64_t count, const char *what)
{
	if (!count)
		return;
	weir_buf_add_str(view->out, "; ");
	weir_count_format(count, view->out);
	weir_buf_addf(view->out, " %s", what);
}

/* All that the table lacks. */
static void foot_show(const struct weir_view *view, uint64_t shown)
{
	const char *lacks = weir_view_str(view->answer, "lacks");
	uint64_t matching = weir_view_uint(view->answer, "matching");

	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	weir_view_add_plural(view->out, weir_view_uint(view->answer, "seen"), "socket", "sockets");
	weir_buf_add_str(view->out, " followed so far");
	part_add(view, matching - shown, "more rows with --limit");
	part_add(view, weir_view_uint(view->answer, "crowded"), "without room");
	part_add(view, weir_view_uint(view->answer, "unsummed"), "in no row of the totals");
	part_add(view, weir_view_uint(view->answer, "end_missed"),
		 "whose end was missed (inexact)");
	part_add(view, weir_view_uint(view->answer, "missed"), "steps not seen (inexact)");
	if (lacks && lacks[0])
		weir_buf_addf(view->out, "; not to be had here: %s", lacks);
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

/* Where nothing is watched, why; returns whether that was all there is to say. */
static bool note_show(const struct weir_view *view)
{
	if (!weir_view_bool(view->answer, "enabled"))
		weir_buf_add_str(view->out,
				 "sockets are not watched; `sockets: {enabled: true}` in "
				 "weir.yaml switches it on\n");
	else if (!weir_view_bool(view->answer, "watched"))
		weir_buf_addf(view->out, "sockets cannot be watched: %s; see `weir doctor`\n",
			      weir_view_str(view->answer, "problem"));
	else
		return false;
	return true;
}

void weir_render_sockets(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "proto", false },
		{ "state", false },
		{ "local", false },
		{ "remote", false },
		{ "process", false },
		{ "user", false },
		{ "container or cgroup", false },
		{ "rtt", true },
		{ "retransmits", true },
		{ "sent", true },
		{ "received", true },
		{ "command", false }, /* the last: left out where there is none */
	};
	const struct weir_json *rows = weir_json_get(view->answer, "sockets");
	bool with_command = has_command(rows);
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns) - !with_command,
		.color = view->color,
	};

	if (note_show(view))
		return;
	for (size_t i = 0; i < weir_json_size(rows); i++)
		row_add(&table, weir_json_at(rows, i), with_command);
	weir_table_print(&table, view->out);
	foot_show(view, weir_json_size(rows));
}

static void name_cell(struct weir_table *table, const struct weir_json *row, const char *group)
{
	const char *name = weir_view_str(row, group);
	struct weir_buf text = { 0 };

	if (!name || !name[0])
		weir_buf_add_char(&text, '-');
	else if (strcmp(group, "user") == 0)
		user_add(&text, strtoull(name, NULL, 10));
	else
		weir_buf_add_str(&text, name);
	cell_take(table, WEIR_COLOR_PLAIN, &text);
}

void weir_render_socket_top(const struct weir_view *view)
{
	const char *group = weir_view_str(view->answer, "group");
	const struct weir_column columns[] = {
		{ group ? group : "", false },
		{ "live", true },
		{ "sockets", true },
		{ "failed", true },
		{ "sent", true },
		{ "received", true },
		{ "retransmits", true },
		{ "out of order", true },
		{ "resets out", true },
		{ "resets in", true },
	};
	const struct weir_json *rows = weir_json_get(view->answer, "groups");
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns),
		.color = view->color,
	};

	if (note_show(view))
		return;
	for (size_t i = 0; i < weir_json_size(rows); i++) {
		const struct weir_json *row = weir_json_at(rows, i);

		name_cell(&table, row, group);
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(row, "live"));
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(row, "sockets"));
		count_cell(&table, row, "failed");
		size_cell(&table, row, "bytes_sent");
		size_cell(&table, row, "bytes_received");
		count_cell(&table, row, "retransmits");
		count_cell(&table, row, "out_of_order");
		count_cell(&table, row, "resets_sent");
		count_cell(&table, row, "resets_received");
	}
	weir_table_print(&table, view->out);
	foot_show(view, weir_json_size(rows));
}

static void sum_add(const struct weir_view *view, const struct weir_json *sockets, const char *key,
		    enum weir_color color, const char *words)
{
	uint64_t count = weir_view_uint(sockets, key);
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_count_format(count, &text);
	weir_buf_addf(&text, " %s", words);
	weir_buf_add_str(view->out, "  ");
	weir_view_add_colored(view, count ? color : WEIR_COLOR_PLAIN, weir_buf_str(&text));
}

void weir_render_sockets_status(const struct weir_view *view, const struct weir_json *sockets)
{
	static const struct {
		const char *key, *words;
		enum weir_color color;
	} rest[] = {
		{ "crowded", "without room", WEIR_COLOR_BAD },
		{ "unsummed", "without a row of totals", WEIR_COLOR_WARN },
		{ "end_missed", "whose end was missed", WEIR_COLOR_WARN },
		{ "missed", "events missed", WEIR_COLOR_WARN },
		{ "synack_retransmits", "SYN-ACKs sent again", WEIR_COLOR_PLAIN },
		{ "resets_without_socket", "resets of no socket", WEIR_COLOR_PLAIN },
		{ "other_namespaces", "in other namespaces", WEIR_COLOR_PLAIN },
	};
	const char *problem = weir_view_str(sockets, "problem");

	weir_buf_add_char(view->out, '\n');
	weir_view_add_colored(view, WEIR_COLOR_HEAD, "sockets");
	weir_buf_add_str(view->out, weir_view_bool(sockets, "on") ? "  on" : "  off");
	sum_add(view, sockets, "live", WEIR_COLOR_PLAIN, "live");
	sum_add(view, sockets, "ended", WEIR_COLOR_PLAIN, "ended");
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rest); i++)
		if (weir_view_uint(sockets, rest[i].key))
			sum_add(view, sockets, rest[i].key, rest[i].color, rest[i].words);
	weir_buf_add_str(view->out, problem[0] ? "  " : "");
	weir_view_add_colored(view, WEIR_COLOR_BAD, problem);
	weir_buf_add_char(view->out, '\n');
}
