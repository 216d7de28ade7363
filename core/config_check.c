/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the document; it goes on after a problem, so that a person mends a file once. */
#include "core/config_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "core/config_cyaml.h"
#include "core/config_path.h"
#include "core/config_value.h"
#include "core/yaml_text.h"

struct walk {
	const struct weir_yaml *yaml;
	const struct weir_field *top;
	struct weir_diag *diag;
	struct weir_buf path;
	size_t errors;
	bool no_memory;
};

static void walk_mark(struct walk *walk, const struct weir_yaml_node *node)
{
	struct weir_diag_entry *entry = weir_diag_last(walk->diag);
	if (entry) {
		entry->line = node->line;
		entry->column = node->column;
	}
	walk->errors++;
}

static const char *walk_key(const struct walk *walk)
{
	return walk->path.len > 0 ? weir_buf_str(&walk->path) : NULL;
}

static const struct weir_field *field_find(const struct weir_field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

static const struct weir_field *field_nearest(const struct weir_field *fields, const char *word)
{
	const struct weir_field *best = NULL;
	unsigned best_distance = weir_edit_allowance(word) + 1;
	for (; fields->key; fields++) {
		unsigned distance = weir_edit_distance(word, fields->key);
		if (distance >= best_distance)
			continue;
		best = fields;
		best_distance = distance;
	}
	return best;
}

/*
 * The section at the top that has such a key right inside: someone indented it too little or too
 * much.
 */
static const struct weir_field *section_with(const struct weir_field *top, const char *key)
{
	for (; top->key; top++)
		if (top->fields && field_find(top->fields, key))
			return top;
	return NULL;
}

static void keys_format(const struct weir_field *fields, struct weir_buf *text)
{
	for (size_t i = 0; fields[i].key; i++) {
		weir_buf_add_str(text, i == 0 ? "" : fields[i + 1].key ? ", " : " and ");
		weir_buf_add_str(text, fields[i].key);
	}
}

/* `{dport: 80, 443}`: YAML takes what stands behind the comma for a key without a value. */
static bool is_rest_of_value(const struct walk *walk, const struct weir_yaml_node *key)
{
	return strchr("0123456789/", key->text[0]) &&
	       weir_yaml_is_null(weir_yaml_next(walk->yaml, key));
}

static void unknown_mend(const struct walk *walk, const struct weir_field *fields, const char *key,
			 struct weir_buf *mend)
{
	const struct weir_field *near = field_nearest(fields, key);
	const struct weir_field *section = section_with(walk->top, key);
	bool at_top = fields != walk->top && field_find(walk->top, key);
	if (strcmp(key, "<<") == 0) {
		weir_buf_add_str(mend, "write the keys themselves: YAML merges are not understood");
	} else if (near) {
		weir_buf_addf(mend, "did you mean '%s'?", near->key);
	} else if (at_top) {
		weir_buf_addf(mend, "'%s' belongs at the left margin", key);
	} else if (section) {
		weir_buf_addf(mend, "'%s' belongs inside '%s'", key, section->key);
	} else {
		weir_buf_add_str(mend, "the keys here are ");
		keys_format(fields, mend);
	}
}

static void unknown_tell(struct walk *walk, const struct weir_field *fields,
			 const struct weir_yaml_node *key)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	if (is_rest_of_value(walk, key))
		weir_buf_add_str(&mend, "a comma ends a value between braces: write those with one "
					"in quotes, \"80, 443\"");
	else
		unknown_mend(walk, fields, key->text, &mend);
	char shown[WEIR_TEXT_SHOWN];
	size_t before = weir_keypath_enter_key(&walk->path, weir_text_shorten(key->text, shown));
	weir_diag_key(walk->diag, walk_key(walk), weir_buf_str(&mend), "there is no such key");
	weir_keypath_leave(&walk->path, before);
	walk_mark(walk, key);
}

static const char *shape_name(enum weir_yaml_kind kind)
{
	return kind == WEIR_YAML_MAPPING  ? "a mapping of keys" :
	       kind == WEIR_YAML_SEQUENCE ? "a list" :
					    "a single value";
}

static void shape_tell(struct walk *walk, const struct weir_yaml_node *node,
		       enum weir_yaml_kind wanted, const char *mend)
{
	weir_diag_key(walk->diag, walk_key(walk), mend, "must be %s, not %s", shape_name(wanted),
		      shape_name(node->kind));
	walk_mark(walk, node);
}

static void mapping_check(struct walk *walk, const struct weir_field *fields,
			  const struct weir_yaml_node *node);

/* A single value, or nothing, where keys belong. */
static void mapping_shape_tell(struct walk *walk, const struct weir_field *fields,
			       const struct weir_yaml_node *node)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	bool names_it = node->kind == WEIR_YAML_SCALAR && !weir_yaml_is_null(node) &&
			fields->required && fields->type == WEIR_FIELD_STRING;
	if (names_it) {
		char shown[WEIR_TEXT_SHOWN];
		weir_buf_addf(&mend, "write '%s: %s'", fields->key,
			      weir_text_shorten(node->text, shown));
	} else {
		weir_buf_add_str(&mend, "write its keys and values indented below it: ");
		keys_format(fields, &mend);
	}
	shape_tell(walk, node, WEIR_YAML_MAPPING, weir_buf_str(&mend));
}

static void entry_check(struct walk *walk, const struct weir_field *field,
			const struct weir_yaml_node *entry)
{
	if (field->type == WEIR_FIELD_SEQUENCE) {
		if (entry->kind == WEIR_YAML_MAPPING)
			mapping_check(walk, field->fields, entry);
		else
			mapping_shape_tell(walk, field->fields, entry);
		return;
	}
	if (entry->kind != WEIR_YAML_SCALAR) {
		shape_tell(walk, entry, WEIR_YAML_SCALAR, "write one value after each '- '");
	} else if (!*entry->text) {
		weir_diag_key(walk->diag, walk_key(walk), "write a value after '- ', or remove it",
			      "this entry is empty");
		walk_mark(walk, entry);
	}
}

