/* SPDX-License-Identifier: Apache-2.0 */
/* flow top: which flows carry most, one by one or summed up by what they have in common. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/engine.h"
#include "features/conntrack/conntrack_active.h"
#include "features/conntrack/conntrack_ledger.h"
#include "features/conntrack/conntrack_query.h"
#include "features/conntrack/conntrack_top.h"

#define LIMIT_MOST 10000

/* The last is another word for `proto`. */
const char *const conntrack_group_names[] = { "flow",
#define X(identifier, name, help) name,
					      CONNTRACK_GROUPS(X)
#undef X
						      "protocol",
					      NULL };
const char *const conntrack_measure_names[] = {
#define X(identifier, name) name,
	CONNTRACK_MEASURES(X)
#undef X
		NULL,
};

/* A flow as it was when it was met: its place may be another's by the end. */
struct met {
	struct conntrack_flow flow;
	struct conntrack_view view;
};

struct top {
	enum conntrack_measure by;
	bool has_ended; /* with what flows carried that are no more */
	struct conntrack_ledger_sums sums;
	struct conntrack_ended ended; /* all of it, told or not, and what was told of the living */
	struct conntrack_ended late;  /* ended while flows were looked at */
	struct conntrack_groups groups;
	struct met *met; /* by slots of the rank; NULL: groups are asked for */
	struct weir_rank rank;
};

static uint64_t measure_of(const struct conntrack_view *view, enum conntrack_measure by)
{
	const struct conntrack_carried *carried = &view->carried;
	struct conntrack_totals totals = {
		.flows = 1,
		.packets = { carried->packets[0], carried->packets[1] },
		.bytes = { carried->bytes[0], carried->bytes[1] },
	};

	return conntrack_totals_of(&totals, by);
}

/* Few stay: of n flows in any order, limit * log(n / limit). The one that goes leaves its slot. */
static void flow_keep(struct top *top, struct conntrack_query *query, uint32_t index)
{
	struct weir_rank *rank = &top->rank;
	struct weir_ranked one = {
		.measure = measure_of(&query->view, top->by),
		.item = (uint32_t)query->total, /* of equal ones the first that was met */
		.slot = (uint32_t)(rank->count < rank->room ? rank->count : rank->at[0].slot),
	};

	if (!weir_rank_takes(rank, &one) || !conntrack_query_whole(query, index))
		return;
	weir_rank_add(rank, &one);
	top->met[one.slot] = (struct met){ query->flow, query->view };
}

/* What records have of a flow that lives is among what they told. */
static void told_take_off(struct conntrack_query *query, struct top *top)
{
	struct conntrack_carried *carried = &query->view.carried, all = *carried;

	conntrack_active_rest(query->state->active, query->view.flow, CONNTRACK_TOLD_LIVES,
			      carried);
	for (int side = 0; side < 2; side++) {
		top->ended.packets += all.packets[side] - carried->packets[side];
		top->ended.bytes += all.bytes[side] - carried->bytes[side];
	}
}

static int top_each(struct conntrack_query *query, uint32_t index)
{
	struct top *top = query->arg;

	if (!query->view.is_counted)
		query->view.carried = (struct conntrack_carried){ .first_ns = 0 };
	if (top->has_ended)
		told_take_off(query, top);
	if (!top->met)
		return conntrack_groups_add(&top->groups, &query->view);
	flow_keep(top, query, index);
	return 0;
}

static void totals_put(const struct conntrack_totals *totals, bool is_counted,
		       struct weir_json_out *json)
{
	weir_json_put_uint(json, "flows", totals->flows);
	if (!is_counted)
		return;
	weir_json_put_uint(json, "packets", totals->packets[0] + totals->packets[1]);
	weir_json_put_uint(json, "bytes", totals->bytes[0] + totals->bytes[1]);
	weir_json_put_uint(json, "sent_packets", totals->packets[0]);
	weir_json_put_uint(json, "sent_bytes", totals->bytes[0]);
	weir_json_put_uint(json, "received_packets", totals->packets[1]);
	weir_json_put_uint(json, "received_bytes", totals->bytes[1]);
}

