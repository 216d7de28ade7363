/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing keys into 64-byte nodes, and leaves into a B+-tree when one does not hold them all.
 */
#include "addr_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void node4_keys_pack(struct weir_addr_node4 *node, uint32_t i, uint64_t key)
{
	node->not_key[i] = (uint16_t)~key;
}

/* Keys left at zero are, complemented, the greatest value: just what an unused key must be. */
static void node4_leaf_pack(void *line, const struct weir_entries *entries,
			    const struct weir_leaf *leaf, uint32_t tails)
{
	struct weir_addr_node4 *node = line;

	(void)tails;
	for (uint32_t i = 0; i < entries->count; i++)
		node4_keys_pack(node, i, entries->entry[i].key);
	for (uint32_t i = 0; i < 2 * WEIR_ADDR_KEYS4 + 2; i++)
		node->answers[i / 4] |= leaf->answers[i] << (2 * (i % 4));
	memcpy(node->palette, leaf->palette, sizeof(node->palette));
}

static void node4_inner_pack(void *line, const uint64_t *last, uint32_t keys, uint32_t child)
{
	struct weir_addr_node4 *node = line;

	for (uint32_t i = 0; i < keys; i++)
		node4_keys_pack(node, i, last[i]);
	node->line = child;
	node->palette[0] = WEIR_ADDR_MARK;
}

static uint64_t answers_meta(const struct weir_leaf *leaf, uint32_t keys, uint32_t line)
{
	uint64_t meta = (uint64_t)line << WEIR_ADDR_META_SHIFT;

	for (uint32_t i = 0; i < 2 * keys + 2; i++)
		meta |= (uint64_t)leaf->answers[i] << (2 * i);
	return meta;
}

static void node6_keys_pack(struct weir_addr_node6 *node, uint32_t i, uint64_t key)
{
	node->key_high[i] = (uint32_t)(key >> 16);
	node->key_low[i] = (uint16_t)key;
}

static void node6_leaf_pack(void *line, const struct weir_entries *entries,
			    const struct weir_leaf *leaf, uint32_t tails)
{
	struct weir_addr_node6 *node = line;

	for (uint32_t i = 0; i < WEIR_ADDR_KEYS6; i++)
		node6_keys_pack(node, i, i < entries->count ? entries->entry[i].key : UINT64_MAX);
	node->meta = answers_meta(leaf, WEIR_ADDR_KEYS6, tails);
	memcpy(node->palette, leaf->palette, sizeof(node->palette));
}

static void node6_inner_pack(void *line, const uint64_t *last, uint32_t keys, uint32_t child)
{
	struct weir_addr_node6 *node = line;

	for (uint32_t i = 0; i < WEIR_ADDR_KEYS6; i++)
		node6_keys_pack(node, i, i < keys ? last[i] : UINT64_MAX);
	node->meta = (uint64_t)child << WEIR_ADDR_META_SHIFT;
	node->palette[0] = WEIR_ADDR_MARK;
}

static void tail6_leaf_pack(void *line, const struct weir_entries *entries,
			    const struct weir_leaf *leaf, uint32_t tails)
{
	struct weir_addr_tail6 *node = line;

	(void)tails;
	for (uint32_t i = 0; i < WEIR_ADDR_TAIL_KEYS6; i++)
		node->key[i] = i < entries->count ? entries->entry[i].key : UINT64_MAX;
	node->meta = answers_meta(leaf, WEIR_ADDR_TAIL_KEYS6, 0);
	memcpy(node->palette, leaf->palette, sizeof(node->palette));
}

static void tail6_inner_pack(void *line, const uint64_t *last, uint32_t keys, uint32_t child)
{
	struct weir_addr_tail6 *node = line;

	for (uint32_t i = 0; i < WEIR_ADDR_TAIL_KEYS6; i++)
		node->key[i] = i < keys ? last[i] : UINT64_MAX;
	node->meta = (uint64_t)child << WEIR_ADDR_META_SHIFT;
	node->palette[0] = WEIR_ADDR_MARK;
}

const struct weir_node_format weir_node4_format = {
	.keys = WEIR_ADDR_KEYS4,
	.depth_max = WEIR_ADDR_DEPTH4_MAX,
	.key_max = UINT16_MAX,
	.pack_leaf = node4_leaf_pack,
	.pack_inner = node4_inner_pack,
};

