/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML document as nodes that know where they stand, for messages that name line and column. It
 * holds what was written, not what it means: that is config_check.c's and config_fill.c's.
 */
#ifndef WEIR_CORE_YAML_MARK_H
#define WEIR_CORE_YAML_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

#define WEIR_YAML_DEPTH_MAX 32 /* mappings and sequences inside one another */

enum weir_yaml_kind {
	WEIR_YAML_SCALAR,
	WEIR_YAML_MAPPING, /* children: key, value, key, value … */
	WEIR_YAML_SEQUENCE,
};

struct weir_yaml_node {
	enum weir_yaml_kind kind;
	uint32_t line;	 /* from 1 */
	uint32_t column; /* from 1, in characters */
	char *text;	 /* of a scalar, without quotes; never holds a NUL before its end */
	uint32_t child;	 /* index of the first child, 0 = none */
	uint32_t next;	 /* index of the next sibling, 0 = none */
};

struct weir_yaml;

/*
 * Reads one document. Refused (-EINVAL, every entry of diag with line and column): text that is
 * not UTF-8, control characters, bad syntax, a second document, aliases, tags, nesting past
 * WEIR_YAML_DEPTH_MAX. -ENOMEM is told by nobody but the result.
 */
int weir_yaml_parse(const char *text, size_t len, struct weir_diag *diag,
		    struct weir_yaml **ret_yaml);
void weir_yaml_free(struct weir_yaml *yaml);
static inline void weir_yaml_freep(struct weir_yaml **yaml)
{
	weir_yaml_free(*yaml);
}
#define _cleanup_yaml_ __attribute__((cleanup(weir_yaml_freep)))

/* The outermost node; NULL for a document that holds nothing. Nodes are borrowed from yaml. */
const struct weir_yaml_node *weir_yaml_root(const struct weir_yaml *yaml);
/* NULL after the last. */
const struct weir_yaml_node *weir_yaml_child(const struct weir_yaml *yaml,
					     const struct weir_yaml_node *node);
const struct weir_yaml_node *weir_yaml_next(const struct weir_yaml *yaml,
					    const struct weir_yaml_node *node);
/* Whether it stands for "nothing": a scalar that is empty, ~ or null. */
bool weir_yaml_is_null(const struct weir_yaml_node *node);

/*
 * The value at a path such as "block.lists[2].entries[0]" (indexes from 0), or its key when the
 * path ends with "#key"; the longest part of the path that exists when not all does. NULL for an
 * empty document.
 */
const struct weir_yaml_node *weir_yaml_find(const struct weir_yaml *yaml, const char *path);
/*
 * The place of weir_yaml_find() in a text; -ENOENT when it holds nothing, -EINVAL when it is not
 * YAML.
 */
int weir_yaml_locate(const char *text, size_t len, const char *path, unsigned *ret_line,
		     unsigned *ret_column);

#endif
