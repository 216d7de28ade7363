/* SPDX-License-Identifier: Apache-2.0 */
/* One packet and how it ended: explain and events. */
#include <string.h>

#include "base/units.h"
#include "cli/render.h"

static void proto_add(struct weir_buf *out, const struct weir_json *proto)
{
	static const struct {
		int64_t number;
		const char *name;
	} names[] = {
		{ 1, "icmp" },	  { 2, "igmp" },  { 6, "tcp" },	   { 17, "udp" },
		{ 33, "dccp" },	  { 47, "gre" },  { 50, "esp" },   { 51, "ah" },
		{ 58, "icmpv6" }, { 89, "ospf" }, { 112, "vrrp" }, { 132, "sctp" },
	};

	if (!proto)
		return;
	if (weir_json_type(proto) != WEIR_JSON_INTEGER) {
		weir_view_add_scalar(out, "proto", proto);
		weir_buf_add_char(out, ' ');
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == weir_json_int(proto, -1)) {
			weir_buf_addf(out, "%s ", names[i].name);
			return;
		}
	weir_buf_addf(out, "proto %lld ", (long long)weir_json_int(proto, 0));
}

/* "tcp 192.0.2.1:443 > 198.51.100.2:80" and tags; nothing for a packet without addresses. */
static void packet_add(struct weir_buf *out, const struct weir_json *packet)
{
	if (!weir_view_str(packet, "src")[0] && !weir_view_str(packet, "dst")[0])
		return;
	proto_add(out, weir_json_get(packet, "proto"));
	weir_view_add_endpoint(out, packet, "src", "sport");
	weir_buf_add_str(out, " > ");
	weir_view_add_endpoint(out, packet, "dst", "dport");
	if (weir_view_uint(packet, "vlan"))
		weir_buf_addf(out, " vlan %llu",
			      (unsigned long long)weir_view_uint(packet, "vlan"));
	if (weir_json_bool(weir_json_get(packet, "fragment"), false))
		weir_buf_add_str(out, " fragment");
	const struct weir_json *seen = weir_json_get(packet, "seen");
	for (size_t i = 0; i < weir_json_size(seen); i++)
		weir_buf_addf(out, " %s", weir_json_str(weir_json_at(seen, i), ""));
}

static void detail_row(struct weir_table *table, const struct weir_json *answer, const char *key)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_view_add_scalar(&text, key, weir_json_get(answer, key));
	if (text.len == 0)
		return;
	_cleanup_buf_ struct weir_buf label = { 0 };
	weir_view_add_label(&label, key);
	weir_table_cell(table, WEIR_COLOR_DIM, weir_buf_str(&label));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&text));
}

static void rule_row(struct weir_table *table, const struct weir_json *answer)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (!weir_json_get(answer, "rule"))
		return;
	weir_render_rule_name(&text, weir_json_get(answer, "rule"));
	weir_table_cell(table, WEIR_COLOR_DIM, "rule");
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&text));
}

void weir_render_explain(const struct weir_view *view)
{
	static const struct weir_column columns[] = { { "", false }, { "", false } };
	static const char *const keys[] = { "stage",	 "list",      "entry",	   "limit",
					    "limits",	 "service",   "backend",   "holds_while",
					    "note",	 "interface", "direction", "revision",
					    "program_id" };
	const struct weir_json *answer = view->answer;
	const char *verdict = weir_view_str(answer, "verdict");
	_cleanup_buf_ struct weir_buf packet = { 0 };
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = 2,
		.color = view->color,
		.indent = 2,
	};

	weir_view_add_colored(view, weir_view_verdict_color(verdict), verdict);
	weir_buf_add_str(view->out, "  ");
	weir_buf_add_visible(view->out, weir_view_str(answer, "reason"));
	if (weir_view_str(answer, "help")[0]) {
		weir_buf_add_str(view->out, ": ");
		weir_buf_add_visible(view->out, weir_view_str(answer, "help"));
	}
	weir_buf_add_char(view->out, '\n');
	packet_add(&packet, weir_json_get(answer, "packet"));
	if (packet.len > 0) {
		weir_table_cell(&table, WEIR_COLOR_DIM, "packet");
		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_buf_str(&packet));
	}
	rule_row(&table, answer);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		detail_row(&table, answer, keys[i]);
	weir_table_print(&table, view->out);
}

/* The clock of "2031-05-01T12:30:00.250Z"; days are not for a line that scrolls by. */
static void time_add(const struct weir_view *view, const struct weir_json *event)
{
	const char *time = weir_view_str(event, "time");
	const char *clock = strchr(time, 'T');
	size_t len = clock ? strcspn(clock + 1, "Zz+") : 0;
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (len == 0)
		return;
	weir_buf_add(&text, clock + 1, len);
	weir_buf_add_char(&text, ' ');
	weir_view_add_colored(view, WEIR_COLOR_DIM, weir_buf_str(&text));
}

