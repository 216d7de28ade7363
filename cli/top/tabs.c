/* SPDX-License-Identifier: Apache-2.0 */
/* The tabs. A new one is a row here; what it shows are members of one answer of the API. */
#include "cli/top/tabs.h"

#define BOTH 3 /* the first two counters */

static const struct top_column flow_columns[] = {
	{ "proto", TOP_TEXT, "proto", .width = 6 },
	{ "source", TOP_END, "src", "sport", .width = 20 },
	{ "destination", TOP_END, "dst", "dport", .width = 20 },
	{ "state", TOP_TEXT, "state", .width = 11, .rank = 2 },
	{ "rate/s", TOP_RATE_SIZE, .counters = BOTH, .width = 9 },
	{ "sent/s", TOP_RATE_SIZE, .counters = 1, .width = 9, .rank = 4 },
	{ "back/s", TOP_RATE_SIZE, .counters = 2, .width = 9, .rank = 4 },
	{ "bytes", TOP_SIZE, "bytes", .width = 9, .rank = 1 },
	{ "packets", TOP_COUNT, "packets", .width = 9, .rank = 5 },
	{ "in > out", TOP_PLACES, .width = 12, .rank = 6 },
	{ "age", TOP_SECONDS, "age_s", .width = 6, .rank = 7 },
	{ "idle", TOP_SECONDS, "idle_s", .width = 6, .rank = 8 },
	{ "rate", TOP_LINE, .width = 12, .rank = 9 },
	{ 0 },
};

#define GROUP_COLUMNS(NAME, TITLE)                                                 \
	static const struct top_column NAME[] = {                                  \
		{ TITLE, TOP_TEXT, "name", .width = 20 },                          \
		{ "live", TOP_COUNT, "live", .width = 8, .rank = 2 },              \
		{ "rate/s", TOP_RATE_SIZE, .counters = BOTH, .width = 9 },         \
		{ "sent/s", TOP_RATE_SIZE, .counters = 1, .width = 9, .rank = 3 }, \
		{ "recv/s", TOP_RATE_SIZE, .counters = 2, .width = 9, .rank = 3 }, \
		{ "bytes", TOP_SIZE, "bytes", .width = 9, .rank = 1 },             \
		{ "packets", TOP_COUNT, "packets", .width = 9, .rank = 4 },        \
		{ "sent", TOP_SIZE, "sent_bytes", .width = 9, .rank = 5 },         \
		{ "received", TOP_SIZE, "received_bytes", .width = 9, .rank = 5 }, \
		{ "flows", TOP_COUNT, "flows", .width = 9, .rank = 6 },            \
		{ "rate", TOP_LINE, .width = 12, .rank = 7 },                      \
		{ 0 },                                                             \
	}

GROUP_COLUMNS(host_columns, "address");
GROUP_COLUMNS(net_columns, "network");
GROUP_COLUMNS(port_columns, "port");
GROUP_COLUMNS(proto_columns, "protocol");
GROUP_COLUMNS(state_columns, "state");
GROUP_COLUMNS(where_columns, "interface");
GROUP_COLUMNS(backend_columns, "backend");
GROUP_COLUMNS(carrier_columns, "process");
GROUP_COLUMNS(carrier_container_columns, "container");

/* Of `weir flow top`; how many are asked for bounds what a look costs here. */
#define FLOWS_ROWS "1000"
#define GROUP(NAME, GROUP, COLUMNS, FIELD)                                             \
	.name = NAME, .target = "/api/v1/flow/top?limit=" FLOWS_ROWS "&group=" GROUP,  \
	.rows = "rows", .total = "groups", .keys = { "name" },                         \
	.counters = { "sent_bytes", "received_bytes", "packets" }, .columns = COLUMNS, \
	.filtered = TOP_FILTER_FLOWS, .begins_at_0 = true, .flows = FIELD

static const struct top_way flow_ways[] = {
	{ .name = "flow",
	  .target = "/api/v1/flow/top?limit=" FLOWS_ROWS,
	  .rows = "flows",
	  .total = "total",
	  .keys = { "proto", "src", "sport", "dst", "dport", "icmp_id", "born_ns" },
	  .counters = { "orig_bytes", "reply_bytes", "packets" },
	  .columns = flow_columns,
	  .filtered = TOP_FILTER_FLOWS,
	  .by = "bytes",
	  .begins_at_0 = true,
	  .birth = "born_ns",
	  .block = { "src", "dst" } },
	{ GROUP("protocol", "proto", proto_columns, "proto"), .has_ended = true },
	{ GROUP("state", "state", state_columns, "state") },
	{ GROUP("interface", "interface", where_columns, "interface"), .has_ended = true },
	{ GROUP("backend", "backend", backend_columns, "backend"), .has_ended = true },
	{ 0 },
};

