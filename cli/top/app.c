/* SPDX-License-Identifier: Apache-2.0 */
/* When to ask, and what becomes of keys and answers. */
#include "cli/top/app.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/top/deed.h"
#include "cli/top/screen.h"
#include "cli/top/view.h"

#define WHEEL_ROWS 3
#define SECOND_LOOK_NS (500 * WEIR_NS_PER_MS)

void top_app_done(struct top_app *app)
{
	if (app->asker)
		top_asker_stop(app->asker);
	top_model_done(&app->model);
	top_grid_done(&app->grid);
	free(app->filter_before);
	top_deed_free(app->blocking.deed);
	free(app->detail.key);
	for (size_t i = 0; i < TOP_DETAILS; i++)
		free(app->detail.targets[i]);
	weir_buf_done(&app->detail.text);
}

void top_app_key(struct top_app *app, int key)
{
	app->said = NULL;
	switch (app->mode) {
	case TOP_MODE_FILTER:
		top_filter_key(app, key);
		break;
	case TOP_MODE_BLOCK:
		top_block_key(app, key);
		break;
	case TOP_MODE_DETAIL:
		top_detail_key(app, key);
		break;
	default:
		top_list_key(app, key);
	}
}

static void press(struct top_app *app, const struct top_mouse *mouse)
{
	int tab = top_view_tab_at(mouse->x), column = top_layout_column_at(&app->layout, mouse->x);

	if (mouse->y == TOP_TABS_Y && tab >= 0) {
		top_model_tab(&app->model, (size_t)tab);
		app->is_due = true;
	} else if (mouse->y == app->rows_y - 1 && column >= 0) {
		if ((size_t)column == top_model_sorting(&app->model)->column)
			top_model_sort_reverse(&app->model);
		else
			top_model_sort_column(&app->model, (size_t)column);
		app->is_due = true;
	} else if (mouse->y >= app->rows_y && (size_t)(mouse->y - app->rows_y) < app->rows_height) {
		size_t row = app->model.first + (size_t)(mouse->y - app->rows_y);

		if (row < app->model.rows.count)
			top_model_select(&app->model, row);
	}
}

void top_app_mouse(struct top_app *app, const struct top_mouse *mouse)
{
	if (mouse->kind == TOP_MOUSE_PRESS) {
		if (app->mode == TOP_MODE_LIST)
			press(app, mouse);
		return;
	}
	for (int i = 0; i < WHEEL_ROWS; i++)
		top_app_key(app, mouse->kind == TOP_MOUSE_WHEEL_UP ? TOP_KEY_UP : TOP_KEY_DOWN);
}

/* A filter that was typed is settled by the first answer to a question with it. */
static void filter_settle(struct top_app *app, enum top_fate fate)
{
	app->filter_waits = false;
	app->filter_refused = fate == TOP_REFUSED;
	if (fate != TOP_REFUSED && app->mode == TOP_MODE_FILTER)
		app->mode = TOP_MODE_LIST;
}

/* Rates need two looks: the second comes soon. */
static void answered(struct top_app *app, const struct top_look *look)
{
	const struct top_look *before = app->model.look;
	bool is_first = !before || before->tab != look->tab || before->way != look->way;

	app->is_waiting = false;
	if (is_first && look->fate == TOP_ANSWERED && app->interval_ns > SECOND_LOOK_NS)
		app->asked_ns = app->now_ns - app->interval_ns + SECOND_LOOK_NS;
}

void top_app_seen(struct top_app *app, struct top_look *look)
{
	struct weir_json *told[TOP_DETAILS];
	enum top_fate fate = look->fate;
	bool is_asked =
		app->filter_waits && strcmp(look->filter, top_model_filter(&app->model)) == 0;

	if (look->sequence == app->sequence)
		answered(app, look);
	for (size_t i = 0; i < TOP_DETAILS; i++)
		told[i] = weir_take(look->told[i]);
	top_model_take(&app->model, look);
	if (is_asked)
		filter_settle(app, fate);
	top_detail_update(app, told);
	for (size_t i = 0; i < TOP_DETAILS; i++)
		weir_json_free(told[i]);
}

void top_app_did(struct top_app *app, struct top_deed *deed)
{
	top_deed_free(app->blocking.deed);
	app->blocking.deed = deed;
	app->blocking.step = TOP_BLOCK_DONE;
	app->is_due = true;
}

static bool is_time(const struct top_app *app)
{
	return app->is_due || (!app->is_paused && !app->is_waiting &&
			       app->now_ns - app->asked_ns >= app->interval_ns);
}

void top_app_tick(struct top_app *app)
{
	struct top_look *look = is_time(app) ? top_model_ask(&app->model) : NULL;

	if (!look)
		return;
	for (size_t i = 0; i < TOP_DETAILS && app->mode == TOP_MODE_DETAIL; i++)
		if (app->detail.targets[i])
			look->detail[i] = strdup(app->detail.targets[i]);
	look->is_trial = app->filter_waits || app->filter_refused;
	look->sequence = ++app->sequence;
	app->asked_ns = app->now_ns;
	app->is_waiting = true;
	app->is_due = false;
	top_asker_look(app->asker, look);
}

uint64_t top_app_idle_ns(const struct top_app *app)
{
	uint64_t passed_ns = app->now_ns - app->asked_ns;

	if (app->is_due)
		return 0;
	if (app->is_paused || app->is_waiting || app->model.is_gone)
		return passed_ns < app->interval_ns && !app->is_paused && !app->is_waiting ?
			       app->interval_ns - passed_ns :
			       WEIR_NS_PER_S;
	return passed_ns < app->interval_ns ? app->interval_ns - passed_ns : 0;
}
