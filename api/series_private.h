/* SPDX-License-Identifier: Apache-2.0 */
/* struct weir_series as its two files see it. Not for others: they have series.h. */
#ifndef WEIR_API_SERIES_PRIVATE_H
#define WEIR_API_SERIES_PRIVATE_H

#include "api/series.h"

#define WEIR_SERIES_DEVICE_BYTES 16

struct weir_series_entry {
	uint64_t key;  /* of name and labels; 0: none */
	double value;  /* of a counter, at the last writing */
	double before; /* of that, what is not in the sum: it had it when it came */
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
	bool is_new;   /* nothing of it was told before */
};

/* As a device was called when its series were told last. */
struct weir_series_device {
	uint32_t ifindex;
	char name[WEIR_SERIES_DEVICE_BYTES];
};

struct weir_series {
	struct weir_series_entry *entries;
	size_t room, count; /* room: a power of two */
	struct weir_series_family *families;
	size_t family_count, at; /* at: the one that is being written */
	struct weir_series_device *devices;
	size_t device_count;
	unsigned most, taken, left_out; /* taken: rows, with those that are kept for the rest */
	unsigned level;		 /* so many series each metric may have, that all have room */
	unsigned histogram_rows; /* of the longest */
	uint64_t went;		 /* so many went from a sum, ever */
	char *path;		 /* NULL: it ends with the run */
	bool is_changed;	 /* since it was kept */
};

struct weir_series_entry *weir_series_entry_find(struct weir_series_entry *entries, size_t room,
						 uint64_t key);
uint64_t weir_series_key(const struct weir_sample *sample);
enum weir_series_kept {
	WEIR_SERIES_ALL,
	WEIR_SERIES_LIVING /* not those that are over */
};
/* Into a table of that room. -ENOMEM. */
int weir_series_entries_move(struct weir_series *series, size_t room, enum weir_series_kept kept);
int weir_series_family_add(struct weir_series *series, const char *name);
void weir_series_forget(struct weir_series *series);
/* series_device.c: before it is asked for; all has room. -ENOMEM. */
int weir_series_rename(struct weir_series *series, const struct weir_snapshot *snapshot);
/* What a run before has kept, if it is whole. */
void weir_series_load(struct weir_series *series);

#endif