static void group_put(const struct conntrack_groups *groups, const struct conntrack_group *group,
		      bool is_counted, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf name = { 0 };

	conntrack_group_name(groups, group, &name);
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", weir_buf_str(&name));
	weir_json_put_uint(json, "live", group->live);
	totals_put(&group->totals, is_counted, json);
	if (group->missed)
		weir_json_put_uint(json, "missed_at_most", group->missed);
	weir_json_close_object(json);
}

/* One that was told of while it lived, and ended as flows were looked at, is lacking. */
static uint64_t more_than(uint64_t all, uint64_t told)
{
	return all > told ? all - told : 0;
}

/* What is told of flows that have ended, and what no record has told of them. */
static void ended_put(const struct top *top, struct weir_json_out *json)
{
	const struct conntrack_totals *told = &top->sums.told;

	weir_json_open_object(json, "ended");
	weir_json_put_time(json, "since", top->sums.began_ns);
	weir_json_put_uint(json, "keys", top->sums.plan.keys);
	totals_put(told, true, json);
	weir_json_close_object(json);
	weir_json_open_object(json, "unknown");
	weir_json_put_uint(json, "packets",
			   more_than(top->ended.packets, told->packets[0] + told->packets[1]));
	weir_json_put_uint(json, "bytes",
			   more_than(top->ended.bytes, told->bytes[0] + told->bytes[1]));
	weir_json_close_object(json);
	weir_json_open_object(json, "meanwhile");
	weir_json_put_uint(json, "packets", top->late.packets);
	weir_json_put_uint(json, "bytes", top->late.bytes);
	weir_json_close_object(json);
	weir_json_put_uint(json, "missed_at_most", top->groups.missed);
}

/* What is not shown is summed up, so that all adds up to the total. */
static void groups_put(struct conntrack_query *query, const struct top *top, bool is_counted)
{
	const struct conntrack_groups *groups = &top->groups;
	struct conntrack_totals rest = conntrack_groups_rest(groups);

	weir_json_open_array(&query->json, "rows");
	for (size_t i = 0; i < groups->rank.count; i++) {
		struct conntrack_group group = conntrack_groups_at(groups, i);

		group_put(groups, &group, is_counted, &query->json);
	}
	weir_json_close_array(&query->json);
	weir_json_put_uint(&query->json, "groups", conntrack_groups_count(groups));
	weir_json_open_object(&query->json, "rest");
	totals_put(&rest, is_counted, &query->json);
	weir_json_close_object(&query->json);
	weir_json_open_object(&query->json, "total");
	totals_put(&groups->total, is_counted, &query->json);
	weir_json_close_object(&query->json);
	weir_json_put_uint(&query->json, "crowded_flows", conntrack_groups_crowded(groups)->flows);
}

static void flows_put(struct conntrack_query *query, struct top *top)
{
	weir_json_open_array(&query->json, "flows");
	weir_rank_sort(&top->rank);
	for (size_t i = 0; i < top->rank.count; i++) {
		struct met *met = &top->met[top->rank.at[i].slot];

		met->view.flow = &met->flow;
		conntrack_view_put(&met->view, &query->json);
	}
	weir_json_close_array(&query->json);
	weir_json_put_uint(&query->json, "shown", top->rank.count);
	weir_json_put_uint(&query->json, "total", query->total);
}

/* `ret_length` has what is meant where nothing is said. */
static int prefix_read(struct weir_call *call, const char *arg, unsigned most, unsigned *ret_length)
{
	uint64_t length = weir_call_uint(call, arg, *ret_length);

	if (length > most)
		return weir_diag_error(&call->diag, NULL, "--%s: %u is the most", arg, most);
	*ret_length = (unsigned)length;
	return 0;
}

static int word_find(const char *const *words, const char *word)
{
	int i = 0;

	while (words[i] && strcmp(words[i], word) != 0)
		i++;
	return i;
}

