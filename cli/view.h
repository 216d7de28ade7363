/* SPDX-License-Identifier: Apache-2.0 */
/* One answer being made into text for a person, and the small steps that all such texts are made
 * of. */
#ifndef WEIR_CLI_VIEW_H
#define WEIR_CLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/table.h"

struct weir_view {
	const struct weir_json *answer;
	struct weir_buf *out;
	bool color;
	bool csv;	     /* its rows, and no view */
	uint64_t elapsed_ms; /* from the command to the answer; 0 = not measured */
};

/* Member as text, "" when absent or not a string. */
const char *weir_view_str(const struct weir_json *object, const char *key);
uint64_t weir_view_uint(const struct weir_json *object, const char *key);
bool weir_view_bool(const struct weir_json *object, const char *key);
/*
 * A number, string or truth value as people read it; `key` says what it is: *_s and *_ms are
 * durations, *bytes sizes, and numbers that name something (port, pid, revision …) get no thousands
 * separators. Control characters become visible.
 */
void weir_view_add_scalar(struct weir_buf *out, const char *key, const struct weir_json *value);
/* A key as a heading: "hits_packets" is "hits packets". */
void weir_view_add_label(struct weir_buf *out, const char *key);
/* A heading on a line of its own, with an empty line before it unless it is the first text. */
void weir_view_heading(const struct weir_view *view, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void weir_view_add_colored(const struct weir_view *view, enum weir_color color, const char *text);
/* "1,234 entries", "1 entry" */
void weir_view_add_plural(struct weir_buf *out, uint64_t count, const char *one, const char *many);
/* "192.0.2.1:443", "[2001:db8::1]:443"; the address alone where there is no port. */
void weir_view_add_endpoint(struct weir_buf *out, const struct weir_json *object,
			    const char *address_key, const char *port_key);
/* "0.61 s" */
void weir_view_add_seconds(struct weir_buf *out, uint64_t ms);
/* Red for a reason that drops, green for one that passes. */
enum weir_color weir_view_verdict_color(const char *verdict);
/* Any JSON: members as "key  value", arrays of objects as tables, indented by `indent` blanks. */
void weir_view_generic(const struct weir_view *view, const struct weir_json *value,
		       unsigned indent);

#endif
