/* SPDX-License-Identifier: Apache-2.0 */
/* What Weir does right now: status, interfaces, doctor. */
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/render.h"

#define INTERFACE_COLUMNS 8 /* two fewer where nothing is known of devices */

static void status_head(const struct weir_view *view)
{
	const struct weir_json *status = view->answer;
	const struct weir_json *policy = weir_json_get(status, "policy");
	uint64_t pid = weir_view_uint(status, "pid");

	weir_view_add_colored(view, WEIR_COLOR_HEAD, "weir ");
	weir_view_add_colored(view, WEIR_COLOR_HEAD, weir_view_str(status, "version"));
	weir_buf_addf(view->out, "  revision %llu",
		      (unsigned long long)weir_view_uint(status, "revision"));
	if (pid) {
		weir_buf_addf(view->out, "  running ");
		weir_duration_format(weir_view_uint(status, "uptime_s") * WEIR_NS_PER_S, view->out);
		weir_buf_addf(view->out, " (pid %llu)", (unsigned long long)pid);
	} else {
		weir_buf_add_str(view->out, "  ");
		weir_view_add_colored(view, WEIR_COLOR_WARN, "no daemon; the data path filters on");
	}
	weir_buf_add_char(view->out, '\n');
	if (!policy)
		return;
	weir_buf_add_str(view->out, "policy ");
	weir_size_format(weir_view_uint(policy, "bytes"), view->out);
	if (weir_json_get(policy, "limit_bytes")) {
		weir_buf_add_str(view->out, " of ");
		weir_size_format(weir_view_uint(policy, "limit_bytes"), view->out);
	}
	if (weir_view_str(status, "config_file")[0]) {
		weir_buf_add_str(view->out, "  from ");
		weir_buf_add_visible(view->out, weir_view_str(status, "config_file"));
	}
	weir_buf_add_char(view->out, '\n');
}

/* What the device itself counts, a second; nothing before it was looked at for one. */
static void rate_cell(struct weir_table *table, const struct weir_json *interface, const char *key)
{
	const struct weir_json *rate = weir_json_get(weir_json_get(interface, "device"), key);
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (rate) {
		weir_size_format((uint64_t)(weir_json_real(rate, 0) + 0.5), &text);
		weir_buf_add_str(&text, "/s");
	}
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&text));
}

static void interface_row(struct weir_table *table, const struct weir_json *interface)
{
	const struct weir_json *in = weir_json_get(interface, "ingress_counts");
	const struct weir_json *out = weir_json_get(interface, "egress_counts");
	uint64_t passed = weir_view_uint(in, "pass_packets") + weir_view_uint(out, "pass_packets"),
		 dropped = weir_view_uint(in, "drop_packets") + weir_view_uint(out, "drop_packets");
	bool attached = weir_json_bool(weir_json_get(interface, "attached"), true);

	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(interface, "name"));
	weir_table_cell(table, attached ? WEIR_COLOR_GOOD : WEIR_COLOR_BAD,
			weir_view_str(interface, "mode"));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(interface, "egress"));
	weir_table_count(table, WEIR_COLOR_PLAIN, passed);
	weir_table_count(table, dropped ? WEIR_COLOR_BAD : WEIR_COLOR_PLAIN, dropped);
	if (table->column_count == INTERFACE_COLUMNS) {
		rate_cell(table, interface, "rx_bytes_per_s");
		rate_cell(table, interface, "tx_bytes_per_s");
	}
	weir_table_cell(table, WEIR_COLOR_DIM, weir_view_str(interface, "why"));
}

static void interfaces_table(const struct weir_view *view, const struct weir_json *interfaces)
{
	static const struct weir_column columns[] = {
		{ "interface", false }, { "hook", false }, { "egress", false }, { "passed", true },
		{ "dropped", true },	{ "in", true },	   { "out", true },	{ "why", false },
	};
	static const struct weir_column unrated[] = {
		{ "interface", false }, { "hook", false },   { "egress", false },
		{ "passed", true },	{ "dropped", true }, { "why", false },
	};
	bool is_rated = false;

	for (size_t i = 0; i < weir_json_size(interfaces) && !is_rated; i++)
		is_rated = weir_json_get(weir_json_get(weir_json_at(interfaces, i), "device"),
					 "rx_bytes_per_s");
	_cleanup_table_ struct weir_table table = {
		.columns = is_rated ? columns : unrated,
		.column_count = is_rated ? INTERFACE_COLUMNS : INTERFACE_COLUMNS - 2,
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(interfaces); i++)
		interface_row(&table, weir_json_at(interfaces, i));
	weir_table_print(&table, view->out);
}