static int lengths_read(const struct conntrack *state, struct weir_call *call,
			struct conntrack_groups *groups)
{
	static const unsigned whole[2] = { 32, 128 };

	memcpy(groups->length, groups->kind == CONNTRACK_GROUP_PREFIX ? state->length : whole,
	       sizeof(groups->length));
	return prefix_read(call, "prefix", 32, &groups->length[0]) ?:
		       prefix_read(call, "prefix6", 128, &groups->length[1]);
}

/* What is asked for; refuses what cannot be told. */
static int top_read(struct conntrack_query *query, struct weir_call *call, struct top *top)
{
	bool is_counted = query->state->tables[CONNTRACK_TABLE_PROVEN].sums;
	const char *by = weir_call_str(call, "by"), *group = weir_call_str(call, "group");
	int kind = word_find(conntrack_group_names, group ? group : "flow");

	kind = kind > CONNTRACK_GROUP_KINDS ? CONNTRACK_GROUP_PROTO + 1 : kind;
	top->by = by	     ? (enum conntrack_measure)word_find(conntrack_measure_names, by) :
		  is_counted ? CONNTRACK_BY_BYTES :
			       CONNTRACK_BY_FLOWS;
	if (top->by != CONNTRACK_BY_FLOWS && !is_counted && query->state->is_on)
		return weir_diag_error(&call->diag,
				       "set conntrack: {account: true}, or ask --by flows",
				       "packets and bytes of flows are not counted");
	if (!kind && top->by == CONNTRACK_BY_FLOWS && query->state->is_on)
		return weir_diag_error(&call->diag, "--group src, dport or another; see --help",
				       "one flow is one flow: by flows only groups differ");
	if (query->limit > LIMIT_MOST || !query->limit)
		return weir_diag_error(&call->diag, "narrow them by a filter",
				       "--limit: 1 is the least, %d the most", LIMIT_MOST);
	if (!kind)
		top->met = calloc(query->limit, sizeof(*top->met));
	else
		top->groups.kind = (enum conntrack_group_kind)(kind - 1);
	if (!kind && (!top->met || weir_rank_init(&top->rank, query->limit)))
		return -ENOMEM;
	return lengths_read(query->state, call, &top->groups);
}

static int ended_refuse(const struct conntrack_query *query, struct weir_call *call,
			const struct top *top)
{
	const char *filter = weir_call_str(call, "filter");

	if (top->met)
		return weir_diag_error(&call->diag, "add --group host, or see flow ended",
				       "--ended: flows that have ended are summed up by groups");
	if (top->groups.kind == CONNTRACK_GROUP_STATE)
		return weir_diag_error(&call->diag, "--group proto, dport or another",
				       "--ended: a flow that has ended has no state");
	if (filter && filter[0])
		return weir_diag_error(&call->diag,
				       "leave out the filter, or --ended; flow ended takes one",
				       "--ended: flows that have ended are summed up, all of them");
	if (!conntrack_ledger_sums(query->state->ledger).plan.keys)
		return weir_diag_error(&call->diag,
				       "set conntrack: {account: true}, and records and "
				       "totals.keys that are not 0",
				       "flows that have ended are not summed up");
	return 0;
}

/* Ended flows are summed up by whole addresses, and by networks of one length. */
static int lengths_refuse(const struct conntrack_query *query, struct weir_call *call,
			  const struct top *top)
{
	static const unsigned whole[2] = { 32, 128 };
	const unsigned *length = top->groups.length,
		       *kept = top->groups.kind == CONNTRACK_GROUP_PREFIX ? query->state->length :
									    whole;

	if (length[0] == kept[0] && length[1] == kept[1])
		return 0;
	return weir_diag_error(&call->diag,
			       "--group prefix, without lengths; conntrack.totals has them",
			       "--ended: ended flows are summed up by addresses, and networks of "
			       "/%u and /%u",
			       query->state->length[0], query->state->length[1]);
}

