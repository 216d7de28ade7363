/* SPDX-License-Identifier: Apache-2.0 */
/* All that `weir top` has while it runs: what is known, what is typed, what is on the screen. */
#ifndef WEIR_TOP_APP_H
#define WEIR_TOP_APP_H

#include "cli/top/asker.h"
#include "cli/top/edit.h"
#include "cli/top/grid.h"
#include "cli/top/keys.h"
#include "cli/top/layout.h"
#include "cli/top/model.h"

enum top_mode {
	TOP_MODE_LIST,
	TOP_MODE_DETAIL,
	TOP_MODE_HELP,
	TOP_MODE_FILTER,
	TOP_MODE_BLOCK,
};

enum top_block_step {
	TOP_BLOCK_WHICH,
	TOP_BLOCK_HOW_LONG,
	TOP_BLOCK_SURE,
	TOP_BLOCK_UNDER_WAY,
	TOP_BLOCK_DONE,
};

struct top_blocking {
	enum top_block_step step;
	struct top_edit target, ttl;
	char offered[2][TOP_EDIT_BYTES]; /* of the row; "" is none */
	size_t offer;			 /* which of them stands in target */
	struct top_deed *deed;		 /* to be done, or done */
};

struct top_detail {
	char *key;			 /* of the row */
	char *targets[TOP_DETAILS];	 /* what more is asked for of it, or NULL */
	struct weir_buf text;		 /* of the last look that had it */
	bool is_over;			 /* the last look has it no more */
	char offered[2][TOP_EDIT_BYTES]; /* for blocking; "" is none */
	size_t first, lines;		 /* line at the top, and how many there are */
};

struct top_app {
	const struct weir_command *command;
	struct top_asker *asker;
	struct top_model model;
	struct top_grid grid;
	struct top_layout layout; /* as drawn */
	int rows_y;		  /* where rows begin, and how many there is room for */
	size_t rows_height;

	enum top_mode mode;
	struct top_edit filter;
	char *filter_before; /* that held until this one was typed */
	bool filter_waits;   /* the daemon is asked whether it is one */
	bool filter_refused; /* model.problem says why */
	struct top_blocking blocking;
	struct top_detail detail;
	size_t help_first;

	uint64_t interval_ns, asked_ns, now_ns;
	uint64_t sequence;
	bool is_waiting, is_due, is_paused, is_over;
	const char *said; /* a sentence for the lowest line but one, until the next key */
};

void top_app_done(struct top_app *app);
/* What a key does now. */
void top_app_key(struct top_app *app, int key);
struct top_mouse;
void top_app_mouse(struct top_app *app, const struct top_mouse *mouse);
/* What came from the daemon. */
void top_app_seen(struct top_app *app, struct top_look *look);
void top_app_did(struct top_app *app, struct top_deed *deed);
/* Asks when it is time to. */
void top_app_tick(struct top_app *app);
/* From now_ns until top_app_tick() has something to do, at the most. */
uint64_t top_app_idle_ns(const struct top_app *app);

/* The parts of it, by mode. */
void top_list_key(struct top_app *app, int key);
void top_filter_open(struct top_app *app);
void top_filter_key(struct top_app *app, int key);
/* Of the row that is chosen; and what may be blocked of it. */
void top_block_open(struct top_app *app);
void top_block_open_with(struct top_app *app, char offered[2][TOP_EDIT_BYTES]);
void top_block_offers(const struct top_app *app, char ret_offered[2][TOP_EDIT_BYTES]);
void top_block_key(struct top_app *app, int key);
void top_detail_open(struct top_app *app);
void top_detail_key(struct top_app *app, int key);
void top_detail_update(struct top_app *app, struct weir_json *const told[TOP_DETAILS]);
/* To the tab of flows, with those of the row alone. */
void top_flows_open(struct top_app *app);

#endif