const struct weir_node_format weir_node6_format = {
	.keys = WEIR_ADDR_KEYS6,
	.depth_max = WEIR_ADDR_DEPTH6_MAX,
	.key_max = 0xffffffffffffULL,
	.pack_leaf = node6_leaf_pack,
	.pack_inner = node6_inner_pack,
};

const struct weir_node_format weir_tail6_format = {
	.keys = WEIR_ADDR_TAIL_KEYS6,
	.depth_max = WEIR_ADDR_TAIL6_MAX,
	.key_max = UINT64_MAX,
	.pack_leaf = tail6_leaf_pack,
	.pack_inner = tail6_inner_pack,
};

void weir_tree_done(struct weir_tree *tree)
{
	free(tree->last);
	free(tree->scratch);
}

/* The slots a leaf has given out; the mark for a tail does not take one from the front. */
struct palette {
	uint16_t class[4];
	uint32_t used;
	bool has_tail;
};

static uint32_t palette_find(const struct palette *palette, uint16_t class)
{
	uint32_t slot = 0;

	while (slot < palette->used && palette->class[slot] != class)
		slot++;
	return slot;
}

/* The slot of a class, given out if need be; the slot of a tail is fixed. False: no slot left. */
static bool palette_add(struct palette *palette, uint16_t class, uint8_t *ret_slot)
{
	if (class == WEIR_ADDR_MARK) {
		*ret_slot = WEIR_ADDR_TAIL_SLOT;
		palette->has_tail = true;
		return palette->used <= WEIR_ADDR_TAIL_SLOT;
	}

	uint32_t slot = palette_find(palette, class);

	if (slot == palette->used) {
		if (slot == 4U - palette->has_tail)
			return false;
		palette->class[palette->used++] = class;
	}
	*ret_slot = (uint8_t)slot;
	return true;
}

uint32_t weir_tree_leaf_take(const struct weir_tree *tree, const struct weir_entries *entries)
{
	uint32_t count = entries->count < tree->format->keys ? entries->count : tree->format->keys;
	struct palette palette = { .class = { entries->before }, .used = 1 };
	uint8_t slot;

	for (uint32_t i = 0; i < count; i++)
		if (!palette_add(&palette, entries->entry[i].at, &slot) ||
		    !palette_add(&palette, entries->entry[i].after, &slot))
			return i;
	return count;
}

/*
 * Answers after the last key in use repeat the last class of the leaf: the unused keys make the
 * look-up of the greatest address land on one of them, and nothing else does.
 */
static void leaf_describe(const struct weir_tree *tree, const struct weir_entries *entries,
			  struct weir_leaf *leaf)
{
	const struct weir_entry *entry = entries->entry;
	uint32_t n = entries->count;
	struct palette palette = { .class = { entries->before }, .used = 1 };

	leaf->answers[0] = 0;
	for (uint32_t i = 0; i < n; i++) {
		palette_add(&palette, entry[i].at, &leaf->answers[2 * i + 1]);
		palette_add(&palette, entry[i].after, &leaf->answers[2 * i + 2]);
	}

	bool ends_on_key = n && entry[n - 1].key == tree->format->key_max;

	memset(leaf->answers + 2 * n + !ends_on_key, leaf->answers[2 * n - ends_on_key],
	       sizeof(leaf->answers) - 2 * n - !ends_on_key);
	memcpy(leaf->palette, palette.class, sizeof(leaf->palette));
	if (palette.has_tail)
		leaf->palette[WEIR_ADDR_TAIL_SLOT] = WEIR_ADDR_MARK;
}

static uint32_t tails_count(const struct weir_entries *entries)
{
	uint32_t tails = 0;

	for (uint32_t i = 0; i < entries->count; i++)
		tails += entries->entry[i].at == WEIR_ADDR_MARK;
	return tails;
}

static int tails_build(struct weir_tree *tree, const struct weir_entries *entries, uint32_t line)
{
	for (uint32_t i = 0; i < entries->count; i++) {
		const struct weir_entry *entry = &entries->entry[i];

		if (entry->at != WEIR_ADDR_MARK)
			continue;

		int r = tree->build_tail(tree, entry, i ? entry[-1].after : entries->before,
					 line++);

		if (r < 0)
			return r;
	}
	return 0;
}