static const struct top_way host_ways[] = {
	{ GROUP("address", "host", host_columns, "host"), .block = { "name" }, .has_ended = true },
	{ GROUP("who began", "src", host_columns, "src"), .block = { "name" }, .has_ended = true },
	{ GROUP("who was asked", "dst", host_columns, "dst"), .block = { "name" },
	  .has_ended = true },
	{ GROUP("network", "prefix", net_columns, "host"), .block = { "name" }, .has_ended = true },
	{ 0 },
};

static const struct top_way port_ways[] = {
	{ GROUP("port asked", "dport", port_columns, "dport"), .has_ended = true },
	{ GROUP("port of who asks", "sport", port_columns, "sport"), .has_ended = true },
	{ 0 },
};

#define OWNER_COLUMNS(NAME, TITLE, BY)                                             \
	static const struct top_column NAME[] = {                                  \
		{ TITLE, TOP_TEXT, BY, .width = 16 },                              \
		{ "live", TOP_COUNT, "live", .width = 6, .rank = 2 },              \
		{ "rate/s", TOP_RATE_SIZE, .counters = BOTH, .width = 9 },         \
		{ "sent/s", TOP_RATE_SIZE, .counters = 1, .width = 9, .rank = 1 }, \
		{ "recv/s", TOP_RATE_SIZE, .counters = 2, .width = 9, .rank = 1 }, \
		{ "sent", TOP_SIZE, "bytes_sent", .width = 9 },                    \
		{ "received", TOP_SIZE, "bytes_received", .width = 9, .rank = 3 }, \
		{ "again", TOP_COUNT, "retransmits", .width = 6, .rank = 4 },      \
		{ "sockets", TOP_COUNT, "sockets", .width = 9, .rank = 5 },        \
		{ "failed", TOP_COUNT, "failed", .width = 8, .rank = 6 },          \
		{ "rate", TOP_LINE, .width = 12, .rank = 7 },                      \
		{ 0 },                                                             \
	}

OWNER_COLUMNS(process_columns, "process", "process");
OWNER_COLUMNS(user_columns, "uid", "user");
OWNER_COLUMNS(cgroup_columns, "cgroup", "cgroup");
OWNER_COLUMNS(container_columns, "container", "container");

static const struct top_column socket_columns[] = {
	{ "proto", TOP_TEXT, "protocol", .width = 5, .rank = 3 },
	{ "local", TOP_END, "local", "local_port", .width = 18 },
	{ "remote", TOP_END, "remote", "remote_port", .width = 20 },
	{ "process", TOP_TEXT, "process", .width = 10 },
	{ "rate/s", TOP_RATE_SIZE, .counters = BOTH, .width = 9 },
	{ "rtt ms", TOP_REAL, "rtt_ms", .width = 7, .rank = 2 },
	{ "again", TOP_COUNT, "retransmits", .width = 6, .rank = 1 },
	{ "sent", TOP_SIZE, "bytes_sent", .width = 9, .rank = 4 },
	{ "received", TOP_SIZE, "bytes_received", .width = 9, .rank = 4 },
	{ "pid", TOP_TEXT, "pid", .width = 7, .rank = 5 },
	{ "state", TOP_TEXT, "state", .width = 11, .rank = 6 },
	{ "rate", TOP_LINE, .width = 12, .rank = 7 },
	{ 0 },
};

/* Totals have what ended, so nothing is lost between two looks. Of a socket that was handed on each
 * has what it carried while he had it: the whole of it would be a rate of nobody. */
#define OWNER(BY, COLUMNS)                                                                 \
	.name = BY, .target = "/api/v1/socket/top?limit=1000&group=" BY, .rows = "groups", \
	.total = "matching", .keys = { BY }, .counters = { "own_sent", "own_received" },   \
	.columns = COLUMNS, .filtered = TOP_FILTER_NONE, .begins_at_0 = true, .is_per_run = true

static const struct top_way process_ways[] = {
	{ OWNER("process", process_columns), .sockets = "process" },
	{ OWNER("user", user_columns) },
	{ OWNER("cgroup", cgroup_columns), .sockets = "cgroup" },
	{ OWNER("container", container_columns), .sockets = "container" },
	{ GROUP("process, all protocols", "process", carrier_columns, NULL), .has_ended = true },
	{ GROUP("container, all protocols", "container", carrier_container_columns, NULL),
	  .has_ended = true },
	{ .name = "socket", /* the last: where `f` leads */
	  .target = "/api/v1/socket/list?limit=1000",
	  .rows = "sockets",
	  .total = "matching",
	  .keys = { "netns", "cookie", "protocol", "local", "local_port", "remote" },
	  .counters = { "bytes_sent", "bytes_received" },
	  .columns = socket_columns,
	  .filtered = TOP_FILTER_SOCKETS,
	  .begins_at_0 = true,
	  .birth = "born_ns",
	  .block = { "remote" } },
	{ 0 },
};

