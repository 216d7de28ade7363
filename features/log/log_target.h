/* SPDX-License-Identifier: Apache-2.0 */
/* Where a sink's thread puts lines. One thread uses it; it may block. */
#ifndef WEIR_LOG_TARGET_H
#define WEIR_LOG_TARGET_H

#include "features/log/log_sink.h"

/* An event that waits. */
struct log_entry {
	struct log_entry *next;
	struct log_happening happening; /* points into `bytes` */
	size_t kind, size;
	bool is_bad; /* it cannot be written anywhere, ever */
	char bytes[];
};

struct log_target {
	struct log_want want;
	char where[LOG_PROBLEM_BYTES];
	char problem[LOG_PROBLEM_BYTES]; /* why the last put stopped, or a rotation failed */
	uint64_t rotated;
	/*
	 * Takes of `count` entries as many as it can, in order; returns how many are done (those
	 * that are bad included). Fewer: `problem` says why, and it is asked again a second later.
	 */
	size_t (*put)(struct log_target *target, struct log_entry *const *entries, size_t count);
	/* Whether nothing is in the way: also asked while there is nothing to write. */
	bool (*open)(struct log_target *target);
	void (*free)(struct log_target *target);
};

/* NULL when out of memory. */
struct log_target *log_file_new(const struct log_want *want);
struct log_target *log_syslog_new(const struct log_want *want);
struct log_target *log_journal_new(const struct log_want *want);

void log_where_set(struct log_target *target, const char *where);
/* "WHERE: what: why" */
void log_problem_set(struct log_target *target, const char *what, int error);

/* For log_file.c: the file becomes .1, .1 becomes .2; the oldest goes, with those that a larger
 * `keep` left. 0, or -errno. */
int log_rotate(const char *path, uint32_t keep);

#endif