/* Members that the line has shown already or that mean little in it. */
static bool is_told(const char *key)
{
	static const char *const told[] = {
		"time", "kind",	    "verdict", "reason",  "interface", "direction",  "src",
		"dst",	"sport",    "dport",   "proto",	  "vlan",      "list",	     "entry",
		"len",	"fragment", "count",   "ifindex", "revision",  "generation", "message",
		"what", "action",   "detail",  "feature", "rule"
	};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (strcmp(key, told[i]) == 0)
			return true;
	return false;
}

static int rest_add(const char *key, const struct weir_json *value, void *arg)
{
	struct weir_buf *out = arg;

	if (is_told(key) || weir_json_type(value) == WEIR_JSON_NULL)
		return 0;
	weir_buf_addf(out, "  %s=", key);
	weir_view_add_scalar(out, key, value);
	return 0;
}

static void where_add(struct weir_buf *out, const struct weir_json *event)
{
	if (!weir_view_str(event, "interface")[0])
		return;
	weir_buf_add_char(out, ' ');
	weir_buf_add_visible(out, weir_view_str(event, "interface"));
	if (strcmp(weir_view_str(event, "direction"), "egress") == 0)
		weir_buf_add_str(out, " out");
	else if (weir_view_str(event, "direction")[0])
		weir_buf_add_str(out, " in");
}

static void list_add(struct weir_buf *out, const struct weir_json *event)
{
	const struct weir_json *list = weir_json_get(event, "list");

	if (!list || weir_json_type(list) == WEIR_JSON_NULL)
		return;
	weir_buf_add_str(out, "  list ");
	weir_view_add_scalar(out, "id", list);
	if (!weir_view_str(event, "entry")[0])
		return;
	weir_buf_add_str(out, " (");
	weir_buf_add_visible(out, weir_view_str(event, "entry"));
	weir_buf_add_char(out, ')');
}

static void rule_add(struct weir_buf *out, const struct weir_json *event)
{
	if (!weir_json_get(event, "rule"))
		return;
	weir_buf_add_str(out, "  rule ");
	weir_render_rule_name(out, weir_json_get(event, "rule"));
}

void weir_render_event(const struct weir_view *view, const char *kind,
		       const struct weir_json *event)
{
	struct weir_buf *out = view->out;
	_cleanup_buf_ struct weir_buf packet = { 0 };

	if (!kind)
		kind = weir_view_str(event, "kind");
	if (strcmp(kind, "flow") == 0)
		return weir_render_flow_event(view, event);
	time_add(view, event);
	weir_view_add_colored(
		view, strcmp(kind, "lost") == 0 ? WEIR_COLOR_WARN : weir_view_verdict_color(kind),
		kind);
	where_add(out, event);
	packet_add(&packet, event);
	if (packet.len > 0)
		weir_buf_addf(out, "  %s", weir_buf_str(&packet));
	if (weir_view_uint(event, "len"))
		weir_buf_addf(out, " len %llu", (unsigned long long)weir_view_uint(event, "len"));
	if (weir_view_str(event, "reason")[0])
		weir_buf_addf(out, "  %s", weir_view_str(event, "reason"));
	list_add(out, event);
	rule_add(out, event);
	if (weir_json_get(event, "revision") && packet.len == 0)
		weir_buf_addf(out, "  revision %llu",
			      (unsigned long long)weir_view_uint(event, "revision"));
	if (weir_json_get(event, "count"))
		weir_buf_addf(out, "  %llu", (unsigned long long)weir_view_uint(event, "count"));
	const char *message = weir_view_str(event, "message");
	message = message[0] ? message : weir_view_str(event, "what");
	if (message[0]) {
		weir_buf_add_str(out, "  ");
		weir_buf_add_visible(out, message);
	}
	if (weir_view_str(event, "detail")[0]) {
		weir_buf_add_str(out, ": ");
		weir_buf_add_visible(out, weir_view_str(event, "detail"));
	}
	(void)weir_json_each(event, rest_add, out);
	weir_buf_add_char(out, '\n');
}

void weir_render_events(const struct weir_view *view)
{
	const struct weir_json *events = weir_json_get(view->answer, "events");

	if (weir_json_size(events) == 0)
		weir_buf_add_str(view->out, "no events kept; --follow waits for new ones\n");
	for (size_t i = 0; i < weir_json_size(events); i++)
		weir_render_event(view, NULL, weir_json_at(events, i));
}