static const struct top_column iface_columns[] = {
	{ "interface", TOP_TEXT, "name", .width = 15 },
	{ "mode", TOP_TEXT, "mode", .width = 7, .rank = 3 },
	{ "in/s", TOP_RATE_SIZE, .counters = 1, .width = 9 },
	{ "out/s", TOP_RATE_SIZE, .counters = 2, .width = 9 },
	{ "packets/s", TOP_RATE, .counters = 12, .width = 10, .rank = 2 },
	{ "in", TOP_SIZE, "device.rx_bytes", .width = 9, .rank = 1 },
	{ "out", TOP_SIZE, "device.tx_bytes", .width = 9, .rank = 1 },
	{ "packets in", TOP_COUNT, "device.rx_packets", .width = 11, .rank = 4 },
	{ "packets out", TOP_COUNT, "device.tx_packets", .width = 11, .rank = 4 },
	{ "dropped in", TOP_COUNT, "ingress_counts.drop_packets", .width = 11, .rank = 5 },
	{ "dropped out", TOP_COUNT, "egress_counts.drop_packets", .width = 11, .rank = 6 },
	{ "rate", TOP_LINE, .width = 12, .rank = 7 },
	{ 0 },
};

static const struct top_way iface_ways[] = {
	{ .name = "interface",
	  .rows = "interfaces",
	  .keys = { "name", "ifindex" },
	  .counters = { "device.rx_bytes", "device.tx_bytes", "device.rx_packets",
			"device.tx_packets" },
	  .columns = iface_columns,
	  .filtered = TOP_FILTER_NONE,
	  .flows = "interface" },
	{ 0 },
};

static const struct top_column reason_columns[] = {
	{ "reason", TOP_TEXT, "reason", .width = 20 },
	{ "packets/s", TOP_RATE, .counters = 2, .width = 10 },
	{ "packets", TOP_COUNT, "packets", .width = 11 },
	{ "bytes", TOP_SIZE, "bytes", .width = 9, .rank = 1 },
	{ "why", TOP_TEXT, "help", .width = 25, .rank = 2 },
	{ "rate", TOP_LINE, .width = 12, .rank = 3 },
	{ 0 },
};

static const struct top_column drop_columns[] = {
	{ "reason", TOP_TEXT, "reason", .width = 18 },
	{ "interface", TOP_TEXT, "interface", .width = 10, .rank = 1 },
	{ "protocol", TOP_TEXT, "protocol", .width = 8, .rank = 2 },
	{ "packets/s", TOP_RATE, .counters = 2, .width = 10 },
	{ "packets", TOP_COUNT, "packets", .width = 9 },
	{ "bytes", TOP_SIZE, "bytes", .width = 9, .rank = 4 },
	{ "where", TOP_TEXT, "where", .width = 16, .rank = 3 },
	{ "rate", TOP_LINE, .width = 12, .rank = 5 },
	{ 0 },
};

static const struct top_column lost_columns[] = {
	{ "reason", TOP_TEXT, "reason", .width = 15 },
	{ "proto", TOP_TEXT, "protocol", .width = 6, .rank = 2 },
	{ "source", TOP_END, "src", "sport", .width = 21 },
	{ "destination", TOP_END, "dst", "dport", .width = 21 },
	{ "packets", TOP_COUNT, "packets", .width = 9 },
	{ "packets/s", TOP_RATE, .counters = 2, .width = 10, .rank = 1 },
	{ "interface", TOP_TEXT, "interface", .width = 10, .rank = 3 },
	{ "where", TOP_TEXT, "where", .width = 16, .rank = 4 },
	{ 0 },
};

static const struct top_way drop_ways[] = {
	{ .name = "by Weir",
	  .rows = "reasons",
	  .keys = { "reason" },
	  .counters = { "bytes", "packets" },
	  .columns = reason_columns,
	  .filtered = TOP_FILTER_NONE,
	  .drops_only = true },
	{ .name = "by the kernel",
	  .target = "/api/v1/drops?limit=1000",
	  .rows = "drops",
	  .total = "matching",
	  .keys = { "reason", "where", "interface", "protocol", "first_ns" },
	  .counters = { "bytes", "packets" },
	  .columns = drop_columns,
	  .filtered = TOP_FILTER_DROPS,
	  .begins_at_0 = true },
	{ .name = "by the kernel, of flows",
	  .target = "/api/v1/drops?limit=1000&flows=true",
	  .rows = "flows",
	  .total = "matching",
	  .keys = { "reason", "src", "sport", "dst", "dport", "where", "protocol", "first_ns" },
	  .counters = { "bytes", "packets" },
	  .columns = lost_columns,
	  .filtered = TOP_FILTER_DROPS,
	  .block = { "src", "dst" } },
	{ 0 },
};

