/* SPDX-License-Identifier: Apache-2.0 */
/* drops: by reason, place, interface and protocol, or by flow. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/filter.h"
#include "core/engine.h"
#include "core/owner.h"
#include "features/drops/drops_state.h"

/* A row, or a flow with the row it belongs to. */
struct item {
	const struct drops *state;
	const struct drops_seen_row *row;
	const struct drops_seen_flow *flow; /* of a row: the last one, or NULL */
	uint64_t packets, bytes;
	bool is_flow;
	char reason[DROPS_REASON_BYTES], device[DROPS_DEVICE_BYTES], proto[8];
};

enum {
	FIELD_REASON,
	FIELD_WHERE,
	FIELD_INTERFACE,
	FIELD_PROTO,
	FIELD_SRC,
	FIELD_DST,
	FIELD_HOST,
	FIELD_SPORT,
	FIELD_DPORT,
	FIELD_PORT,
	FIELD_PACKETS,
	FIELD_BYTES,
};

static const struct weir_filter_field fields[] = {
	[FIELD_REASON] = { "reason", "the kernel's reason", WEIR_FILTER_TEXT },
	[FIELD_WHERE] = { "where", "the function of the kernel", WEIR_FILTER_TEXT },
	[FIELD_INTERFACE] = { "interface", "of the packet", WEIR_FILTER_TEXT },
	[FIELD_PROTO] = { "proto", "protocol", WEIR_FILTER_TEXT },
	[FIELD_SRC] = { "src", "source address", WEIR_FILTER_ADDRESS },
	[FIELD_DST] = { "dst", "destination address", WEIR_FILTER_ADDRESS },
	[FIELD_HOST] = { "host", "either address", WEIR_FILTER_ADDRESS },
	[FIELD_SPORT] = { "sport", "source port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_DPORT] = { "dport", "destination port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PORT] = { "port", "either port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PACKETS] = { "packets", "packets lost", WEIR_FILTER_NUMBER },
	[FIELD_BYTES] = { "bytes", "bytes lost", WEIR_FILTER_BYTES },
	{ 0 },
};

static bool asks_for_flows(size_t field)
{
	return field >= FIELD_SRC && field <= FIELD_PORT;
}

static size_t flow_get(const struct drops_flow_key *key, size_t field,
		       union weir_filter_value *ret_values)
{
	bool has_ports = key->sport || key->dport;

	switch (field) {
	case FIELD_SRC:
		return ret_values->addr = key->src, 1;
	case FIELD_DST:
		return ret_values->addr = key->dst, 1;
	case FIELD_HOST:
		return ret_values[0].addr = key->src, ret_values[1].addr = key->dst, 2;
	case FIELD_SPORT:
		return ret_values->number = key->sport, has_ports;
	case FIELD_DPORT:
		return ret_values->number = key->dport, has_ports;
	default:
		return ret_values[0].number = key->sport, ret_values[1].number = key->dport,
		       has_ports ? 2 : 0;
	}
}

static size_t item_get(const void *data, size_t field,
		       union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX])
{
	const struct item *item = data;

	if (asks_for_flows(field))
		return item->flow ? flow_get(&item->flow->key, field, ret_values) : 0;
	if (field == FIELD_PACKETS || field == FIELD_BYTES)
		return ret_values->number = field == FIELD_BYTES ? item->bytes : item->packets, 1;
	ret_values->text = field == FIELD_REASON    ? item->reason :
			   field == FIELD_WHERE	    ? item->row->row.where :
			   field == FIELD_INTERFACE ? item->device :
						      item->proto;
	return 1;
}

static void item_words(struct item *item)
{
	char text[DROPS_REASON_BYTES];
	const struct drops_seen_row *row = item->row;

	memccpy(item->reason, drops_reason_name(&item->state->reasons, row->key.reason, text), '\0',
		sizeof(item->reason));
	memccpy(item->device, drops_device_name(item->state->names, row, text), '\0',
		sizeof(item->device));
	memccpy(item->proto, drops_proto_name(&row->key, text), '\0', sizeof(item->proto));
}

