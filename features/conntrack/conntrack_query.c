/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_query.h"

#define HEAVY_SETS 4096 /* about a millisecond to look at */

bool conntrack_query_is_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	const struct conntrack *state = weir_engine_state(engine, &weir_conntrack);

	(void)call;
	/* A change may be taking up other tables on its worker: then it is waited for. */
	return !weir_engine_is_idle(engine) ||
	       state->tables[CONNTRACK_TABLE_PROVEN].set_count +
			       state->tables[CONNTRACK_TABLE_HALF].set_count >
		       HEAVY_SETS;
}

static int query_visit(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct conntrack_query *query = arg;

	query->view.flow = flow;
	query->view.is_counted =
		conntrack_carried_get(query->table, index, flow->word, &query->view.carried);
	if (!weir_filter_matches(query->filter, conntrack_filter_get, &query->view))
		return 0;
	query->total++;
	return query->each(query, index);
}

static int query_table(struct conntrack_query *query, struct conntrack_table *table)
{
	query->table = table;
	query->view.table = table->kind;
	return conntrack_table_each(table, query->view.now, query_visit, query);
}

/* What a reload could not bring over yet is in the tables of before it, and is followed there. */
static int query_old(struct conntrack_query *query, int kind)
{
	struct conntrack *state = query->state;

	if (!state->old[kind].set_count || conntrack_table_stays(state, kind))
		return 0;
	return query_table(query, &state->old[kind]);
}

static int query_tables(struct conntrack_query *query)
{
	int r = 0;

	for (int i = 0; i < CONNTRACK_TABLES && !r; i++) {
		r = query_table(query, &query->state->tables[i]);
		if (!r)
			r = query_old(query, i);
	}
	return r;
}

/* In the order in which flows move, so that one which does meanwhile is met where it has gone. */
static int query_tables_as_flows_move(struct conntrack_query *query)
{
	int r = 0;

	for (int i = CONNTRACK_TABLES - 1; i >= 0 && !r; i--)
		r = query_old(query, i);
	for (int i = CONNTRACK_TABLES - 1; i >= 0 && !r; i--)
		r = query_table(query, &query->state->tables[i]);
	return r;
}

int conntrack_query_run(struct conntrack_query *query, struct weir_call *call)
{
	const char *text = weir_call_str(call, "filter");
	int r = weir_filter_new(text ? text : "", conntrack_filter_fields, &call->diag,
				&query->filter);

	query->view.now = conntrack_now();
	query->view.past = &query->state->past;
	query->view.engine = query->state->engine;
	if (!r)
		r = query->forgets ? query_tables_as_flows_move(query) : query_tables(query);
	weir_filter_free(query->filter);
	return r;
}

const char *conntrack_untracked_why(const struct conntrack *state)
{
	return state->enabled == CONNTRACK_OFF ?
		       "connections are not tracked: conntrack: {enabled: false}" :
		       "connections are not tracked: no policy denies by default, no rule asks for "
		       "a state and no limit counts connections; conntrack: {enabled: true} tracks "
		       "them";
}

void conntrack_tracking_put(const struct conntrack *state, struct weir_json_out *json)
{
	weir_json_put_bool(json, "tracked", state->is_on);
	if (!state->is_on)
		weir_json_put_str(json, "note", conntrack_untracked_why(state));
}
