/* SPDX-License-Identifier: Apache-2.0 */
/* All that is known of one row, brought up to date by each look. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/top/app.h"
#include "cli/view.h"

#define MOST_LINES 10000

static void term_add(struct weir_buf *filter, const struct weir_json *json, const char *key)
{
	const struct weir_json *member = weir_json_get(json, key);

	if (!member)
		return;
	weir_buf_addf(filter, "%s%s=", filter->len ? " and " : "", key);
	if (weir_json_str(member, NULL))
		weir_buf_add_str(filter, weir_json_str(member, ""));
	else
		weir_json_add(member, filter);
}

static char *target_make(const char *path, const struct weir_buf *filter)
{
	struct weir_buf target = { 0 };

	weir_buf_add_str(&target, path);
	weir_query_add_escaped(&target, weir_buf_str(filter));
	return weir_buf_take(&target);
}

/* Of a flow there is more to be had than the list has. NULL: no memory. */
static char *flow_target(const struct weir_json *json)
{
	static const char *const keys[] = { "proto", "src", "sport", "dst", "dport" };
	_cleanup_buf_ struct weir_buf filter = { 0 };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++)
		term_add(&filter, json, keys[i]);
	return target_make("/api/v1/flow/show?filter=", &filter);
}

/* The socket of this host at either end of it. NULL: there is none, or no memory. */
static char *socket_target(const struct weir_json *json)
{
	const char *proto = weir_view_str(json, "proto");
	_cleanup_buf_ struct weir_buf filter = { 0 };

	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0)
		return NULL;
	weir_buf_addf(&filter, "proto=%s and host=%s and host=%s and port=%llu and port=%llu",
		      proto, weir_view_str(json, "src"), weir_view_str(json, "dst"),
		      (unsigned long long)weir_view_uint(json, "sport"),
		      (unsigned long long)weir_view_uint(json, "dport"));
	return target_make("/api/v1/socket/list?filter=", &filter);
}

static const struct top_row *row_find(const struct top_app *app)
{
	for (size_t i = 0; i < app->model.rows.count; i++)
		if (strcmp(app->model.rows.at[i].key, app->detail.key) == 0)
			return &app->model.rows.at[i];
	return NULL;
}

static void rates_add(const struct top_app *app, const struct top_row *row, struct weir_buf *out)
{
	const struct top_column *column = top_model_way(&app->model)->columns;

	for (; column->title; column++) {
		if (column->kind != TOP_RATE && column->kind != TOP_RATE_SIZE)
			continue;
		weir_buf_addf(out, "%s%s ", out->len ? "   " : "", column->title);
		top_row_text(row, column, out);
	}
	weir_buf_add_char(out, '\n');
}

/* "curl (4711), uid 1000, rtt 21.3 ms, 3 sent again": what one wants to know first. */
static void owner_add(const struct weir_json *told, struct weir_buf *out)
{
	const struct weir_json *socket = weir_json_at(weir_json_get(told, "sockets"), 0),
			       *rtt = weir_json_get(socket, "rtt_ms");

	if (!socket)
		return;
	if (weir_json_get(socket, "process"))
		weir_buf_addf(out, "%s (%llu), uid %llu", weir_view_str(socket, "process"),
			      (unsigned long long)weir_view_uint(socket, "pid"),
			      (unsigned long long)weir_view_uint(socket, "uid"));
	else
		weir_buf_add_str(out, "a socket whose owner is not known");
	if (rtt)
		weir_buf_addf(out, ", rtt %.1f ms, %llu sent again", weir_json_real(rtt, 0),
			      (unsigned long long)weir_view_uint(socket, "retransmits"));
	weir_buf_add_char(out, '\n');
}

/* Of a flow of this host: whose its socket is, and how well TCP gets on. */
static void socket_add(const struct weir_json *told, struct weir_view *view)
{
	const struct weir_json *sockets = weir_json_get(told, "sockets");

	for (size_t i = 0; i < weir_json_size(sockets); i++) {
		weir_view_heading(view, "Socket");
		weir_view_generic(view, weir_json_at(sockets, i), 0);
	}
}

