/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which series /metrics has, where there may be more than it is to have. Those that were there
 * first stay, so that no counter ever goes back; further ones of a counter are summed up as
 * "other", what those that are gone had included, and further gauges and histograms are left out
 * and counted. What a device counted before it came to such a sum is not in it, and its series go
 * on under its next name.
 */
#ifndef WEIR_API_SERIES_H
#define WEIR_API_SERIES_H

#include "core/snapshot.h"

#define WEIR_SERIES_LEAST 200	       /* fewer would have no room for one of each metric */
#define WEIR_SERIES_SHARES 8	       /* no metric has more than so much of the whole, */
#define WEIR_SERIES_HISTOGRAM_SHARES 2 /* … but a histogram, of which each is many rows */

struct weir_series;

/* A counter's further series. */
struct weir_series_rest {
	const char *name;
	double value;
	bool is_there; /* it has some, or had */
};

/*
 * Goes on with what a run before has kept at `path`: who is shown and what is in the sums. Chosen
 * anew, series would change places with others of the sum, which would leap and fall. NULL: it ends
 * with the run. NULL: no memory.
 */
struct weir_series *weir_series_new(const char *path);
void weir_series_free(struct weir_series *series);
/* One writing of all samples of a snapshot, which are sorted by name. -ENOMEM. */
int weir_series_begin(struct weir_series *series, const struct weir_snapshot *snapshot,
		      unsigned most);
/* Whether this one is shown by itself. Each sample once, in their order. */
bool weir_series_shows(struct weir_series *series, const struct weir_sample *sample);
/* Of the metric of the sample that was asked for last. */
struct weir_series_rest weir_series_rest(const struct weir_series *series);
void weir_series_end(struct weir_series *series);
/* For the next run, before anybody is told what was written; nothing where nothing has changed.
 * -errno: the file stays as it was. */
int weir_series_keep(struct weir_series *series);
unsigned weir_series_left_out(const struct weir_series *series); /* folded ones included */
/* `labels` with each value in it "other". */
void weir_series_labels_other(const char *labels, struct weir_buf *text);

#endif