static int leaf_build(struct weir_tree *tree, const struct weir_entries *entries, uint32_t line)
{
	uint32_t tails = tails_count(entries), tail_line = 0;
	struct weir_leaf leaf;

	if (tails) {
		int r = weir_lines_add(tree->lines, tails, &tail_line);

		if (r < 0)
			return r;
	}
	leaf_describe(tree, entries, &leaf);
	tree->format->pack_leaf(weir_lines_at(tree->lines, line), entries, &leaf, tail_line);
	return tails ? tails_build(tree, entries, tail_line) : 0;
}

static struct weir_entries entries_after(const struct weir_entries *entries, uint32_t count)
{
	return (struct weir_entries){
		.entry = entries->entry + count,
		.count = entries->count - count,
		.before = entries->entry[count - 1].after,
	};
}

static struct weir_entries entries_first(const struct weir_entries *entries, uint32_t count)
{
	return (struct weir_entries){ .entry = entries->entry,
				      .count = count,
				      .before = entries->before };
}

static int last_set(struct weir_tree *tree, uint32_t leaf, uint64_t last)
{
	if (leaf == tree->last_capacity) {
		uint32_t capacity = leaf ? 2 * leaf : 1024;
		uint64_t *grown = realloc(tree->last, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		tree->last = grown;
		tree->last_capacity = capacity;
	}
	tree->last[leaf] = last;
	return 0;
}

/* Cut the entries into leaves, greedily, noting the last address of each. */
static int leaves_plan(struct weir_tree *tree, const struct weir_entries *entries,
		       uint32_t *ret_leaves)
{
	struct weir_entries rest = *entries;
	uint32_t leaves = 0;

	for (;;) {
		uint32_t take = weir_tree_leaf_take(tree, &rest);
		uint64_t last =
			take == rest.count ? tree->format->key_max : rest.entry[take].key - 1;
		int r = last_set(tree, leaves++, last);

		if (r < 0)
			return r;
		if (take == rest.count)
			break;
		rest = entries_after(&rest, take);
	}
	*ret_leaves = leaves;
	return 0;
}

/*
 * The tails built on the way may not disturb this tree's scratch: they have a struct weir_tree of
 * their own. The cut is made again instead of remembered: it costs less than the memory would.
 */
static int leaves_build(struct weir_tree *tree, const struct weir_entries *entries, uint32_t line)
{
	struct weir_entries rest = *entries;

	for (;;) {
		uint32_t take = weir_tree_leaf_take(tree, &rest);
		struct weir_entries leaf = entries_first(&rest, take);
		int r = leaf_build(tree, &leaf, line++);

		if (r < 0 || take == rest.count)
			return r;
		rest = entries_after(&rest, take);
	}
}

/* One level of inner nodes over `children` lines from `child` on; tree->last shrinks to the nodes'
 * own last addresses. */
static void level_build(struct weir_tree *tree, uint32_t children, uint32_t child, uint32_t line)
{
	uint32_t fan = tree->format->keys + 1;

	for (uint32_t i = 0, node = 0; i < children; i += fan, node++) {
		uint32_t here = children - i < fan ? children - i : fan;

		tree->format->pack_inner(weir_lines_at(tree->lines, line + node), tree->last + i,
					 here - 1, child + i);
		tree->last[node] = tree->last[i + here - 1];
	}
}

static int tree_build(struct weir_tree *tree, const struct weir_entries *entries, uint32_t root)
{
	uint32_t fan = tree->format->keys + 1, children, child, depth = 2;
	int r = leaves_plan(tree, entries, &children);

	if (r < 0)
		return r;
	r = weir_lines_add(tree->lines, children, &child);
	if (r < 0)
		return r;
	r = leaves_build(tree, entries, child);
	if (r < 0)
		return r;
	for (; children > fan; depth++) {
		uint32_t nodes = (children + fan - 1) / fan, line;

		r = weir_lines_add(tree->lines, nodes, &line);
		if (r < 0)
			return r;
		level_build(tree, children, child, line);
		children = nodes;
		child = line;
	}
	level_build(tree, children, child, root);
	return depth > tree->format->depth_max ? -EOVERFLOW : 0;
}

int weir_tree_bucket(struct weir_tree *tree, const struct weir_entries *entries, uint32_t line)
{
	if (weir_tree_leaf_take(tree, entries) == entries->count)
		return leaf_build(tree, entries, line);
	return tree_build(tree, entries, line);
}