/* Before flows are looked at: one that ends meanwhile is missed, and in no sum twice. */
static int ended_read(const struct conntrack_query *query, struct weir_call *call, struct top *top)
{
	if (!weir_call_flag(call, "ended"))
		return 0;
	int r = ended_refuse(query, call, top) ?: lengths_refuse(query, call, top);

	if (r)
		return r;
	top->has_ended = true;
	top->groups.engine = query->state->engine;
	r = conntrack_ledger_read(query->state->ledger, top->by, &top->groups, &top->sums);
	top->ended = conntrack_ended_get(query->state);
	return r;
}

/* What ended since ended_read(): it was met before that, or is missed. */
static void late_read(const struct conntrack_query *query, struct top *top,
		      const struct conntrack_ended *before)
{
	struct conntrack_ended now = conntrack_ended_get(query->state);

	top->late.packets = more_than(now.packets, before->packets);
	top->late.bytes = more_than(now.bytes, before->bytes);
}

static int top_look(struct conntrack_query *query, struct weir_call *call, struct top *top)
{
	int r = top_read(query, call, top) ?: ended_read(query, call, top);
	const struct conntrack_ended before = top->ended;

	/* What was told of a flow is known by when it began. */
	query->lines = top->has_ended ? CONNTRACK_QUERY_ALL : CONNTRACK_QUERY_SUM;
	if (!r)
		r = conntrack_query_run(query, call);
	if (!r && top->has_ended)
		late_read(query, top, &before);
	return r || top->met ? r : conntrack_groups_rank(&top->groups, top->by, query->limit);
}

static int top_answer(struct conntrack_query *query, struct weir_call *call, struct top *top)
{
	bool is_counted = query->state->tables[CONNTRACK_TABLE_PROVEN].sums;
	int r = top_look(query, call, top);

	if (r)
		return r;
	weir_json_open_object(&query->json, NULL);
	conntrack_tracking_put(query->state, &query->json);
	weir_json_put_uint(&query->json, "as_of_ns", conntrack_tick_ns(query->view.now));
	weir_json_put_bool(&query->json, "steady",
			   query->is_steady &&
				   (top->met || top->groups.kind != CONNTRACK_GROUP_STATE));
	weir_json_put_str(&query->json, "by", conntrack_measure_names[top->by]);
	weir_json_put_str(&query->json, "group",
			  top->met ? conntrack_group_names[0] :
				     conntrack_group_names[top->groups.kind + 1]);
	if (top->met)
		flows_put(query, top);
	else
		groups_put(query, top, is_counted);
	if (top->has_ended)
		ended_put(top, &query->json);
	weir_json_close_object(&query->json);
	return 0;
}

int conntrack_top_run(struct weir_engine *engine, struct weir_call *call, uint64_t limit)
{
	struct top top = { .has_ended = false };
	struct conntrack_query query = {
		.state = weir_engine_state(engine, &weir_conntrack),
		.json = { .out = &call->reply },
		.limit = limit,
		.each = top_each,
		.arg = &top,
	};
	int r = top_answer(&query, call, &top);

	conntrack_groups_done(&top.groups);
	weir_rank_done(&top.rank);
	free(top.met);
	return r;
}

static int run_top(struct weir_engine *engine, struct weir_call *call)
{
	return conntrack_top_run(engine, call, weir_call_uint(call, "limit", CONNTRACK_TOP_LIMIT));
}

static const struct weir_arg top_args[] = {
	CONNTRACK_FILTER_ARG(0),
	CONNTRACK_TOP_ARGS,
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show so many",
	  .fallback = "20" },
	{ 0 },
};

void conntrack_top_before(struct weir_engine *engine)
{
	weir_engine_hear(engine);
}

const struct weir_op conntrack_top_op = {
	.name = "flow.top",
	.summary = "Show who carries most: flows, hosts, networks, ports, services, interfaces",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = top_args,
	.example = "flow top --group host --prefix 24 proto=tcp",
	.run = run_top,
	.before = conntrack_top_before,
	.is_heavy = conntrack_query_is_heavy,
};
