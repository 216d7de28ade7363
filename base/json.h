/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in and out. Reading is strict (duplicate keys, trailing text, bad UTF-8, integers past
 * int64_t and reals past double are refused, with line and column). Writing streams into a
 * weir_buf: nothing is built in memory first, so a million rows cost their text and no more.
 */
#ifndef WEIR_BASE_JSON_H
#define WEIR_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"

struct weir_json; /* a value that was read; immutable */

enum weir_json_type {
	WEIR_JSON_NULL,
	WEIR_JSON_BOOL,
	WEIR_JSON_INTEGER,
	WEIR_JSON_REAL,
	WEIR_JSON_STRING,
	WEIR_JSON_ARRAY,
	WEIR_JSON_OBJECT,
};

/*
 * Reads a whole document. An error goes to diag (may be NULL) with line and column; `file` (may be
 * NULL) is named in it. -EINVAL or -ENOMEM. Free the result with weir_json_free().
 */
int weir_json_parse(const char *text, size_t len, const char *file, struct weir_diag *diag,
		    struct weir_json **ret_json);
void weir_json_free(struct weir_json *json);
#define _cleanup_json_ __attribute__((cleanup(weir_json_freep)))
static inline void weir_json_freep(struct weir_json **json)
{
	weir_json_free(*json);
}

enum weir_json_type weir_json_type(const struct weir_json *json);
/*
 * Member of an object, or NULL when json is NULL, no object, or has no such key. Borrowed from
 * json.
 */
const struct weir_json *weir_json_get(const struct weir_json *json, const char *key);
/* Array or object size; 0 for anything else. */
size_t weir_json_size(const struct weir_json *json);
/* Element of an array, or NULL. */
const struct weir_json *weir_json_at(const struct weir_json *json, size_t index);
/*
 * Calls `each` for every member in the order of the text, until it returns non-zero, which is
 * returned. 0 for what is no object.
 */
int weir_json_each(const struct weir_json *object,
		   int (*each)(const char *key, const struct weir_json *value, void *arg),
		   void *arg);
/* The value, or `fallback` when json is NULL or of another type. Strings are borrowed. */
const char *weir_json_str(const struct weir_json *json, const char *fallback);
int64_t weir_json_int(const struct weir_json *json, int64_t fallback);
double weir_json_real(const struct weir_json *json, double fallback); /* integers too */
bool weir_json_bool(const struct weir_json *json, bool fallback);

/* Appends the value as a text on one line. -ENOMEM. */
int weir_json_add(const struct weir_json *json, struct weir_buf *out);

/*
 * Zero-initialise, set out, then write. Commas and colons come by themselves. `key` is NULL inside
 * an array and at the top. Whether memory sufficed is seen once, at the end, in out->failed.
 */
struct weir_json_out {
	struct weir_buf *out;
	bool need_comma;
};

void weir_json_open_object(struct weir_json_out *json, const char *key);
void weir_json_close_object(struct weir_json_out *json);
void weir_json_open_array(struct weir_json_out *json, const char *key);
void weir_json_close_array(struct weir_json_out *json);
/* NULL value: null. Each byte that is not UTF-8 is replaced by U+FFFD. */
void weir_json_put_str(struct weir_json_out *json, const char *key, const char *value);
void weir_json_put_uint(struct weir_json_out *json, const char *key, uint64_t value);
void weir_json_put_int(struct weir_json_out *json, const char *key, int64_t value);
/* The shortest text that reads back as the same number; null when not finite. */
void weir_json_put_real(struct weir_json_out *json, const char *key, double value);
void weir_json_put_bool(struct weir_json_out *json, const char *key, bool value);
void weir_json_put_null(struct weir_json_out *json, const char *key);
/* As weir_clock_format() writes it. */
void weir_json_put_time(struct weir_json_out *json, const char *key, uint64_t real_ns);
/* Likewise, the time of day of a moment of CLOCK_MONOTONIC. */
void weir_json_put_moment(struct weir_json_out *json, const char *key, uint64_t monotonic_ns);
/* Text that is JSON already. */
void weir_json_put_raw(struct weir_json_out *json, const char *key, const char *text);
/*
 * "error": the first error's sentence (null when all are warnings), "problems": an array of {level,
 * file, line, column, key, what, mend} with null for what is unknown, and "problems_left_out": how
 * many were not kept. With key NULL these become members of the open object, else of an object of
 * that name.
 */
void weir_json_put_diag(struct weir_json_out *json, const char *key, const struct weir_diag *diag);

#endif