/* Echoes have no ports by which the daemon could be asked for one alone. NULL: it is not there. */
static const struct weir_json *flow_find(const struct weir_json *flows, const struct weir_json *row)
{
	static const char *const keys[] = { "born_ns", "icmp_id" };

	for (size_t i = 0; i < weir_json_size(flows); i++) {
		const struct weir_json *flow = weir_json_at(flows, i);
		bool is_same = true;

		for (size_t at = 0; at < WEIR_ARRAY_SIZE(keys); at++)
			is_same &= weir_view_uint(flow, keys[at]) == weir_view_uint(row, keys[at]);
		if (is_same)
			return flow;
	}
	return NULL;
}

void top_detail_update(struct top_app *app, struct weir_json *const told[TOP_DETAILS])
{
	struct top_detail *detail = &app->detail;
	const struct weir_json *json = NULL;
	const struct top_row *row = app->mode == TOP_MODE_DETAIL ? row_find(app) : NULL;
	struct weir_view view = { .out = &detail->text };

	if (app->mode != TOP_MODE_DETAIL)
		return;
	detail->is_over = !row;
	if (!row)
		return;
	json = flow_find(weir_json_get(told[0], "flows"), row->json);
	weir_buf_clear(&detail->text);
	rates_add(app, row, &detail->text);
	owner_add(told[1], &detail->text);
	weir_buf_add_char(&detail->text, '\n');
	weir_view_generic(&view, json ? json : row->json, 0);
	socket_add(told[1], &view);
}

static void targets_set(struct top_detail *detail, const struct weir_json *json, bool is_flow)
{
	for (size_t i = 0; i < TOP_DETAILS; i++)
		free(weir_take(detail->targets[i]));
	if (!is_flow)
		return;
	detail->targets[0] = flow_target(json);
	detail->targets[1] = socket_target(json);
}

void top_detail_open(struct top_app *app)
{
	const struct top_row *row = top_model_row(&app->model);
	struct top_detail *detail = &app->detail;

	if (!row)
		return;
	free(detail->key);
	targets_set(detail, row->json, strcmp(top_model_way(&app->model)->name, "flow") == 0);
	detail->key = strdup(row->key);
	top_block_offers(app, detail->offered);
	detail->first = 0;
	if (!detail->key)
		return;
	top_model_select(&app->model, top_model_selected(&app->model));
	app->mode = TOP_MODE_DETAIL;
	app->is_due = !app->is_paused;
	top_detail_update(app, (struct weir_json *[TOP_DETAILS]){ NULL });
}

static void scroll(struct top_app *app, long step)
{
	long first = (long)app->detail.first + step;

	app->detail.first = first > 0 ? (size_t)first : 0;
}

/* Of the row that is told of, and not of the one that stands in its place since it is over. */
static void flows_open(struct top_app *app)
{
	if (!row_find(app)) {
		app->said = "it is over, and has no flows to go to";
		return;
	}
	app->mode = TOP_MODE_LIST;
	top_flows_open(app);
}

void top_detail_key(struct top_app *app, int key)
{
	long page = app->rows_height > 1 ? (long)app->rows_height - 1 : 1;

	switch (top_key_action(key)) {
	case TOP_UP:
		scroll(app, -1);
		break;
	case TOP_DOWN:
		scroll(app, 1);
		break;
	case TOP_FIRST:
		app->detail.first = 0;
		break;
	case TOP_LAST:
		scroll(app, MOST_LINES);
		break;
	case TOP_PAGE_UP:
		scroll(app, -page);
		break;
	case TOP_PAGE_DOWN:
		scroll(app, page);
		break;
	case TOP_BLOCK:
		top_block_open_with(app, app->detail.offered);
		break;
	case TOP_FLOWS:
		flows_open(app);
		break;
	case TOP_PAUSE:
		top_list_key(app, key);
		break;
	case TOP_BACK:
	case TOP_DETAIL:
	case TOP_QUIT:
		app->mode = TOP_MODE_LIST;
		break;
	default:
		break;
	}
}
