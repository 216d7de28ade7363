/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order and identity of rules. A rule is the same one as before when it has the same name; without
 * one, when it asks for the same and does the same, the first of several being the first still.
 */
#include "features/rules/rules_order.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/rules/rules_index.h"
#include "features/rules/rules_parts.h"
#include "features/rules/rules_state.h"
#include "features/rules/rules_text.h"

const char *const rules_origin_names[] = { "file", "runtime", NULL };

#define ANCHOR_BYTES 18 /* "=" and 16 digits */

void rules_order_free(struct rules_order *order)
{
	if (!order)
		return;
	free(order->by_row);
	free(order->at);
	free(order);
}

/* Of the first rule of that name, or of that text. */
static uint64_t name_identity(const char *name)
{
	return weir_hash_bytes(name, strlen(name), 1) | 1;
}

static uint64_t text_identity(const struct rules_text *text)
{
	return text->name ? name_identity(text->name) : weir_hash_mix(rules_text_hash(text)) | 1;
}

static uint64_t anchor_identity(const char *anchor)
{
	return anchor[0] == '=' ? strtoull(anchor + 1, NULL, 16) : name_identity(anchor);
}

char *rules_anchor_of(const struct rules_standing *standing)
{
	char text[ANCHOR_BYTES];
	snprintf(text, sizeof(text), "=%016" PRIx64, standing->identity);
	return strdup(standing->text->name ? standing->text->name : text);
}

/* A rule on its way into the order. */
struct placed {
	struct rules_standing standing;
	uint32_t place; /* see place_of() */
	uint32_t sequence;
};

struct making {
	const struct rules_section *section;
	struct rules_index seen;    /* how many had the identity of the first before */
	struct rules_index anchors; /* rules of the configuration by identity */
	struct placed *placed;
	uint32_t count;
};

/* Those that are alike are told apart by which of them it is. */
static int identity_take(struct making *making, struct rules_standing *standing)
{
	uint64_t first = text_identity(standing->text);
	uint32_t before = 0;
	rules_index_get(&making->seen, first, &before);
	standing->identity = before ? weir_hash_mix(first + before) | 1 : first;
	return rules_index_set(&making->seen, first, before + 1);
}

/* Rule i of the configuration has place 3i + 2, between those before it and those behind it. */
static uint32_t place_of(const struct making *making, const struct rules_entry *entry,
			 bool *ret_is_lost)
{
	uint32_t last = 3 * making->section->rule_count + 1, index;
	*ret_is_lost = false;
	if (entry->where == RULES_FIRST)
		return 0;
	if (entry->where == RULES_LAST)
		return last;
	*ret_is_lost = !entry->anchor ||
		       !rules_index_get(&making->anchors, anchor_identity(entry->anchor), &index);
	if (*ret_is_lost)
		return last;
	return entry->where == RULES_BEFORE ? 3 * index + 1 : 3 * index + 3;
}

static int file_rule_add(struct making *making, uint32_t index)
{
	const struct rules_section *section = making->section;
	const struct rules_text *text = &section->rules[index];
	struct placed *placed = &making->placed[making->count];
	*placed = (struct placed){
		.standing = { .text = text,
			      .origin = RULES_FROM_FILE,
			      .index = index,
			      .acts = section->enabled && text->enabled &&
				      rules_group_is_on(section, text->group) },
		.place = 3 * index + 2,
		.sequence = making->count++,
	};
	int r = identity_take(making, &placed->standing);
	return r ? r : rules_index_set(&making->anchors, placed->standing.identity, index);
}

static int entry_add(struct making *making, const struct rules_list *list, uint32_t index)
{
	const struct rules_section *section = making->section;
	const struct rules_text *text = &list->at[index].text;
	struct placed *placed = &making->placed[making->count];
	*placed = (struct placed){
		.standing = { .text = text,
			      .origin = RULES_FROM_RUNTIME,
			      .index = index,
			      .acts = section->enabled && text->enabled &&
				      rules_group_is_on(section, text->group) },
		.sequence = making->count++,
	};
	placed->place = place_of(making, &list->at[index], &placed->standing.is_lost);
	return identity_take(making, &placed->standing);
}

static int placed_compare(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->sequence < y->sequence ? -1 : 1;
}

static int all_add(struct making *making, const struct rules_list *list, uint32_t from_list)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < making->section->rule_count; i++)
		r = file_rule_add(making, i);
	for (uint32_t i = 0; r == 0 && i < from_list; i++)
		r = entry_add(making, list, i);
	qsort(making->placed, making->count, sizeof(*making->placed), placed_compare);
	return r;
}

static int order_fill(struct rules_order *order, const struct making *making)
{
	order->at = calloc(making->count + 1, sizeof(*order->at));
	order->by_row = calloc(RULES_ROWS, sizeof(*order->by_row));
	if (!order->at || !order->by_row)
		return -ENOMEM;
	for (; order->count < making->count; order->count++)
		order->at[order->count] = making->placed[order->count].standing;
	return 0;
}

int rules_order_new(const struct rules_section *section, const struct rules_list *list,
		    struct rules_order **ret_order)
{
	_cleanup_(rules_order_freep) struct rules_order *order = calloc(1, sizeof(*order));
	uint32_t weight = rules_section_weight(section), from_list = 0;
	while (from_list < list->count &&
	       (weight += rules_text_weight(&list->at[from_list].text)) <= RULES_MAX)
		from_list++;
	struct making making = { .section = section,
				 .placed = calloc(section->rule_count + from_list + 1,
						  sizeof(*making.placed)) };
	int r = order && making.placed ? all_add(&making, list, from_list) : -ENOMEM;
	if (r == 0)
		r = order_fill(order, &making);
	free(making.placed);
	rules_index_done(&making.seen);
	rules_index_done(&making.anchors);
	if (r < 0)
		return r;
	order->left_out = list->count - from_list;
	*ret_order = weir_take(order);
	return 0;
}

void rules_order_rows(struct rules_order *order)
{
	for (uint32_t i = 0; i < order->count; i++)
		if (order->at[i].row)
			order->by_row[order->at[i].row] = (uint16_t)(i + 1);
}

struct rules_standing *rules_order_by_row(const struct rules_order *order, uint32_t row)
{
	uint16_t place = order && row && row < RULES_ROWS ? order->by_row[row] : 0;
	return place ? &order->at[place - 1] : NULL;
}

struct rules_standing *rules_order_find(const struct rules_order *order, const char *name)
{
	for (uint32_t i = 0; order && i < order->count; i++)
		if (order->at[i].text->name && strcmp(order->at[i].text->name, name) == 0)
			return &order->at[i];
	bool is_number = *name && strspn(name, "0123456789") == strlen(name) && strlen(name) < 6;
	struct rules_standing *standing =
		is_number ? rules_order_by_row(order, (uint32_t)strtoul(name, NULL, 10)) : NULL;
	/* Lists show a number only where there is no name: who writes that of another rule means
	 * its place, and would meet a rule he did not mean. */
	return standing && !standing->text->name ? standing : NULL;
}
