/* SPDX-License-Identifier: Apache-2.0 */
/* flow list, count, show and flush: they read the tables in place, on a worker where those are
 * large. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_flush.h"
#include "features/conntrack/conntrack_query.h"

#define LIMIT_MOST 1000000
#define SHOW_MOST 20

/* What `flow count` adds up. */
struct counts {
	uint64_t by_state[CONNTRACK_STATE_COUNT];
	uint64_t by_table[CONNTRACK_TABLES];
	uint64_t packets, bytes;
};

/* Only of those that are shown all is read. */
static bool is_shown(struct conntrack_query *query, uint32_t index)
{
	if (query->shown >= query->limit || !conntrack_query_whole(query, index))
		return false;
	query->shown++;
	return true;
}

static int list_each(struct conntrack_query *query, uint32_t index)
{
	if (!is_shown(query, index))
		return 0;
	conntrack_view_put(&query->view, &query->json);
	return query->json.out->failed ? -ENOMEM : 0;
}

/* The flows that pass the filter, as `each` puts them. */
static int put_flows(struct conntrack_query *query, struct weir_call *call)
{
	weir_json_open_object(&query->json, NULL);
	conntrack_tracking_put(query->state, &query->json);
	weir_json_open_array(&query->json, "flows");
	int r = conntrack_query_run(query, call);

	weir_json_close_array(&query->json);
	weir_json_put_uint(&query->json, "shown", query->shown);
	weir_json_put_uint(&query->json, "total", query->total);
	weir_json_close_object(&query->json);
	return r;
}

int conntrack_list_run(struct weir_engine *engine, struct weir_call *call, uint64_t limit)
{
	struct conntrack_query query = {
		.state = weir_engine_state(engine, &weir_conntrack),
		.json = { .out = &call->reply },
		.limit = limit,
		.each = list_each,
	};

	if (query.limit > LIMIT_MOST)
		return weir_diag_error(&call->diag, "narrow the list by a filter",
				       "--limit: %d is the most", LIMIT_MOST);
	return put_flows(&query, call);
}

static int run_list(struct weir_engine *engine, struct weir_call *call)
{
	return conntrack_list_run(engine, call,
				  weir_call_uint(call, "limit", CONNTRACK_LIST_LIMIT));
}

static int count_each(struct conntrack_query *query, uint32_t index)
{
	const struct conntrack_flow *flow = query->view.flow;
	struct counts *counts = query->arg;

	(void)index;
	counts->by_state[conntrack_state_of(flow->key.proto, flow->word)]++;
	counts->by_table[query->view.table]++;
	counts->packets += query->view.carried.packets[0] + query->view.carried.packets[1];
	counts->bytes += query->view.carried.bytes[0] + query->view.carried.bytes[1];
	return 0;
}

static uint32_t places_of(const struct conntrack *state, enum conntrack_table_kind kind)
{
	return state->is_on ? state->tables[kind].set_count * CONNTRACK_WAYS : 0;
}

void conntrack_capacities_put(const struct conntrack *state, struct weir_json_out *json)
{
	weir_json_put_uint(json, "capacity", state->is_on ? state->capacity : 0);
	weir_json_put_uint(json, "places", places_of(state, CONNTRACK_TABLE_PROVEN));
	weir_json_put_uint(json, "half_open_capacity", state->is_on ? state->half_open : 0);
	weir_json_put_uint(json, "half_open_places", places_of(state, CONNTRACK_TABLE_HALF));
}

static int run_count(struct weir_engine *engine, struct weir_call *call)
{
	struct counts counts = { .packets = 0 };
	struct conntrack_query query = {
		.state = weir_engine_state(engine, &weir_conntrack),
		.json = { .out = &call->reply },
		.lines = CONNTRACK_QUERY_SUM,
		.each = count_each,
		.arg = &counts,
	};
	int r = conntrack_query_run(&query, call);

	if (r)
		return r;
	weir_json_open_object(&query.json, NULL);
	conntrack_tracking_put(query.state, &query.json);
	weir_json_put_uint(&query.json, "total", query.total);
	weir_json_put_uint(&query.json, "proven", counts.by_table[CONNTRACK_TABLE_PROVEN]);
	weir_json_put_uint(&query.json, "half_open", counts.by_table[CONNTRACK_TABLE_HALF]);
	conntrack_capacities_put(query.state, &query.json);
	if (query.state->tables[CONNTRACK_TABLE_PROVEN].sums) {
		weir_json_put_uint(&query.json, "packets", counts.packets);
		weir_json_put_uint(&query.json, "bytes", counts.bytes);
	}
	weir_json_open_object(&query.json, "states");
	for (int i = 0; i < CONNTRACK_STATE_COUNT; i++)
		weir_json_put_uint(&query.json, conntrack_state_name((enum conntrack_state)i),
				   counts.by_state[i]);
	weir_json_close_object(&query.json);
	weir_json_close_object(&query.json);
	return 0;
}

static int flush_each(struct conntrack_query *query, uint32_t index)
{
	query->shown += conntrack_flush(query->table, index, &query->view, query->filter);
	return 0;
}

