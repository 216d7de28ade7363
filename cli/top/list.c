/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do in the list, and in the help that lies over it. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/top/app.h"
#include "cli/view.h"

/* What names of devices commonly are, and need no quotes. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static const uint64_t intervals_ms[] = { 100, 250, 500, 1000, 2000, 5000, 10000, 30000, 60000 };

static void interval_step(struct top_app *app, int step)
{
	uint64_t ms = app->interval_ns / WEIR_NS_PER_MS;
	size_t count = WEIR_ARRAY_SIZE(intervals_ms), i = 0;

	while (i < count && intervals_ms[i] < ms)
		i++;
	if (step < 0)
		i = i ? i - 1 : 0;
	else if (i < count && intervals_ms[i] == ms)
		i++;
	app->interval_ns = intervals_ms[i < count ? i : count - 1] * WEIR_NS_PER_MS;
}

static void tab_go(struct top_app *app, size_t tab)
{
	if (tab >= top_tabs_count())
		return;
	top_model_tab(&app->model, tab);
	app->is_due = true;
}

/* Esc takes away what narrows the list. */
static void back(struct top_app *app)
{
	if (app->mode == TOP_MODE_HELP) {
		app->mode = TOP_MODE_LIST;
	} else if (*top_model_filter(&app->model)) {
		(void)top_model_filter_set(&app->model, "");
		app->is_due = true;
	}
}

/* Names of processes and devices may be anything: quoted, none is taken for grammar. */
static void quoted_add(const char *text, struct weir_buf *out)
{
	weir_buf_add_char(out, '"');
	for (; *text; text++) {
		if (strchr("\"\\*", *text))
			weir_buf_add_char(out, '\\');
		weir_buf_add_char(out, *text);
	}
	weir_buf_add_char(out, '"');
}

static void port_filter_add(const struct top_way *way, const char *name, struct weir_buf *out)
{
	const char *stroke = strchr(name, '/');

	weir_buf_addf(out, "%s=%.*s%s%s", way->flows,
		      stroke ? (int)(stroke - name) : (int)strlen(name), name,
		      stroke ? " and proto=" : "", stroke ? stroke + 1 : "");
}

/* Called as flows call it. */
static void backend_filter_add(const struct weir_json *row, struct weir_buf *out)
{
	weir_buf_addf(out, "backend=%s/", weir_view_str(row, "service"));
	top_end_add(row, "address", "port", out);
}

/* "443/tcp" is a port and a protocol, which are two fields. */
static void row_filter_add(const struct top_way *way, const struct weir_json *row,
			   struct weir_buf *out)
{
	const char *name = weir_view_str(row, "name");

	if (strcmp(way->flows, "dport") == 0 || strcmp(way->flows, "sport") == 0) {
		port_filter_add(way, name, out);
	} else if (strcmp(way->rows, "services") == 0) {
		weir_buf_addf(out, "backend=%s/*", name);
	} else if (strcmp(way->rows, "backends") == 0) {
		backend_filter_add(row, out);
	} else {
		weir_buf_addf(out, "%s=", way->flows);
		if (strcmp(way->flows, "interface") == 0 && name[strspn(name, PLAIN)])
			quoted_add(name, out);
		else
			weir_buf_add_str(out, name);
	}
}

static void sockets_open(struct top_app *app, const struct top_way *way, const struct top_row *row)
{
	_cleanup_buf_ struct weir_buf filter = { 0 };
	size_t last = top_ways_count(&top_tabs[app->model.tab]) - 1;

	weir_buf_addf(&filter, "%s=", way->sockets);
	quoted_add(weir_view_str(row->json, way->keys[0]), &filter);
	while (app->model.ways[app->model.tab] != last)
		top_model_way_next(&app->model);
	if (filter.failed || top_model_filter_set(&app->model, weir_buf_str(&filter)))
		app->said = "out of memory";
	app->is_due = true;
}