static const struct top_column service_columns[] = {
	{ "service", TOP_TEXT, "name", .width = 14 },
	{ "address", TOP_END, "address", "port", .width = 21, .rank = 3 },
	{ "in/s", TOP_RATE_SIZE, .counters = 1, .width = 9 },
	{ "out/s", TOP_RATE_SIZE, .counters = 2, .width = 9 },
	{ "new/s", TOP_RATE, .counters = 4, .width = 8, .rank = 1 },
	{ "active", TOP_COUNT, "active", .width = 8, .rank = 2 },
	{ "in", TOP_SIZE, "in_bytes", .width = 9, .rank = 4 },
	{ "out", TOP_SIZE, "out_bytes", .width = 9, .rank = 4 },
	{ "connections", TOP_COUNT, "connections", .width = 11, .rank = 5 },
	{ "refused", TOP_COUNT, "refused", .width = 8, .rank = 6 },
	{ "rate", TOP_LINE, .width = 12, .rank = 7 },
	{ 0 },
};

static const struct top_column server_columns[] = {
	{ "backend", TOP_END, "address", "port", .width = 21 },
	{ "service", TOP_TEXT, "service", .width = 14 },
	{ "in/s", TOP_RATE_SIZE, .counters = 1, .width = 9 },
	{ "out/s", TOP_RATE_SIZE, .counters = 2, .width = 9 },
	{ "new/s", TOP_RATE, .counters = 4, .width = 8, .rank = 1 },
	{ "active", TOP_COUNT, "active", .width = 8, .rank = 2 },
	{ "in", TOP_SIZE, "in_bytes", .width = 9, .rank = 4 },
	{ "out", TOP_SIZE, "out_bytes", .width = 9, .rank = 4 },
	{ "connections", TOP_COUNT, "connections", .width = 11, .rank = 5 },
	{ "rate", TOP_LINE, .width = 12, .rank = 7 },
	{ 0 },
};

static const struct top_way service_ways[] = {
	{ .name = "service",
	  .target = "/api/v1/service/stats",
	  .rows = "services",
	  .keys = { "name" },
	  .counters = { "in_bytes", "out_bytes", "connections" },
	  .columns = service_columns,
	  .filtered = TOP_FILTER_NONE,
	  .flows = "backend" },
	{ .name = "backend",
	  .target = "/api/v1/service/stats",
	  .rows = "backends",
	  .keys = { "service", "address", "port" },
	  .counters = { "in_bytes", "out_bytes", "connections" },
	  .columns = server_columns,
	  .filtered = TOP_FILTER_NONE,
	  .flows = "backend" },
	{ 0 },
};

const struct top_tab top_tabs[] = {
	{ "flows", "Flows", flow_ways, "conntrack: {enabled: true, account: true}" },
	{ "hosts", "Hosts", host_ways, "conntrack: {enabled: true, account: true}" },
	{ "ports", "Ports", port_ways, "conntrack: {enabled: true, account: true}" },
	{ "processes", "Processes", process_ways, "sockets: {enabled: true}" },
	{ "interfaces", "Interfaces", iface_ways, "interfaces: [{name: eth0}]" },
	{ "services", "Services", service_ways, "weir service add" },
	{ "drops", "Drops", drop_ways, "drops: {enabled: true}" },
	{ 0 },
};

const char *const top_tab_names[] = { "flows",	    "hosts",	"ports", "processes",
				      "interfaces", "services", "drops", NULL };

size_t top_tabs_count(void)
{
	size_t count = 0;

	while (top_tabs[count].name)
		count++;
	return count;
}

size_t top_ways_count(const struct top_tab *tab)
{
	size_t count = 0;

	while (tab->ways[count].name)
		count++;
	return count;
}

size_t top_columns_count(const struct top_way *way)
{
	size_t count = 0;

	while (way->columns[count].title)
		count++;
	return count;
}

bool top_column_sorts(const struct top_column *column)
{
	return column->kind != TOP_LINE;
}

bool top_column_is_text(const struct top_column *column)
{
	return column->kind == TOP_TEXT || column->kind == TOP_END || column->kind == TOP_PLACES ||
	       column->kind == TOP_LINE;
}
