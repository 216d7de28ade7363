/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The B+-tree under one index bucket, whatever the width of its keys: what the three node formats
 * share. Private to the address table's compiler.
 */
#ifndef WEIR_CORE_ADDR_NODE_H
#define WEIR_CORE_ADDR_NODE_H

#include "addr_lines.h"

/* One key of a leaf: the class of the key itself and of what follows it. `at` may be
 * WEIR_ADDR_MARK: see `tail`. */
struct weir_entry {
	uint64_t key;
	uint32_t tail; /* first of the steps inside this key's /64 */
	uint32_t tail_count;
	uint16_t at;
	uint16_t after;
};

struct weir_entries {
	const struct weir_entry *entry;
	uint32_t count;
	uint16_t before; /* class of what is below the first key */
};

/* What a leaf says before it is packed: palette slots of answers 0 to 2n. */
struct weir_leaf {
	uint16_t palette[4];
	uint8_t answers[2 * WEIR_ADDR_KEYS4 + 4];
};

struct weir_tree;

struct weir_node_format {
	uint32_t keys;
	uint32_t depth_max;
	uint64_t key_max;
	void (*pack_leaf)(void *line, const struct weir_entries *entries,
			  const struct weir_leaf *leaf, uint32_t tails);
	void (*pack_inner)(void *line, const uint64_t *last, uint32_t keys, uint32_t child);
};

extern const struct weir_node_format weir_node4_format;
extern const struct weir_node_format weir_node6_format;
extern const struct weir_node_format weir_tail6_format;

/* State of one build: where lines go, what a tail is made from, and scratch for the upper bounds of
 * leaves. */
struct weir_tree {
	struct weir_lines *lines;
	const struct weir_node_format *format;
	int (*build_tail)(struct weir_tree *tree, const struct weir_entry *entry, uint16_t before,
			  uint32_t line);
	const struct weir_step6 *steps; /* for build_tail */
	struct weir_tree *tails;	/* likewise: the tree of the tails' format */
	struct weir_entry *scratch;	/* likewise: room for its entries */
	uint32_t scratch_capacity;
	uint64_t *last;
	uint32_t last_capacity;
};

void weir_tree_done(struct weir_tree *tree);

/* How many of the entries one leaf can hold, from the first on; at least 1 when there are any. */
uint32_t weir_tree_leaf_take(const struct weir_tree *tree, const struct weir_entries *entries);

/* Lay out these entries, possibly none, as a tree whose root is `line`. */
int weir_tree_bucket(struct weir_tree *tree, const struct weir_entries *entries, uint32_t line);

#endif
