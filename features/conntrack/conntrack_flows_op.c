/* SPDX-License-Identifier: Apache-2.0 */
/* flows: flow list, or flow top where something is to be the most, in one word. */
#include "features/conntrack/conntrack_query.h"

static bool is_top(const struct weir_call *call)
{
	return weir_call_str(call, "by") || weir_call_str(call, "group") ||
	       weir_call_flag(call, "ended") ||
	       weir_call_uint(call, "top", UINT64_MAX) != UINT64_MAX;
}

static int run_flows(struct weir_engine *engine, struct weir_call *call)
{
	if (is_top(call))
		return conntrack_top_run(engine, call,
					 weir_call_uint(call, "top", CONNTRACK_TOP_LIMIT));
	return conntrack_list_run(engine, call,
				  weir_call_uint(call, "limit", CONNTRACK_LIST_LIMIT));
}

static const struct weir_arg flows_args[] = {
	CONNTRACK_FILTER_ARG(0),
	{ .name = "top",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "the N that carry most; 20 where only --by or --group is given" },
	CONNTRACK_TOP_ARGS,
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "list no more than so many",
	  .fallback = "1000" },
	{ 0 },
};

const struct weir_op conntrack_flows_op = {
	.name = "flows",
	.summary = "Show connections as flow list does, or with --top as flow top",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = flows_args,
	.example = "flows proto=tcp --top 10 --by bytes --group src",
	.run = run_flows,
	.before = conntrack_top_before,
	.is_heavy = conntrack_query_is_heavy,
};
