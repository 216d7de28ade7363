/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking from the keyboard: which, for how long, and whether the command shown is to be run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/top/app.h"
#include "cli/top/deed.h"
#include "cli/view.h"

#define TTL_DEFAULT "10m"

void top_block_offers(const struct top_app *app, char ret_offered[2][TOP_EDIT_BYTES])
{
	const struct top_way *way = top_model_way(&app->model);
	const struct top_row *row = top_model_row(&app->model);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(way->block); i++)
		snprintf(ret_offered[i], TOP_EDIT_BYTES, "%s",
			 row && way->block[i] ? weir_view_str(row->json, way->block[i]) : "");
}

void top_block_open(struct top_app *app)
{
	char offered[2][TOP_EDIT_BYTES];

	top_block_offers(app, offered);
	top_block_open_with(app, offered);
}

void top_block_open_with(struct top_app *app, char offered[2][TOP_EDIT_BYTES])
{
	struct top_blocking *blocking = &app->blocking;

	if (blocking->step == TOP_BLOCK_UNDER_WAY) {
		app->mode = TOP_MODE_BLOCK;
		return;
	}
	memcpy(blocking->offered, offered, sizeof(blocking->offered));
	blocking->offer = 0;
	top_deed_free(weir_take(blocking->deed));
	top_edit_set(&blocking->target, blocking->offered[0]);
	top_edit_set(&blocking->ttl, TTL_DEFAULT);
	blocking->step = TOP_BLOCK_WHICH;
	app->mode = TOP_MODE_BLOCK;
}

static void which_key(struct top_app *app, int key)
{
	struct top_blocking *blocking = &app->blocking;
	const char *other = blocking->offered[!blocking->offer];

	if (key == TOP_KEY_ENTER && blocking->target.text[0]) {
		blocking->step = TOP_BLOCK_HOW_LONG;
	} else if ((key == TOP_KEY_UP || key == TOP_KEY_DOWN || key == TOP_KEY_TAB) && other[0]) {
		blocking->offer = !blocking->offer;
		top_edit_set(&blocking->target, other);
	} else {
		top_edit_key(&blocking->target, key);
	}
}

static void how_long_key(struct top_app *app, int key)
{
	struct top_blocking *blocking = &app->blocking;

	if (key != TOP_KEY_ENTER) {
		top_edit_key(&blocking->ttl, key);
		return;
	}
	top_deed_free(blocking->deed);
	blocking->deed = top_deed_block(blocking->target.text, blocking->ttl.text);
	if (blocking->deed)
		blocking->step = TOP_BLOCK_SURE;
}

/* Nothing but y does it. */
static void sure_key(struct top_app *app, int key)
{
	if (key == 'y' || key == 'Y') {
		app->blocking.step = TOP_BLOCK_UNDER_WAY;
		top_asker_do(app->asker, weir_take(app->blocking.deed));
	} else if (key == 'n' || key == 'N') {
		app->mode = TOP_MODE_LIST;
	}
}

void top_block_key(struct top_app *app, int key)
{
	enum top_block_step step = app->blocking.step;

	if (key == TOP_KEY_ESC || step == TOP_BLOCK_DONE)
		app->mode = TOP_MODE_LIST;
	else if (step == TOP_BLOCK_WHICH)
		which_key(app, key);
	else if (step == TOP_BLOCK_HOW_LONG)
		how_long_key(app, key);
	else if (step == TOP_BLOCK_SURE)
		sure_key(app, key);
}
