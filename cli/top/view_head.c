/* SPDX-License-Identifier: Apache-2.0 */
/* The host: what goes in and out, how many flows, what is lost, and whether it is under attack. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/top/view.h"
#include "cli/view.h"

#define HOST_BYTES 256
#define LATE_NS (2 * WEIR_NS_PER_S)
#define RATES_WIDTH 40 /* of a line, before the sparkline */

static void count_or_none(double number, struct weir_buf *out)
{
	if (isnan(number))
		weir_buf_add_str(out, "-");
	else
		weir_count_format((uint64_t)(number + 0.5), out);
}

/* What is not as usual, at the right: it must be seen. */
static int notice(struct top_app *app)
{
	struct top_grid *grid = &app->grid;
	_cleanup_buf_ struct weir_buf text = { 0 };
	enum top_style style = TOP_DIM;

	if (app->is_waiting && app->now_ns - app->asked_ns > app->interval_ns + LATE_NS) {
		style = TOP_WARN;
		weir_buf_add_str(&text, "no answer for ");
		weir_duration_format((app->now_ns - app->asked_ns) / WEIR_NS_PER_S * WEIR_NS_PER_S,
				     &text);
	} else if (app->is_paused) {
		style = TOP_WARN;
		weir_buf_add_str(&text, "PAUSED");
	} else {
		weir_buf_add_str(&text, "every ");
		weir_duration_format(app->interval_ns, &text);
	}
	top_grid_right(grid, 0, 0, grid->width, style, weir_buf_str(&text));
	return top_grid_columns(grid, weir_buf_str(&text));
}

static void host_line(struct top_app *app)
{
	struct top_grid *grid = &app->grid;
	const struct weir_json *status = app->model.status;
	char host[HOST_BYTES] = "";
	_cleanup_buf_ struct weir_buf uptime = { 0 };
	int width = grid->width - notice(app) - 1, x;

	gethostname(host, sizeof(host) - 1);
	x = top_grid_text(grid, 0, 0, width, TOP_BOLD, "weir ");
	x += top_grid_text(grid, x, 0, width - x, TOP_BOLD, host);
	if (app->model.is_gone) {
		top_grid_textf(grid, x + 2, 0, width - x - 2, TOP_BAD, "no daemon; trying again");
		return;
	}
	if (!status)
		return;
	weir_duration_format(weir_view_uint(status, "uptime_s") * WEIR_NS_PER_S, &uptime);
	top_grid_textf(grid, x + 2, 0, width - x - 2, TOP_PLAIN, "revision %llu  up %s",
		       (unsigned long long)weir_view_uint(status, "revision"),
		       weir_buf_str(&uptime));
}

static void way_line(struct top_app *app, int y, const char *name, double bytes, double packets,
		     const struct top_history *history)
{
	struct top_grid *grid = &app->grid;
	_cleanup_buf_ struct weir_buf size = { 0 }, count = { 0 }, line = { 0 };
	int width = grid->width - RATES_WIDTH - 1;

	if (isnan(bytes))
		weir_buf_add_str(&size, "-");
	else
		weir_size_format((uint64_t)(bytes + 0.5), &size);
	count_or_none(packets, &count);
	top_grid_text(grid, 0, y, 4, TOP_PLAIN, name);
	top_grid_textf(grid, 4, y, RATES_WIDTH - 4, TOP_BOLD, "%9s/s %11s packets/s",
		       weir_buf_str(&size), weir_buf_str(&count));
	if (width < 8)
		return;
	width = width < TOP_HISTORY_MOST ? width : TOP_HISTORY_MOST;
	top_spark(history, (unsigned)width, grid->is_utf8, &line);
	top_grid_text(grid, RATES_WIDTH + 1, y, width, TOP_SPARK, weir_buf_str(&line));
}

