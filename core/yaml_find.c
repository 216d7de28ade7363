/* SPDX-License-Identifier: Apache-2.0 */
/* From the path of a key to its place in the text. */
#include "core/yaml_mark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

bool weir_yaml_is_null(const struct weir_yaml_node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	for (size_t i = 0; node->kind == WEIR_YAML_SCALAR && i < WEIR_ARRAY_SIZE(nulls); i++)
		if (strcmp(node->text, nulls[i]) == 0)
			return true;
	return false;
}

static bool text_is(const struct weir_yaml_node *node, const char *word, size_t len)
{
	return node->kind == WEIR_YAML_SCALAR && strncmp(node->text, word, len) == 0 &&
	       node->text[len] == 0;
}

/* The key node of that name, whose next is the value; NULL when the mapping has none. */
static const struct weir_yaml_node *mapping_key(const struct weir_yaml *yaml,
						const struct weir_yaml_node *mapping,
						const char *word, size_t len)
{
	const struct weir_yaml_node *key = weir_yaml_child(yaml, mapping);
	while (key && !text_is(key, word, len))
		key = weir_yaml_next(yaml, weir_yaml_next(yaml, key));
	return key;
}

static const struct weir_yaml_node *sequence_entry(const struct weir_yaml *yaml,
						   const struct weir_yaml_node *sequence,
						   unsigned long index)
{
	const struct weir_yaml_node *entry = weir_yaml_child(yaml, sequence);
	while (entry && index-- > 0)
		entry = weir_yaml_next(yaml, entry);
	return entry;
}

/*
 * The node of the first word of *path ("lists", "[2]") inside `node`, NULL when there is none;
 * *path then starts at what follows. *ret_key is the key that names it, or itself inside a
 * sequence.
 */
static const struct weir_yaml_node *path_step(const struct weir_yaml *yaml,
					      const struct weir_yaml_node *node, const char **path,
					      const struct weir_yaml_node **ret_key)
{
	const char *word = **path == '.' ? *path + 1 : *path;
	if (*word == '[') {
		char *end = NULL;
		unsigned long index = strtoul(word + 1, &end, 10);
		*path = *end == ']' ? end + 1 : end + strlen(end);
		if (node->kind != WEIR_YAML_SEQUENCE)
			return NULL;
		*ret_key = sequence_entry(yaml, node, index);
		return *ret_key;
	}
	size_t len = strcspn(word, ".[#");
	*path = word + len;
	if (node->kind != WEIR_YAML_MAPPING)
		return NULL;
	const struct weir_yaml_node *key = mapping_key(yaml, node, word, len);
	*ret_key = key;
	return key ? weir_yaml_next(yaml, key) : NULL;
}

const struct weir_yaml_node *weir_yaml_find(const struct weir_yaml *yaml, const char *path)
{
	const struct weir_yaml_node *node = weir_yaml_root(yaml);
	const struct weir_yaml_node *key = node;
	while (node && *path && strcmp(path, "#key") != 0) {
		const struct weir_yaml_node *child_key = NULL;
		const struct weir_yaml_node *child = path_step(yaml, node, &path, &child_key);
		if (!child)
			return node;
		node = child;
		key = child_key;
	}
	return *path ? key : node;
}

int weir_yaml_locate(const char *text, size_t len, const char *path, unsigned *ret_line,
		     unsigned *ret_column)
{
	_cleanup_yaml_ struct weir_yaml *yaml = NULL;
	int r = weir_yaml_parse(text, len, NULL, &yaml);
	if (r < 0)
		return r;
	const struct weir_yaml_node *node = weir_yaml_find(yaml, path);
	if (!node)
		return -ENOENT;
	*ret_line = node->line;
	*ret_column = node->column;
	return 0;
}
