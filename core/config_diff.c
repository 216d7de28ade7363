/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks two documents side by side. Children are paired by label (a key, a name, a value, a
 * position) through sorting, then told in the order in which they were written.
 */
#include "core/config_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/config_path.h"
#include "core/yaml_mark.h"

/* A child: of two with the same label in one document, the first pairs with the other's first. */
struct item {
	const char *label; /* borrowed from its document; NULL: position alone */
	const struct weir_yaml_node *node;
	size_t position;
	struct item *pair;
};

struct items {
	struct item *list; /* in the order of the text */
	size_t count;
};

enum pairing {
	BY_KEY,
	BY_NAME,
	BY_VALUE,
	BY_POSITION,
};

struct diff {
	const struct weir_yaml *from, *to;
	struct weir_json_out json;
	struct weir_buf path;
	size_t changes;
};

static int node_diff(struct diff *diff, const struct weir_yaml_node *from,
		     const struct weir_yaml_node *to);

static void items_done(struct items *items)
{
	free(items->list);
}

static bool node_is_nothing(const struct weir_yaml_node *node)
{
	return !node || weir_yaml_is_null(node);
}

/* Recursion is bounded by WEIR_YAML_DEPTH_MAX. */
static void node_put(struct weir_json_out *json, const char *key, const struct weir_yaml *yaml,
		     const struct weir_yaml_node *node)
{
	if (node->kind == WEIR_YAML_SCALAR) {
		weir_json_put_str(json, key, node->text);
		return;
	}
	const struct weir_yaml_node *child = weir_yaml_child(yaml, node);
	if (node->kind == WEIR_YAML_SEQUENCE) {
		weir_json_open_array(json, key);
		for (; child; child = weir_yaml_next(yaml, child))
			node_put(json, NULL, yaml, child);
		weir_json_close_array(json);
		return;
	}
	weir_json_open_object(json, key);
	while (child) {
		const struct weir_yaml_node *value = weir_yaml_next(yaml, child);
		node_put(json, child->text ? child->text : "", yaml, value);
		child = weir_yaml_next(yaml, value);
	}
	weir_json_close_object(json);
}

static void change_put(struct diff *diff, const struct weir_yaml_node *from,
		       const struct weir_yaml_node *to)
{
	struct weir_json_out *json = &diff->json;

	diff->changes++;
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "op", !from ? "add" : !to ? "remove" : "change");
	weir_json_put_str(json, "key", weir_buf_str(&diff->path));
	if (from)
		node_put(json, "from", diff->from, from);
	if (to)
		node_put(json, "to", diff->to, to);
	weir_json_close_object(json);
}

/* Value of the key "name" of a mapping, or NULL. */
static const char *node_name(const struct weir_yaml *yaml, const struct weir_yaml_node *node)
{
	if (node->kind != WEIR_YAML_MAPPING)
		return NULL;
	const struct weir_yaml_node *key = weir_yaml_child(yaml, node);
	while (key) {
		const struct weir_yaml_node *value = weir_yaml_next(yaml, key);
		if (key->text && strcmp(key->text, "name") == 0)
			return value->kind == WEIR_YAML_SCALAR ? value->text : NULL;
		key = weir_yaml_next(yaml, value);
	}
	return NULL;
}

/* What every entry of a sequence can be told by. */
static enum pairing sequence_pairing(const struct weir_yaml *yaml,
				     const struct weir_yaml_node *sequence)
{
	bool values = true, names = true;
	const struct weir_yaml_node *child = sequence ? weir_yaml_child(yaml, sequence) : NULL;

	for (; child && (values || names); child = weir_yaml_next(yaml, child)) {
		values = values && child->kind == WEIR_YAML_SCALAR;
		names = names && node_name(yaml, child);
	}
	return values ? BY_VALUE : names ? BY_NAME : BY_POSITION;
}

static bool sequence_is_empty(const struct weir_yaml *yaml, const struct weir_yaml_node *sequence)
{
	return !sequence || !weir_yaml_child(yaml, sequence);
}

static enum pairing pairing_of(const struct diff *diff, const struct weir_yaml_node *from,
			       const struct weir_yaml_node *to)
{
	if ((from ? from : to)->kind == WEIR_YAML_MAPPING)
		return BY_KEY;
	enum pairing a = sequence_pairing(diff->from, from);
	enum pairing b = sequence_pairing(diff->to, to);

	if (sequence_is_empty(diff->from, from))
		return b;
	if (sequence_is_empty(diff->to, to))
		return a;
	return a == b ? a : BY_POSITION;
}

/* A key without value is none, as if it were not written. */
static int items_read(const struct weir_yaml *yaml, const struct weir_yaml_node *node,
		      enum pairing pairing, struct items *items)
{
	const struct weir_yaml_node *child = node ? weir_yaml_child(yaml, node) : NULL;
	size_t capacity = 0;

	for (size_t position = 0; child; position++, child = weir_yaml_next(yaml, child)) {
		struct item item = { .position = position };

		if (pairing == BY_KEY) {
			item.label = child->text;
			child = weir_yaml_next(yaml, child);
		}
		item.node = child;
		if (pairing == BY_NAME)
			item.label = node_name(yaml, child);
		if (pairing == BY_VALUE)
			item.label = child->text;
		if (pairing == BY_KEY && node_is_nothing(child))
			continue;
		if (items->count == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			struct item *list = reallocarray(items->list, capacity, sizeof(*list));
			if (!list)
				return -ENOMEM;
			items->list = list;
		}
		items->list[items->count++] = item;
	}
	return 0;
}