static void sequence_check(struct walk *walk, const struct weir_field *field,
			   const struct weir_yaml_node *node)
{
	if (node->kind != WEIR_YAML_SEQUENCE) {
		shape_tell(walk, node, WEIR_YAML_SEQUENCE, "start each entry with '- '");
		return;
	}
	unsigned index = 0;
	const struct weir_yaml_node *entry = weir_yaml_child(walk->yaml, node);
	for (; entry; entry = weir_yaml_next(walk->yaml, entry)) {
		size_t before = weir_keypath_enter_index(&walk->path, index++);
		entry_check(walk, field, entry);
		weir_keypath_leave(&walk->path, before);
	}
}

static void scalar_check(struct walk *walk, const struct weir_field *field,
			 const struct weir_yaml_node *node)
{
	if (node->kind == WEIR_YAML_SEQUENCE && field->type == WEIR_FIELD_STRING)
		shape_tell(walk, node, WEIR_YAML_SCALAR,
			   "write one value after the ':'; where it may name several, as one text: "
			   "\"80, 443\"");
	else if (node->kind != WEIR_YAML_SCALAR)
		shape_tell(walk, node, WEIR_YAML_SCALAR, "write one value after the ':'");
	else if (weir_value_read(field, node->text, walk_key(walk), walk->diag, NULL) < 0)
		walk_mark(walk, node);
}

/* The path is that of the required key. */
static void required_tell(struct walk *walk, const struct weir_field *field,
			  const struct weir_yaml_node *node, const char *what)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	weir_buf_addf(&mend, "write '%s: …'", field->key);
	if (field->help)
		weir_buf_addf(&mend, ": %s", field->help);
	weir_diag_key(walk->diag, walk_key(walk), weir_buf_str(&mend), "%s", what);
	walk_mark(walk, node);
}

static void value_check(struct walk *walk, const struct weir_field *field,
			const struct weir_yaml_node *node)
{
	if (weir_yaml_is_null(node)) {
		if (!field->required && !field->wants_value)
			return;
		required_tell(walk, field, node, "has no value");
	} else if (weir_field_is_scalar(field)) {
		scalar_check(walk, field, node);
	} else if (field->type != WEIR_FIELD_MAPPING) {
		sequence_check(walk, field, node);
	} else if (node->kind == WEIR_YAML_MAPPING) {
		mapping_check(walk, field->fields, node);
	} else {
		mapping_shape_tell(walk, field->fields, node);
	}
}

/* `seen` is the node of that key met before, or NULL. */
static void key_check(struct walk *walk, const struct weir_field *field,
		      const struct weir_yaml_node *key, const struct weir_yaml_node *seen)
{
	size_t before = weir_keypath_enter_key(&walk->path, field->key);
	if (seen) {
		weir_diag_key(walk->diag, walk_key(walk), "keep one of them",
			      "is given twice, first on line %u", seen->line);
		walk_mark(walk, key);
	}
	value_check(walk, field, weir_yaml_next(walk->yaml, key));
	weir_keypath_leave(&walk->path, before);
}

static void mapping_check(struct walk *walk, const struct weir_field *fields,
			  const struct weir_yaml_node *node)
{
	size_t count = weir_fields_count(fields);
	_cleanup_free_ const struct weir_yaml_node **seen = calloc(count + 1, sizeof(*seen));
	if (!seen) {
		walk->no_memory = true;
		return;
	}
	const struct weir_yaml_node *key = weir_yaml_child(walk->yaml, node);
	while (key) {
		const struct weir_field *field =
			key->kind == WEIR_YAML_SCALAR ? field_find(fields, key->text) : NULL;
		if (field) {
			key_check(walk, field, key, seen[field - fields]);
			seen[field - fields] = key;
		} else if (key->kind == WEIR_YAML_SCALAR) {
			unknown_tell(walk, fields, key);
		} else {
			shape_tell(walk, key, WEIR_YAML_SCALAR,
				   "a key is one word, without brackets");
		}
		key = weir_yaml_next(walk->yaml, weir_yaml_next(walk->yaml, key));
	}
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].required || seen[i])
			continue;
		size_t before = weir_keypath_enter_key(&walk->path, fields[i].key);
		required_tell(walk, &fields[i], node, "is missing");
		weir_keypath_leave(&walk->path, before);
	}
}

int weir_config_check(const struct weir_yaml *yaml, const struct weir_field *fields,
		      struct weir_diag *diag)
{
	struct walk walk = { .yaml = yaml, .top = fields, .diag = diag };
	const struct weir_yaml_node *root = weir_yaml_root(yaml);
	if (!root || weir_yaml_is_null(root))
		return 0;
	if (root->kind == WEIR_YAML_MAPPING) {
		mapping_check(&walk, fields, root);
	} else {
		_cleanup_buf_ struct weir_buf mend = { 0 };
		weir_buf_add_str(&mend, "start with one of its keys: ");
		keys_format(fields, &mend);
		weir_diag_error(diag, weir_buf_str(&mend), "the file must be %s, not %s",
				shape_name(WEIR_YAML_MAPPING), shape_name(root->kind));
		walk_mark(&walk, root);
	}
	bool no_memory = walk.no_memory || walk.path.failed;
	weir_buf_done(&walk.path);
	if (no_memory)
		return -ENOMEM;
	return walk.errors ? -EINVAL : 0;
}
