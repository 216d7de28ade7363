/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of run time and where each stands among those of the configuration. */
#ifndef WEIR_RULES_LIST_H
#define WEIR_RULES_LIST_H

#include "features/rules/rules_rule.h"

enum rules_where {
	RULES_LAST, /* behind all of the configuration */
	RULES_FIRST,
	RULES_BEFORE, /* a rule of the configuration: the anchor */
	RULES_AFTER,
};

extern const char *const rules_where_names[];

struct rules_entry {
	struct rules_text text; /* its name is never NULL */
	enum rules_where where;
	char *anchor; /* rules_anchor_of(), or NULL */
};

/*
 * Anchors are rules of the configuration alone. Those of one place stand in the order they have
 * here: next to another rule of run time is next to it in the list, at its place. Zero-initialised
 * is empty.
 */
struct rules_list {
	struct rules_entry *at;
	uint32_t count, capacity;
	uint32_t named; /* the last N of "rule-N" that was given */
};

void rules_entry_done(struct rules_entry *entry);
#define _cleanup_entry_ __attribute__((cleanup(rules_entry_done)))
void rules_list_done(struct rules_list *list);
#define _cleanup_rules_list_ __attribute__((cleanup(rules_list_done)))
/* -ENOMEM. */
int rules_list_copy(const struct rules_list *list, struct rules_list *ret_list);
/* Takes the entry over and leaves it empty. -ENOMEM: not taken. */
int rules_list_insert(struct rules_list *list, uint32_t index, struct rules_entry *entry);
/* Where the rule of that name is; list->count: it is not. */
uint32_t rules_list_find(const struct rules_list *list, const char *name);
/* Takes it out; it is the caller's. */
void rules_list_take(struct rules_list *list, uint32_t index, struct rules_entry *ret_entry);

#endif
