/* SPDX-License-Identifier: Apache-2.0 */
/* limit top: who is over a limit, by how much, since when. */
#include <errno.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/filter.h"
#include "core/engine.h"
#include "features/limit/limit_state.h"

/* What a filter is asked about, and what is shown. */
struct top_row {
	const struct limit_over *over;
	const struct limit_known *known;
};

enum top_field {
	TOP_LIMIT,
	TOP_ADDR,
	TOP_PROTO,
	TOP_PORT,
	TOP_OVER,
	TOP_PPS,
};

static const struct weir_filter_field top_fields[] = {
	[TOP_LIMIT] = { "limit", "name of the limit", WEIR_FILTER_TEXT, NULL, 0 },
	[TOP_ADDR] = { "addr", "the address, or the first of the network", WEIR_FILTER_ADDRESS,
		       NULL, 0 },
	[TOP_PROTO] = { "proto", "protocol of the service, by number", WEIR_FILTER_NUMBER, NULL,
			255 },
	[TOP_PORT] = { "port", "port of the service", WEIR_FILTER_NUMBER, NULL, 65535 },
	[TOP_OVER] = { "over", "packets over the limit", WEIR_FILTER_NUMBER, NULL, 0 },
	[TOP_PPS] = { "pps", "packets a second over it, of late", WEIR_FILTER_NUMBER, NULL, 0 },
	{ 0 },
};

static size_t top_get(const void *item, size_t field,
		      union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX])
{
	const struct top_row *row = item;

	switch ((enum top_field)field) {
	case TOP_LIMIT:
		ret_values->text = row->known->name;
		return 1;
	case TOP_ADDR:
		ret_values->addr = row->over->addr;
		return row->over->has_addr;
	case TOP_PROTO:
		ret_values->number = row->over->proto;
		return row->over->has_service;
	case TOP_PORT:
		ret_values->number = row->over->port;
		return row->over->has_service;
	case TOP_OVER:
		ret_values->number = (uint64_t)row->over->over;
		return 1;
	case TOP_PPS:
		ret_values->number = (uint64_t)row->over->pps;
		return 1;
	}
	return 0;
}

/* The highest rate first. */
static int top_compare(const void *a, const void *b)
{
	const struct limit_over *one = ((const struct top_row *)a)->over;
	const struct limit_over *other = ((const struct top_row *)b)->over;

	if (one->pps != other->pps)
		return one->pps < other->pps ? 1 : -1;
	return one->over < other->over ? 1 : one->over > other->over ? -1 : 0;
}

static void addr_put(const struct limit_over *over, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	char addr[WEIR_ADDR_TEXT];
	bool is_v4 = weir_addr_is_v4(&over->addr);
	unsigned whole = is_v4 ? 32 : 128, length = over->length - (is_v4 ? 96 : 0);

	weir_buf_add_str(&text, weir_addr_to_string(&over->addr, addr));
	if (length < whole)
		weir_buf_addf(&text, "/%u", length);
	weir_json_put_str(json, "addr", weir_buf_str(&text));
}

static void row_put(const struct top_row *row, struct weir_json_out *json)
{
	const struct limit_over *over = row->over;

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "limit", row->known->name);
	if (over->has_addr)
		addr_put(over, json);
	if (over->has_service) {
		weir_json_put_uint(json, "proto", over->proto);
		weir_json_put_uint(json, "port", over->port);
	}
	weir_json_put_uint(json, "over", (uint64_t)(over->over + 0.5));
	weir_json_put_uint(json, "of_others", (uint64_t)(over->error + 0.5));
	weir_json_put_uint(json, "pps", (uint64_t)(over->pps + 0.5));
	weir_json_put_uint(json, "told", over->told);
	weir_json_put_moment(json, "since", over->since_ns);
	weir_json_put_moment(json, "last", over->last_ns);
	weir_json_close_object(json);
}

static unsigned rows_gather(const struct limit_top *top, const struct weir_filter *filter,
			    struct top_row rows[LIMIT_TOP_ENTRIES])
{
	unsigned count = 0;

	for (unsigned i = 0; i < LIMIT_TOP_ENTRIES; i++) {
		struct top_row row = { &top->at[i], limit_top_known(top, top->at[i].limit) };

		if (top->keys[i] && row.known && row.over->told &&
		    weir_filter_matches(filter, top_get, &row))
			rows[count++] = row;
	}
	qsort(rows, count, sizeof(rows[0]), top_compare);
	return count;
}

static uint64_t untold_of(const struct limit_top *top)
{
	uint64_t untold = 0;

	for (unsigned i = 0; i < top->known_count; i++)
		untold += top->known[i].untold;
	return untold;
}

static int run_top(struct weir_engine *engine, struct weir_call *call)
{
	const struct limit *state = weir_engine_state(engine, &weir_limit);
	_cleanup_filter_ struct weir_filter *filter = NULL;
	_cleanup_free_ struct top_row *rows = calloc(LIMIT_TOP_ENTRIES, sizeof(*rows));
	struct weir_json_out json = { .out = &call->reply };
	const char *text = weir_call_str(call, "filter");
	uint64_t most = weir_call_uint(call, "limit", 20);
	int r = rows ? weir_filter_new(text ? text : "", top_fields, &call->diag, &filter) :
		       -ENOMEM;

	if (r)
		return r;
	unsigned count = rows_gather(&state->top, filter, rows);

	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "top");
	for (unsigned i = 0; i < count && i < most; i++)
		row_put(&rows[i], &json);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "shown", count < most ? count : most);
	weir_json_put_uint(&json, "total", count);
	weir_json_put_uint(&json, "untold", untold_of(&state->top));
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_arg top_args[] = {
	{ .name = "filter",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REST,
	  .metavar = "FILTER",
	  .help = "which: limit=icmp and addr=10.0.0.0/8 and pps>100; the page on limits has the "
		  "fields" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many",
	  .fallback = "20" },
	{ 0 },
};

const struct weir_op limit_top_op = {
	.name = "limit.top",
	.summary = "Show who is over a limit, by how much and since when",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = top_args,
	.example = "limit top limit=icmp and pps>100",
	.run = run_top,
};