/* The interface that is worst off. */
static const struct weir_json *attacked(const struct weir_json *status)
{
	const struct weir_json *list = top_member(status, "attack.interfaces"), *worst = NULL;

	for (size_t i = 0; i < weir_json_size(list); i++) {
		const struct weir_json *row = weir_json_at(list, i);
		const char *level = weir_view_str(row, "level");

		if (strcmp(level, "attack") == 0)
			return row;
		if (!worst && strcmp(level, "calm") != 0)
			worst = row;
	}
	return worst;
}

static void attack_say(struct top_app *app, int x, int y)
{
	struct top_grid *grid = &app->grid;
	const struct weir_json *status = app->model.status, *row = attacked(status);
	_cleanup_buf_ struct weir_buf text = { 0 };
	int width = grid->width - x;

	if (!weir_json_bool(top_member(status, "attack.on"), false)) {
		top_grid_text(grid, x, y, width, TOP_DIM, "attacks not watched");
		return;
	}
	if (!row) {
		top_grid_text(grid, x, y, width, TOP_GOOD, "no attack");
		return;
	}
	weir_buf_addf(&text, "%s: %s of %s, ", weir_view_str(row, "interface"),
		      weir_view_str(row, "level"), weir_view_str(row, "rate"));
	weir_count_format(weir_view_uint(row, "per_second"), &text);
	weir_buf_add_str(&text, "/s");
	top_grid_text(grid, x, y, width, TOP_BAD, weir_buf_str(&text));
}

/* Flows are counted every few seconds: about so many. */
static void flows_add(const struct weir_json *status, struct weir_buf *out)
{
	if (!weir_json_bool(top_member(status, "conntrack.on"), false)) {
		weir_buf_add_str(out, "flows not tracked");
		return;
	}
	weir_buf_add_str(out, "flows ~");
	weir_count_format((uint64_t)weir_json_int(top_member(status, "conntrack.flows"), 0), out);
}

static void counts_line(struct top_app *app, int y)
{
	struct top_grid *grid = &app->grid;
	const struct top_pace *pace = &app->model.pace;
	_cleanup_buf_ struct weir_buf text = { 0 };
	int x;

	if (!app->model.status)
		return;
	flows_add(app->model.status, &text);
	weir_buf_add_str(&text, "  dropped ");
	count_or_none(pace->dropped, &text);
	weir_buf_add_str(&text, "/s");
	if (!isnan(pace->kernel_dropped)) {
		weir_buf_add_str(&text, "  by the kernel ");
		count_or_none(pace->kernel_dropped, &text);
		weir_buf_add_str(&text, "/s");
	}
	x = top_grid_text(grid, 0, y, grid->width, pace->dropped > 0 ? TOP_WARN : TOP_PLAIN,
			  weir_buf_str(&text));
	attack_say(app, x + 2, y);
}

/* " 1 Flows " */
static int tab_width(size_t tab)
{
	return (int)strlen(top_tabs[tab].title) + 4;
}

int top_view_tab_at(int x)
{
	for (size_t tab = 0; top_tabs[tab].name; tab++) {
		if (x < tab_width(tab))
			return (int)tab;
		x -= tab_width(tab);
	}
	return -1;
}

static void tabs_line(struct top_app *app, int y)
{
	struct top_grid *grid = &app->grid;
	int x = 0;

	for (size_t tab = 0; top_tabs[tab].name; tab++)
		x += top_grid_textf(grid, x, y, grid->width - x,
				    tab == app->model.tab ? TOP_TAB_HERE : TOP_TAB, " %zu %s ",
				    tab + 1, top_tabs[tab].title);
}

void top_view_head(struct top_app *app)
{
	const struct top_model *model = &app->model;

	host_line(app);
	way_line(app, 1, "in", model->pace.in_bytes, model->pace.in_packets, &model->in);
	way_line(app, 2, "out", model->pace.out_bytes, model->pace.out_packets, &model->out);
	counts_line(app, 3);
	tabs_line(app, TOP_TABS_Y);
}
