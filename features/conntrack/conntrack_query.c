/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_query.h"

#include "features/conntrack/conntrack_step.h"

#define HEAVY_SETS 4096 /* about half a millisecond to look at */
#define SETS_AHEAD 6	/* whose lines are on their way */

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

/* False: another flow has the place by now. */
static bool lines_read(struct conntrack_query *query, uint32_t index, unsigned lines)
{
	struct conntrack_view *view = &query->view;

	if (lines & CONNTRACK_QUERY_SUM)
		view->is_counted = conntrack_carried_get(query->table, index, query->flow.word,
							 &view->carried);
	return !(lines & CONNTRACK_QUERY_REST) ||
	       flow_copy_rest(&query->table->flows[index], &query->flow);
}

bool conntrack_query_whole(struct conntrack_query *query, uint32_t index)
{
	return lines_read(query, index, CONNTRACK_QUERY_ALL & ~(query->lines | query->asked));
}

/* A copy that was whole at one time, as far as the filter asks. False: there is none any more. */
static bool flow_read(struct conntrack_query *query, uint32_t index)
{
	query->view.is_counted = false;
	return flow_copy_first(&query->table->flows[index], &query->flow) &&
	       conntrack_is_there(query->flow.word, query->flow.expires_ticks, query->view.now) &&
	       lines_read(query, index, query->asked);
}

static int query_visit(struct conntrack_query *query, uint32_t index)
{
	if (!flow_read(query, index) ||
	    !weir_filter_matches(query->filter, conntrack_filter_get, &query->view))
		return 0;
	if (query->lines & ~query->asked && !lines_read(query, index, query->lines & ~query->asked))
		return 0;
	query->total++;
	return query->each(query, index);
}

static void set_prefetch(const struct conntrack_query *query, uint32_t number)
{
	const struct conntrack_table *table = query->table;
	unsigned lines = query->lines | query->asked;

	for (unsigned taken = set_taken(&table->sets[number]); taken; taken &= taken - 1) {
		uint32_t index = number * CONNTRACK_WAYS + (uint32_t)__builtin_ctz(taken);

		__builtin_prefetch(&table->flows[index]);
		if (lines & CONNTRACK_QUERY_REST)
			__builtin_prefetch(&table->flows[index].side);
		if (lines & CONNTRACK_QUERY_SUM && table->sums)
			__builtin_prefetch(&table->sums[CONNTRACK_SUM_ROW(index)]);
	}
}

/* Whatever comes, goes or moves meanwhile may be missed or, when it moves between tables, met
 * twice, as with conntrack_table_each(). */
static int query_table(struct conntrack_query *query, struct conntrack_table *table)
{
	query->table = table;
	query->view.table = table->kind;
	for (uint32_t number = 0; number < table->set_count; number++) {
		if (table->set_count - number > SETS_AHEAD)
			set_prefetch(query, number + SETS_AHEAD);
		for (unsigned taken = set_taken(&table->sets[number]); taken; taken &= taken - 1) {
			int r = query_visit(query, number * CONNTRACK_WAYS +
							   (uint32_t)__builtin_ctz(taken));

			if (r)
				return r;
		}
	}
	return 0;
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

static unsigned filter_lines(const struct weir_filter *filter)
{
	return (conntrack_filter_asks_rest(filter) ? CONNTRACK_QUERY_REST : 0) |
	       (conntrack_filter_asks_carried(filter) ? CONNTRACK_QUERY_SUM : 0);
}

int conntrack_query_run(struct conntrack_query *query, struct weir_call *call)
{
	const char *text = weir_call_str(call, "filter");
	int r = weir_filter_new(text ? text : "", conntrack_filter_fields, &call->diag,
				&query->filter);

	query->view.now = conntrack_now();
	query->view.flow = &query->flow;
	query->view.names = &query->names;
	query->view.past = &query->state->past;
	query->view.engine = query->state->engine;
	query->is_steady = !r && conntrack_filter_is_steady(query->filter);
	/* Where all pass, all is read at once. */
	query->asked = r ? 0 : text && text[0] ? filter_lines(query->filter) : query->lines;
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
