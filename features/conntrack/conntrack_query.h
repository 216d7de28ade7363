/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that look at all flows there are: through a filter, in place. */
#ifndef WEIR_CONNTRACK_QUERY_H
#define WEIR_CONNTRACK_QUERY_H

#include "features/conntrack/conntrack_state.h"
#include "features/conntrack/conntrack_view.h"

/* What is read of a flow besides its first line: a cache line each, and memory is what a look at
 * all of them waits for. */
enum conntrack_query_line {
	CONNTRACK_QUERY_REST = 1 << 0, /* its age, and what the window check knows */
	CONNTRACK_QUERY_SUM = 1 << 1,  /* what it carried */
	CONNTRACK_QUERY_ALL = CONNTRACK_QUERY_REST | CONNTRACK_QUERY_SUM,
};

/* What a call does with each flow that passes its filter. */
struct conntrack_query {
	struct conntrack *state;
	struct weir_filter *filter;
	struct weir_json_out json;
	struct conntrack_view view; /* of the flow at hand */
	struct conntrack_flow flow; /* the same, as a copy */
	struct conntrack_place_names names;
	unsigned lines, asked; /* of each flow that passes; that the filter asks for */
	uint64_t limit, total, shown;
	struct conntrack_table *table; /* … and where it lies */
	int (*each)(struct conntrack_query *query, uint32_t index);
	bool forgets;
	bool is_steady; /* a flow that passes the filter once does so for all its life */
	void *arg;	/* of `each` */
};

#define CONNTRACK_FILTER_ARG(more)                                                               \
	{                                                                                        \
		.name = "filter", .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REST | (more),         \
		.metavar = "FILTER",                                                             \
		.help = "which: src=10.0.0.0/8 and port=443 and state=established; the page on " \
			"connections has the fields"                                             \
	}

extern const char *const conntrack_group_names[], *const conntrack_measure_names[];

/* Of what sums up, whatever it is called. */
#define CONNTRACK_TOP_ARGS                                                                       \
	{ .name = "by",                                                                          \
	  .type = WEIR_ARG_CHOICE,                                                               \
	  .metavar = "WHAT",                                                                     \
	  .choices = conntrack_measure_names,                                                    \
	  .help = "what is most: bytes (the default where flows are counted), packets, flows" }, \
		{ .name = "group",                                                               \
		  .type = WEIR_ARG_CHOICE,                                                       \
		  .metavar = "FIELD",                                                            \
		  .choices = conntrack_group_names,                                              \
		  .help = "sum up the flows that have this in common",                           \
		  .fallback = "flow" },                                                          \
		{ .name = "ended",                                                               \
		  .type = WEIR_ARG_BOOL,                                                         \
		  .help = "with what flows carried that have ended: totals, by --group" },       \
		{ .name = "prefix",                                                              \
		  .type = WEIR_ARG_UINT,                                                         \
		  .metavar = "BITS",                                                             \
		  .help = "of IPv4 addresses: sum up by networks of this length",                \
		  .fallback = "32" },                                                            \
	{                                                                                        \
		.name = "prefix6", .type = WEIR_ARG_UINT, .metavar = "BITS",                     \
		.help = "the same for IPv6", .fallback = "128"                                   \
	}

#define CONNTRACK_LIST_LIMIT 1000
#define CONNTRACK_TOP_LIMIT 20

/* What flow list and flow top do, and flows by either's words. */
int conntrack_list_run(struct weir_engine *engine, struct weir_call *call, uint64_t limit);
int conntrack_top_run(struct weir_engine *engine, struct weir_call *call, uint64_t limit);
/* What has ended until now is told of: else its numbers would be in no sum for some 50 ms. */
void conntrack_top_before(struct weir_engine *engine);

extern const struct weir_op conntrack_top_op;	/* conntrack_top_ops.c */
extern const struct weir_op conntrack_flows_op; /* conntrack_flows_op.c */
extern const struct weir_op conntrack_ended_op; /* conntrack_record_ops.c */
/* For the row of an operation: the tables are large, so a worker looks. */
bool conntrack_query_is_heavy(struct weir_engine *engine, const struct weir_call *call);
/* -EINVAL: the filter of the call is wrong, and says where; else what `each` said. */
int conntrack_query_run(struct conntrack_query *query, struct weir_call *call);
/* For `each`, of the flow at hand: the lines that were not wanted of all. False: another flow has
 * its place by now. */
bool conntrack_query_whole(struct conntrack_query *query, uint32_t index);
/* Whether flows are tracked, into the open object, and if not, why not. */
void conntrack_tracking_put(const struct conntrack *state, struct weir_json_out *json);
const char *conntrack_untracked_why(const struct conntrack *state);

#endif