void weir_render_reasons(const struct weir_view *view, const struct weir_json *reasons)
{
	static const struct weir_column columns[] = {
		{ "reason", false },
		{ "packets", true },
		{ "bytes", true },
		{ "", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = 4,
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(reasons); i++) {
		const struct weir_json *reason = weir_json_at(reasons, i);
		_cleanup_buf_ struct weir_buf bytes = { 0 };

		if (weir_view_uint(reason, "packets") == 0)
			continue;
		weir_size_format(weir_view_uint(reason, "bytes"), &bytes);
		weir_table_cell(&table, weir_view_verdict_color(weir_view_str(reason, "verdict")),
				weir_view_str(reason, "reason"));
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(reason, "packets"));
		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_buf_str(&bytes));
		weir_table_cell(&table, WEIR_COLOR_DIM, weir_view_str(reason, "help"));
	}
	if (weir_table_rows(&table) == 0)
		weir_buf_add_str(view->out, "no packet seen yet\n");
	weir_table_print(&table, view->out);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void live_show(const struct weir_view *view, const struct weir_json *live)
{
	weir_count_format(weir_view_uint(live, "entries"), view->out);
	weir_buf_add_str(view->out, " of ");
	weir_count_format(weir_view_uint(live, "capacity"), view->out);
	weir_buf_add_str(view->out, " places of the live set in use\n");
}

/* Whether anything but capacities was counted or set: stops at the first. */
static int says_something(const char *key, const struct weir_json *value, void *arg)
{
	switch (weir_json_type(value)) {
	case WEIR_JSON_INTEGER:
	case WEIR_JSON_REAL:
		return !ends_with(key, "capacity") && !ends_with(key, "places") &&
		       weir_json_real(value, 0) != 0;
	case WEIR_JSON_STRING:
		return weir_json_str(value, "")[0] != '\0';
	case WEIR_JSON_ARRAY:
		return weir_json_size(value) > 0;
	case WEIR_JSON_OBJECT:
		return weir_json_each(value, says_something, arg);
	default:
		return 0;
	}
}

/* What has services does nothing without one, and waits for none of its packets. */
static const char *silence_word(const struct weir_json *value)
{
	if (!weir_view_bool(value, "on"))
		return "off";
	return weir_json_get(value, "services") ? "on, no services" : "on, nothing yet";
}

/* A line for each part that has nothing to say, where the others have their tables. */
static int feature_rest(const char *key, const struct weir_json *value, void *arg)
{
	const struct weir_view *view = arg;
	_cleanup_buf_ struct weir_buf label = { 0 };

	if (!weir_json_get(value, "on") || weir_json_each(value, says_something, NULL))
		return 0;
	weir_view_add_label(&label, key);
	weir_buf_addf(view->out, "%-10s ", weir_buf_str(&label));
	weir_view_add_colored(view, WEIR_COLOR_DIM, silence_word(value));
	weir_buf_add_char(view->out, '\n');
	return 0;
}

static void features_rest(const struct weir_view *view)
{
	_cleanup_buf_ struct weir_buf lines = { 0 };
	struct weir_view rest = *view;

	rest.out = &lines;
	(void)weir_json_each(view->answer, feature_rest, &rest);
	if (lines.len)
		weir_buf_addf(view->out, "\n%s", weir_buf_str(&lines));
}

/* What features add, under names the CLI need not know: lists and live sets have views, anything
 * else the generic one. */
static int feature_show(const char *key, const struct weir_json *value, void *arg)
{
	static const char *const known[] = { "policy",	"confirm", "interfaces",
					     "reasons", "events",  "maps" };
	const struct weir_view *view = arg;
	enum weir_json_type type = weir_json_type(value);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], key) == 0)
			return 0;
	if (weir_json_get(value, "on") && !weir_json_each(value, says_something, NULL))
		return 0;
	if (type == WEIR_JSON_ARRAY && weir_json_size(value) > 0 && ends_with(key, "lists")) {
		weir_view_heading(view, "Lists");
		weir_render_list_rows(view, value);
	} else if (type == WEIR_JSON_OBJECT && ends_with(key, "live") &&
		   weir_json_get(value, "capacity")) {
		if (weir_view_uint(value, "entries"))
			live_show(view, value);
	} else if (type == WEIR_JSON_OBJECT && weir_json_get(value, "acting")) {
		weir_render_rules_status(view, value);
	} else if (type == WEIR_JSON_OBJECT && weir_json_get(value, "half_open_capacity")) {
		weir_render_flow_status(view, value);
	} else if (type == WEIR_JSON_OBJECT && weir_json_get(value, "unsummed")) {
		weir_render_sockets_status(view, value);
	} else if (type == WEIR_JSON_OBJECT && weir_json_get(value, "cpu_percent")) {
		weir_render_quality_status(view, value);
	} else if (type == WEIR_JSON_OBJECT && weir_json_get(value, "interfaces")) {
		weir_render_attack_status(view, value);
	} else if (type == WEIR_JSON_OBJECT && weir_json_get(value, "lists")) {
		return weir_json_each(value, feature_show, arg);
	} else if (type == WEIR_JSON_OBJECT ||
		   (type == WEIR_JSON_ARRAY && weir_json_size(value) > 0)) {
		_cleanup_buf_ struct weir_buf label = { 0 };

		weir_view_add_label(&label, key);
		weir_view_heading(view, "%s", weir_buf_str(&label));
		weir_view_generic(view, value, 0);
	}
	return 0;
}