static void flow_put(const struct drops_flow_key *key, struct weir_json_out *json)
{
	char text[WEIR_ADDR_TEXT];

	weir_json_put_str(json, "src", weir_addr_to_string(&key->src, text));
	if (key->sport || key->dport)
		weir_json_put_uint(json, "sport", key->sport);
	weir_json_put_str(json, "dst", weir_addr_to_string(&key->dst, text));
	if (key->sport || key->dport)
		weir_json_put_uint(json, "dport", key->dport);
}

/* Whose it is or was, where sockets are watched: also of a socket that is closed, to which what
 * comes late is given up. */
static void owner_put(const struct item *item, struct weir_json_out *json)
{
	const struct drops_flow_key *key = &item->flow->key;
	const struct weir_flow_ends ends = { .src = key->src,
					     .dst = key->dst,
					     .sport = key->sport,
					     .dport = key->dport,
					     .proto = key->row.proto };

	if (key->sport || key->dport)
		weir_owner_put(item->state->engine, &ends, json);
}

static void item_put(const struct item *item, struct weir_json_out *json)
{
	bool is_verdict = drops_is_verdict(item->state, item->row->key.reason);

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "reason", item->reason);
	weir_json_put_str(json, "by", is_verdict ? "program" : "kernel");
	weir_json_put_str(json, "where", item->row->row.where);
	weir_json_put_str(json, "interface", item->device);
	weir_json_put_str(json, "protocol", item->proto);
	weir_json_put_uint(json, "packets", item->packets);
	weir_json_put_uint(json, "bytes", item->bytes);
	if (!item->is_flow)
		weir_json_put_real(json, "per_second", item->row->per_second);
	/* Tells rows apart that are alike in all that has a name: two places in a function, say. */
	weir_json_put_uint(json, "first_ns", item->row->row.first_ns);
	weir_json_put_moment(json, "last",
			     item->is_flow ? item->flow->flow.last_ns : item->row->row.last_ns);
	if (item->flow && !item->is_flow)
		weir_json_open_object(json, "flow");
	if (item->flow)
		flow_put(&item->flow->key, json);
	if (item->flow && item->flow->flow.inode)
		weir_json_put_uint(json, "socket_inode", item->flow->flow.inode);
	if (item->flow && item->flow->flow.cgroup)
		weir_json_put_uint(json, "cgroup_id", item->flow->flow.cgroup);
	if (item->flow)
		owner_put(item, json);
	if (item->flow && !item->is_flow)
		weir_json_close_object(json);
	weir_json_close_object(json);
}

static const struct drops_seen_row *row_of(const struct drops_view *view,
					   const struct drops_key *key)
{
	for (size_t i = 0; i < view->row_count; i++)
		if (memcmp(&view->rows[i].key, key, sizeof(*key)) == 0)
			return &view->rows[i];
	return NULL;
}

static const struct drops_seen_flow *last_flow(const struct drops_view *view,
					       const struct drops_key *key)
{
	const struct drops_seen_flow *last = NULL;

	for (size_t i = 0; i < view->flow_count; i++)
		if (memcmp(&view->flows[i].key.row, key, sizeof(*key)) == 0 &&
		    (!last || view->flows[i].flow.last_ns > last->flow.last_ns))
			last = &view->flows[i];
	return last;
}

/* A flow whose row came between the reading of both has none yet: it is shown the next time. */
static size_t flows_gather(const struct drops *state, const struct weir_filter *filter,
			   struct item *items)
{
	size_t count = 0;

	for (size_t i = 0; i < state->view->flow_count; i++) {
		const struct drops_seen_flow *flow = &state->view->flows[i];
		struct item item = { state,
				     row_of(state->view, &flow->key.row),
				     flow,
				     flow->flow.packets,
				     flow->flow.bytes,
				     .is_flow = true };

		if (!item.row)
			continue;
		item_words(&item);
		if (weir_filter_matches(filter, item_get, &item))
			items[count++] = item;
	}
	return count;
}

static size_t rows_gather(const struct drops *state, const struct weir_filter *filter,
			  struct item *items)
{
	size_t count = 0;

