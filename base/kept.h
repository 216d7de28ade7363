/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a part keeps in a file of its own from one run to the next: an object of JSON with its
 * version, replaced whole at each change. What is damaged is no reason not to start.
 */
#ifndef WEIR_BASE_KEPT_H
#define WEIR_BASE_KEPT_H

#include "base/diag.h"
#include "base/json.h"

struct weir_kept {
	const char *file; /* its name in the directory */
	unsigned version;
	size_t bytes_max;
	/* What becomes of a damaged one, "what is good of it is read"; and the cure, or NULL. */
	const char *rest;
	const char *cure;
};

/* Reads the object. -EINVAL: damaged, and `why` says where unless nothing is known. -ENOMEM. */
typedef int weir_kept_read(const struct weir_json *json, struct weir_diag *why, void *arg);
/* Writes its members, but for the version. */
typedef void weir_kept_put(struct weir_json_out *json, const void *arg);

/*
 * 0: read, or there is none. -EINVAL: it is damaged, or of another version; it is kept aside, and
 * `diag` has a warning. -ENOMEM. `dir` NULL: nothing is kept (a configuration is only tried out).
 */
int weir_kept_load(const struct weir_kept *kept, const char *dir, weir_kept_read *read, void *arg,
		   struct weir_diag *diag);
/* 0, -ENOMEM, or what weir_file_replace() says. `dir` NULL: 0. */
int weir_kept_save(const struct weir_kept *kept, const char *dir, weir_kept_put *put,
		   const void *arg);
/* For files of other shapes: puts this one aside and says so. `why` may be empty. */
void weir_kept_aside(const struct weir_kept *kept, const char *path, const struct weir_diag *why,
		     struct weir_diag *diag);
/*
 * Each element of the list `key` to `read`, also behind those it refuses. -EINVAL: it refused some,
 * or there is no list; `why` has the first of each, by its number. -ENOMEM.
 */
int weir_kept_each(const struct weir_json *json, const char *key, weir_kept_read *read, void *arg,
		   struct weir_diag *why);

#endif
