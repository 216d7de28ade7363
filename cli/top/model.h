/* SPDX-License-Identifier: Apache-2.0 */
/* What is looked at and what is known of it. Knows neither keys nor a screen. */
#ifndef WEIR_TOP_MODEL_H
#define WEIR_TOP_MODEL_H

#include "cli/top/rows.h"

#define TOP_WAYS_MOST 8

/* Of the whole host, since ever. NAN: not counted. */
struct top_totals {
	double kernel_dropped;
	double ended; /* packets of flows that are no more */
};

/* The same a second, between two looks. NAN: not known. */
struct top_pace {
	double in_bytes, in_packets, out_bytes, out_packets, dropped, kernel_dropped;
};

/* Of a way: how its rows are sorted. */
struct top_sorting {
	size_t column;
	bool is_reverse, is_chosen;
};

/* Zero-initialise. */
struct top_model {
	size_t tab, ways[TOP_TABS_MOST];
	struct top_sorting sorting[TOP_TABS_MOST][TOP_WAYS_MOST];
	char *filters[TOP_FILTERS]; /* NULL: none */

	struct top_look *look;	  /* whose rows there are; NULL: none are */
	struct top_rows rows;	  /* of it, sorted */
	struct weir_json *status; /* the last there was; NULL: none was */
	struct top_totals totals; /* of it */
	uint64_t totals_at_ns;
	struct top_pace pace;
	struct top_history in, out; /* bytes a second */

	char *problem, *mend; /* why the last look has no rows; NULL: it has */
	bool is_gone;	      /* nobody answers */
	uint64_t gone_since_ns;

	char *selected; /* key of a row, or NULL */
	size_t first;	/* row at the top of the screen */
};

void top_model_done(struct top_model *model);
const struct top_way *top_model_way(const struct top_model *model);
const char *top_model_filter(const struct top_model *model);
/* -ENOMEM. */
int top_model_filter_set(struct top_model *model, const char *text);
struct top_sorting *top_model_sorting(struct top_model *model);
/* What to ask for now. NULL: no memory. */
struct top_look *top_model_ask(const struct top_model *model);
/* Takes the look over. One that is not about what is shown now is dropped. */
void top_model_take(struct top_model *model, struct top_look *look);
/* Another tab or way: what is shown belongs to it no more. */
void top_model_tab(struct top_model *model, size_t tab);
void top_model_way_next(struct top_model *model);
/* To the next column that sorts, or the one before it. */
void top_model_sort_step(struct top_model *model, int step);
void top_model_sort_column(struct top_model *model, size_t column);
void top_model_sort_reverse(struct top_model *model);
/* Index of the selected row: where it is now; the first where it is gone. */
size_t top_model_selected(const struct top_model *model);
const struct top_row *top_model_row(const struct top_model *model);
void top_model_select(struct top_model *model, size_t index);
void top_model_move(struct top_model *model, long step);
/* Moves the top so that the selected row is among so many. */
void top_model_scroll(struct top_model *model, size_t height);

#endif