static int label_order(const struct item *a, const struct item *b)
{
	if (a->label && b->label)
		return strcmp(a->label, b->label);
	if (a->label || b->label)
		return a->label ? 1 : -1;
	return a->position < b->position ? -1 : a->position > b->position;
}

static int sorted_order(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
	int order = label_order(x, y);

	return order ? order : x->position < y->position ? -1 : x->position > y->position;
}

static struct item **items_sorted(const struct items *items)
{
	struct item **sorted = calloc(items->count + 1, sizeof(struct item *));

	for (size_t i = 0; sorted && i < items->count; i++)
		sorted[i] = &items->list[i];
	if (sorted)
		qsort(sorted, items->count, sizeof(struct item *), sorted_order);
	return sorted;
}

static int items_pair(const struct items *from, const struct items *to)
{
	_cleanup_free_ struct item **a = items_sorted(from);
	_cleanup_free_ struct item **b = items_sorted(to);
	size_t i = 0, j = 0;

	if (!a || !b)
		return -ENOMEM;
	while (i < from->count && j < to->count) {
		int order = label_order(a[i], b[j]);

		if (order == 0) {
			a[i]->pair = b[j];
			b[j]->pair = a[i];
		}
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static size_t item_enter(struct weir_buf *path, const struct item *item, enum pairing pairing)
{
	size_t before = path->len;

	switch (pairing) {
	case BY_KEY:
		return weir_keypath_enter_key(path, item->label ? item->label : "");
	case BY_NAME:
		weir_buf_addf(path, "[%s]", item->label);
		break;
	case BY_POSITION:
		weir_buf_addf(path, "[%zu]", item->position);
		break;
	case BY_VALUE:
		break;
	}
	return before;
}

static int item_diff(struct diff *diff, enum pairing pairing, const struct item *from,
		     const struct item *to)
{
	size_t before = item_enter(&diff->path, from ? from : to, pairing);
	int r = 0;

	if (from && to)
		r = node_diff(diff, from->node, to->node);
	else
		change_put(diff, from ? from->node : NULL, to ? to->node : NULL);
	weir_keypath_leave(&diff->path, before);
	return r;
}

/* One of the two may be NULL: then all children of the other came or went. */
static int children_diff(struct diff *diff, const struct weir_yaml_node *from,
			 const struct weir_yaml_node *to)
{
	enum pairing pairing = pairing_of(diff, from, to);
	_cleanup_(items_done) struct items a = {}, b = {};
	int r = items_read(diff->from, from, pairing, &a);

	if (!r)
		r = items_read(diff->to, to, pairing, &b);
	if (!r)
		r = items_pair(&a, &b);
	for (size_t i = 0; i < a.count && !r; i++)
		r = item_diff(diff, pairing, &a.list[i], a.list[i].pair);
	for (size_t i = 0; i < b.count && !r; i++)
		if (!b.list[i].pair)
			r = item_diff(diff, pairing, NULL, &b.list[i]);
	return r;
}

static int node_diff(struct diff *diff, const struct weir_yaml_node *from,
		     const struct weir_yaml_node *to)
{
	bool is_same_kind = from->kind == to->kind;

	if (is_same_kind && from->kind != WEIR_YAML_SCALAR)
		return children_diff(diff, from, to);
	if (is_same_kind && strcmp(from->text, to->text) == 0)
		return 0;
	if (!node_is_nothing(from) || !node_is_nothing(to))
		change_put(diff, from, to);
	return 0;
}

static int root_diff(struct diff *diff, const struct weir_yaml_node *from,
		     const struct weir_yaml_node *to)
{
	bool from_nothing = node_is_nothing(from), to_nothing = node_is_nothing(to);

	if (from_nothing && to_nothing)
		return 0;
	if (!from_nothing && !to_nothing)
		return node_diff(diff, from, to);
	if ((from_nothing ? to : from)->kind == WEIR_YAML_SCALAR) {
		change_put(diff, from_nothing ? NULL : from, to_nothing ? NULL : to);
		return 0;
	}
	return children_diff(diff, from_nothing ? NULL : from, to_nothing ? NULL : to);
}

int weir_config_diff(const char *from, const char *to, struct weir_diag *diag,
		     struct weir_buf *reply)
{
	_cleanup_yaml_ struct weir_yaml *before = NULL, *after = NULL;
	_cleanup_buf_ struct weir_buf changes = {};
	struct diff diff = { .json = { .out = &changes } };
	struct weir_json_out json = { .out = reply };
	int r = weir_yaml_parse(from, strlen(from), diag, &before);

	if (!r)
		r = weir_yaml_parse(to, strlen(to), diag, &after);
	if (r)
		return r;
	diff.from = before;
	diff.to = after;
	weir_json_open_array(&diff.json, NULL);
	r = root_diff(&diff, weir_yaml_root(before), weir_yaml_root(after));
	weir_json_close_array(&diff.json);
	bool failed = changes.failed || diff.path.failed;
	weir_buf_done(&diff.path);
	if (r || failed)
		return r ? r : -ENOMEM;
	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "changed", diff.changes > 0);
	weir_json_put_raw(&json, "changes", weir_buf_str(&changes));
	weir_json_close_object(&json);
	return reply->failed ? -ENOMEM : 0;
}
