/* SPDX-License-Identifier: Apache-2.0 */
/* The line a filter is typed in. The daemon knows the grammar: it is asked, and what it has against
 * the filter stands beside it. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/top/app.h"

void top_filter_open(struct top_app *app)
{
	if (top_model_way(&app->model)->filtered == TOP_FILTER_NONE) {
		app->said = "there is no filter for these";
		return;
	}
	free(app->filter_before);
	app->filter_before = strdup(top_model_filter(&app->model));
	top_edit_set(&app->filter, top_model_filter(&app->model));
	app->filter_waits = app->filter_refused = false;
	app->mode = TOP_MODE_FILTER;
}

static void apply(struct top_app *app, const char *text)
{
	if (top_model_filter_set(&app->model, text))
		app->said = "out of memory";
	app->is_due = true;
}

void top_filter_key(struct top_app *app, int key)
{
	if (key == TOP_KEY_ESC) {
		app->mode = TOP_MODE_LIST;
		app->filter_waits = app->filter_refused = false;
		apply(app, app->filter_before ? app->filter_before : "");
	} else if (key == TOP_KEY_ENTER) {
		apply(app, app->filter.text);
		app->filter_waits = true;
	} else if (top_edit_key(&app->filter, key)) {
		app->filter_waits = app->filter_refused = false;
	}
}