	for (size_t i = 0; i < state->view->row_count; i++) {
		const struct drops_seen_row *row = &state->view->rows[i];
		struct item item = { state,
				     row,
				     last_flow(state->view, &row->key),
				     row->row.packets,
				     row->row.bytes,
				     .is_flow = false };

		item_words(&item);
		if (weir_filter_matches(filter, item_get, &item))
			items[count++] = item;
	}
	return count;
}

static int item_compare(const void *a, const void *b)
{
	const struct item *one = a, *other = b;

	if (one->packets != other->packets)
		return one->packets < other->packets ? 1 : -1;
	return memcmp(&one->row->key, &other->row->key, sizeof(one->row->key));
}

static void count_put(struct weir_json_out *json, const char *key, const struct drops_count *count)
{
	weir_json_open_object(json, key);
	weir_json_put_uint(json, "packets", count->packets);
	weir_json_put_uint(json, "bytes", count->bytes);
	weir_json_close_object(json);
}

/* What the rows are part of, and what is not in them. */
static void sums_put(const struct drops_view *view, struct weir_json_out *json)
{
	uint64_t written = view->sums[DROPS_FLOWS_NEW].packets;

	count_put(json, "total", &view->sums[DROPS_ALL]);
	count_put(json, "crowded", &view->sums[DROPS_CROWDED]);
	count_put(json, "other_namespaces", &view->sums[DROPS_FOREIGN]);
	count_put(json, "no_namespace", &view->sums[DROPS_UNKNOWN]);
	weir_json_put_uint(json, "missed", view->missed);
	weir_json_put_uint(json, "flows_forgotten",
			   written > view->flow_count ? written - view->flow_count : 0);
	weir_json_put_uint(json, "flows_lost", view->sums[DROPS_FLOWS_LOST].packets);
}

static int view_put(const struct drops *state, const struct weir_call *call,
		    const struct weir_filter *filter, struct weir_json_out *json)
{
	bool is_flows = weir_call_flag(call, "flows");
	uint64_t most = weir_call_uint(call, "limit", 20);
	_cleanup_free_ struct item *items =
		calloc(state->view->row_count + state->view->flow_count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	size_t count =
		is_flows ? flows_gather(state, filter, items) : rows_gather(state, filter, items);

	qsort(items, count, sizeof(items[0]), item_compare);
	weir_json_open_array(json, is_flows ? "flows" : "drops");
	for (size_t i = 0; i < count && i < most; i++)
		item_put(&items[i], json);
	weir_json_close_array(json);
	weir_json_put_uint(json, "shown", count < most ? count : most);
	weir_json_put_uint(json, "matching", count);
	sums_put(state->view, json);
	return 0;
}

static int run_drops(struct weir_engine *engine, struct weir_call *call)
{
	const struct drops *state = weir_engine_state(engine, &weir_drops);
	_cleanup_filter_ struct weir_filter *filter = NULL;
	struct weir_json_out json = { .out = &call->reply };
	const char *text = weir_call_str(call, "filter");
	int r = weir_filter_new(text ? text : "", fields, &call->diag, &filter);

	if (r)
		return r;
	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "enabled", state->is_on);
	weir_json_put_bool(&json, "watched", state->tracer != NULL);
	if (state->why[0])
		weir_json_put_str(&json, "problem", state->why);
	r = state->view ? view_put(state, call, filter, &json) : 0;
	weir_json_close_object(&json);
	return r;
}

static const struct weir_arg drops_args[] = {
	{ .name = "filter",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REST,
	  .metavar = "FILTER",
	  .help = "which: reason=NO_SOCKET and interface=eth0 and src=10.0.0.0/8; the page on "
		  "drops "
		  "has the fields" },
	{ .name = "flows", .type = WEIR_ARG_BOOL, .help = "show the flows that lost packets" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many",
	  .fallback = "20" },
	{ 0 },
};

static const struct weir_op drops_op = {
	.name = "drops",
	.summary = "Show which packets the kernel gives up: why, where, and whose",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = drops_args,
	.example = "drops reason=NO_SOCKET and interface=eth0",
	.run = run_drops,
};

const struct weir_op *const drops_ops[] = { &drops_op, NULL };