static int event_kind_show(const char *kind, const struct weir_json *counts, void *arg)
{
	struct weir_buf *out = arg;

	if (!weir_json_each(counts, says_something, NULL))
		return 0;
	weir_buf_addf(out, "%s: ", kind);
	weir_count_format(weir_view_uint(counts, "sent"), out);
	weir_buf_add_str(out, " told, ");
	weir_count_format(weir_view_uint(counts, "capped"), out);
	weir_buf_add_str(out, " over the rate, ");
	weir_count_format(weir_view_uint(counts, "lost"), out);
	weir_buf_add_str(out, " lost\n");
	return 0;
}

void weir_render_status(const struct weir_view *view)
{
	const struct weir_json *interfaces = weir_json_get(view->answer, "interfaces");
	const struct weir_json *reasons = weir_json_get(view->answer, "reasons");
	const struct weir_json *events = weir_json_get(view->answer, "events");

	status_head(view);
	weir_render_trial(view);
	weir_view_heading(view, "Interfaces");
	if (weir_json_size(interfaces) == 0)
		weir_buf_add_str(view->out, "none; add one with 'weir interface attach NAME'\n");
	interfaces_table(view, interfaces);
	(void)weir_json_each(view->answer, feature_show, (void *)view);
	features_rest(view);
	if (reasons) {
		weir_view_heading(view, "Packets");
		weir_render_reasons(view, reasons);
	}
	if (!events || !weir_json_each(events, says_something, NULL))
		return;
	weir_view_heading(view, "Events");
	(void)weir_json_each(events, event_kind_show, view->out);
}

void weir_render_interfaces(const struct weir_view *view)
{
	const struct weir_json *interfaces = weir_json_get(view->answer, "interfaces");

	if (weir_json_size(interfaces) == 0)
		weir_buf_add_str(view->out, "no interface is watched\n");
	interfaces_table(view, interfaces);
}

static void check_show(const struct weir_view *view, const struct weir_json *check)
{
	bool ok = weir_view_bool(check, "ok");
	const char *level = weir_view_str(check, "level");
	bool warning = !ok && level[0] == 'w';

	weir_view_add_colored(view,
			      ok      ? WEIR_COLOR_GOOD :
			      warning ? WEIR_COLOR_WARN :
					WEIR_COLOR_BAD,
			      ok      ? "ok    " :
			      warning ? "warn  " :
					"FAULT ");
	weir_buf_add_visible(view->out, weir_view_str(check, "check"));
	weir_buf_add_str(view->out, ": ");
	weir_buf_add_visible(view->out, weir_view_str(check, "found"));
	weir_buf_add_char(view->out, '\n');
	if (ok || !weir_view_str(check, "mend")[0])
		return;
	weir_buf_add_str(view->out, "      ");
	weir_buf_add_visible(view->out, weir_view_str(check, "mend"));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_checks(const struct weir_view *view)
{
	const struct weir_json *checks = weir_json_get(view->answer, "checks");

	for (size_t i = 0; i < weir_json_size(checks); i++)
		check_show(view, weir_json_at(checks, i));
	if (!weir_json_size(checks))
		weir_buf_add_str(view->out, "there is nothing to check\n");
}

void weir_render_doctor(const struct weir_view *view)
{
	const struct weir_json *checks = weir_json_get(view->answer, "checks");
	uint64_t faults = 0;

	for (size_t i = 0; i < weir_json_size(checks); i++) {
		const struct weir_json *check = weir_json_at(checks, i);

		check_show(view, check);
		faults += !weir_view_bool(check, "ok") && weir_view_str(check, "level")[0] != 'w';
	}
	weir_buf_add_char(view->out, '\n');
	if (faults == 0) {
		weir_buf_add_str(view->out, "Weir can run here\n");
		return;
	}
	weir_view_add_plural(view->out, faults, "fault stands", "faults stand");
	weir_buf_add_str(view->out, " in the way; each says what mends it\n");
}