static int run_flush(struct weir_engine *engine, struct weir_call *call)
{
	struct conntrack_query query = {
		.state = weir_engine_state(engine, &weir_conntrack),
		.json = { .out = &call->reply },
		.each = flush_each,
		.forgets = true,
	};
	const char *text = weir_call_str(call, "filter");

	if ((!text || !text[0]) && !weir_call_flag(call, "all"))
		return weir_diag_error(&call->diag, "name them by a filter, or write --all",
				       "all flows would be forgotten");
	int r = conntrack_query_run(&query, call);

	if (r)
		return r;
	weir_json_open_object(&query.json, NULL);
	conntrack_tracking_put(query.state, &query.json);
	weir_json_put_uint(&query.json, "flushed", query.shown);
	weir_json_close_object(&query.json);
	return 0;
}

static void put_side(const struct conntrack_side *side, bool is_sctp, struct weir_json_out *json)
{
	if (is_sctp) {
		weir_json_put_uint(json, "tag", side->tag);
		return;
	}
	weir_json_put_uint(json, "end", side->end);
	weir_json_put_uint(json, "max_end", side->max_end);
	weir_json_put_uint(json, "max_window", side->max_win);
	/* Above it may stand what a relayed client was told. */
	weir_json_put_uint(json, "scale", side->scale & ((1U << CONNTRACK_TOLD_SHIFT) - 1));
}

/* What the window check knows, which is too much for a list. */
static void put_sides(const struct conntrack_flow *flow, struct weir_json_out *json)
{
	static const char *const keys[2] = { "initiator", "responder" };
	bool is_sctp = flow->key.proto == CONNTRACK_SCTP;

	for (int i = 0; i < 2; i++) {
		const struct conntrack_side *side = &flow->side[i];

		if (is_sctp ? !side->tag : !(side->flags & CONNTRACK_SIDE_SEEN))
			continue;
		weir_json_open_object(json, keys[i]);
		put_side(side, is_sctp, json);
		weir_json_close_object(json);
	}
}

static int show_each(struct conntrack_query *query, uint32_t index)
{
	if (!is_shown(query, index))
		return 0;
	weir_json_open_object(&query->json, NULL);
	conntrack_view_members(&query->view, &query->json);
	conntrack_flags_put(&query->view, &query->json);
	put_sides(query->view.flow, &query->json);
	weir_json_close_object(&query->json);
	return query->json.out->failed ? -ENOMEM : 0;
}

static int run_show(struct weir_engine *engine, struct weir_call *call)
{
	struct conntrack_query query = {
		.state = weir_engine_state(engine, &weir_conntrack),
		.json = { .out = &call->reply },
		.limit = SHOW_MOST,
		.each = show_each,
	};
	int r = put_flows(&query, call);

	if (!r && !query.state->is_on)
		return weir_diag_error(&call->diag, NULL, "%s",
				       conntrack_untracked_why(query.state)),
		       -ENOENT;
	if (!r && !query.total)
		return weir_diag_error(&call->diag, "weir flow list shows those there are",
				       "no flow passes this filter"),
		       -ENOENT;
	return r;
}

static const struct weir_arg list_args[] = {
	CONNTRACK_FILTER_ARG(0),
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many",
	  .fallback = "1000" },
	{ 0 },
};

static const struct weir_arg count_args[] = { CONNTRACK_FILTER_ARG(0), { 0 } };
static const struct weir_arg show_args[] = { CONNTRACK_FILTER_ARG(WEIR_ARG_REQUIRED), { 0 } };

static const struct weir_arg flush_args[] = {
	CONNTRACK_FILTER_ARG(0),
	{ .name = "all", .type = WEIR_ARG_BOOL, .help = "every flow, where there is no filter" },
	{ 0 },
};

static const struct weir_op flow_list = {
	.name = "flow.list",
	.summary = "Show the connections that are tracked",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = list_args,
	.example = "flow list src=10.0.0.0/8 and port=443 and state=established",
	.run = run_list,
	.is_heavy = conntrack_query_is_heavy,
};

static const struct weir_op flow_count = {
	.name = "flow.count",
	.summary = "Count the connections that are tracked, by state",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = count_args,
	.example = "flow count proto=tcp and not state=established",
	.run = run_count,
	.is_heavy = conntrack_query_is_heavy,
};

static const struct weir_op flow_show = {
	.name = "flow.show",
	.summary = "Show all that is known of some connections",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = show_args,
	.example = "flow show host=10.0.0.7 and port=22",
	.run = run_show,
	.is_heavy = conntrack_query_is_heavy,
};

static const struct weir_op flow_flush = {
	.name = "flow.flush",
	.summary = "Forget connections: their next packets are judged as those of new ones",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = flush_args,
	.example = "flow flush host=10.0.0.7",
	.run = run_flush,
	.after = weir_engine_flows_gone,
	.is_heavy = conntrack_query_is_heavy,
};

const struct weir_op *const conntrack_ops[] = {
	&conntrack_flows_op, &flow_list, &conntrack_ended_op, &conntrack_top_op,
	&flow_count,	     &flow_show, &flow_flush,	      NULL,
};
