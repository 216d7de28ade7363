/* SPDX-License-Identifier: Apache-2.0 */
/* struct weir_series as its two files see it. Not for others: they have series.h. */
#ifndef WEIR_API_SERIES_PRIVATE_H
#define WEIR_API_SERIES_PRIVATE_H

#include "api/series.h"

struct weir_series_entry {
	uint64_t key; /* of name and labels; 0: none */
	double value; /* of a counter, at the last writing */
	uint32_t family;
	uint32_t rows;
	bool is_shown, is_seen;
	bool is_over;	  /* to be forgotten */
	uint64_t missing; /* its place among those gone from the sum for now; 0: it is there */
};

/* The series of one metric. */
struct weir_series_family {
	char *name;
	unsigned shown;	 /* rows */
	unsigned there;	 /* series, of the snapshot */
	unsigned rows;	 /* of one */
	bool has_labels; /* and counts: what is not shown needs a row for all of it */
	/* Of counters: what is folded now, what was and is no more; and what else was, of entries
	 * that were not met yet. */
	double rest, gone, missed;
	bool has_rest; /* once it has, it keeps it: a counter is not to vanish */
};

struct weir_series {
	struct weir_series_entry *entries;
	size_t room, count; /* room: a power of two */
	struct weir_series_family *families;
	size_t family_count, at;	/* at: the one that is being written */
	unsigned most, taken, left_out; /* taken: rows, with those that are kept for the rest */
	unsigned level;		 /* so many series each metric may have, that all have room */
	unsigned histogram_rows; /* of the longest */
	uint64_t went;		 /* so many went from a sum, ever */
	char *path;		 /* NULL: it ends with the run */
	bool is_changed;	 /* since it was kept */
};

struct weir_series_entry *weir_series_entry_find(struct weir_series_entry *entries, size_t room,
						 uint64_t key);
int weir_series_family_add(struct weir_series *series, const char *name);
void weir_series_forget(struct weir_series *series);
/* What a run before has kept, if it is whole. */
void weir_series_load(struct weir_series *series);

#endif