void top_flows_open(struct top_app *app)
{
	const struct top_way *way = top_model_way(&app->model);
	const struct top_row *row = top_model_row(&app->model);
	_cleanup_buf_ struct weir_buf filter = { 0 };

	if (row && way->sockets) {
		sockets_open(app, way, row);
		return;
	}
	if (!row || !way->flows) {
		app->said = "there are no flows to go to from here";
		return;
	}
	if (way->filtered == TOP_FILTER_FLOWS && *top_model_filter(&app->model))
		weir_buf_addf(&filter, "(%s) and ", top_model_filter(&app->model));
	row_filter_add(way, row->json, &filter);
	app->model.ways[0] = 0;
	tab_go(app, 0);
	if (filter.failed || top_model_filter_set(&app->model, weir_buf_str(&filter)))
		app->said = "out of memory";
	app->is_due = true;
}

static void move(struct top_app *app, enum top_action action)
{
	long page = app->rows_height > 1 ? (long)app->rows_height - 1 : 1;
	long all = (long)app->model.rows.count;
	const long steps[] = { [TOP_UP] = -1,	       [TOP_DOWN] = 1,	   [TOP_PAGE_UP] = -page,
			       [TOP_PAGE_DOWN] = page, [TOP_FIRST] = -all, [TOP_LAST] = all };

	if (app->mode == TOP_MODE_HELP) {
		long first = (long)app->help_first + steps[action];

		app->help_first = first > 0 ? (size_t)first : 0;
		return;
	}
	top_model_move(&app->model, steps[action]);
}

static void sort_act(struct top_app *app, enum top_action action)
{
	if (action == TOP_REVERSE)
		top_model_sort_reverse(&app->model);
	else
		top_model_sort_step(&app->model, action == TOP_SORT_NEXT ? 1 : -1);
	app->is_due = !app->is_paused;
}

static void pause_turn(struct top_app *app)
{
	app->is_paused = !app->is_paused;
	app->is_due = !app->is_paused;
}

static void tabs_act(struct top_app *app, enum top_action action, int key)
{
	size_t count = top_tabs_count(), tab = app->model.tab;

	if (action == TOP_TAB_NUMBER)
		tab_go(app, (size_t)(key - '1'));
	else
		tab_go(app, (tab + (action == TOP_TAB_NEXT ? 1 : count - 1)) % count);
}

static void group_next(struct top_app *app)
{
	if (top_ways_count(&top_tabs[app->model.tab]) < 2) {
		app->said = "there is one way to group these";
		return;
	}
	top_model_way_next(&app->model);
	app->is_due = true;
}

static void act(struct top_app *app, enum top_action action, int key)
{
	switch (action) {
	case TOP_TAB_NEXT:
	case TOP_TAB_BEFORE:
	case TOP_TAB_NUMBER:
		tabs_act(app, action, key);
		break;
	case TOP_SORT_NEXT:
	case TOP_SORT_BEFORE:
	case TOP_REVERSE:
		sort_act(app, action);
		break;
	case TOP_FILTER:
		top_filter_open(app);
		break;
	case TOP_GROUP:
		group_next(app);
		break;
	case TOP_PAUSE:
		pause_turn(app);
		break;
	case TOP_DETAIL:
		top_detail_open(app);
		break;
	case TOP_FLOWS:
		top_flows_open(app);
		break;
	case TOP_BLOCK:
		top_block_open(app);
		break;
	case TOP_FASTER:
	case TOP_SLOWER:
		interval_step(app, action == TOP_FASTER ? -1 : 1);
		break;
	default:
		move(app, action);
	}
}

void top_list_key(struct top_app *app, int key)
{
	enum top_action action = top_key_action(key);
	bool is_help = app->mode == TOP_MODE_HELP;

	if (action == TOP_QUIT && !is_help) {
		app->is_over = true;
	} else if (action == TOP_HELP || (is_help && action == TOP_QUIT)) {
		app->mode = is_help ? TOP_MODE_LIST : TOP_MODE_HELP;
		app->help_first = 0;
	} else if (action == TOP_BACK) {
		back(app);
	} else if (action != TOP_NOTHING) {
		if (is_help && action > TOP_LAST)
			app->mode = TOP_MODE_LIST;
		act(app, action, key);
	}
}
