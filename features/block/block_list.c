/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list in memory. Not its file (block_store.c) and not what the kernel has of it (block_live.c,
 * block.c).
 */
#include "features/block/block_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define LARGE_ENTRIES 10000 /* about 3 ms to write */
#define REACH_RUN 64	    /* singles to one address of `reach` */

const char *const block_action_names[] = { "allow", "deny", "set", NULL };
const char *const block_origin_names[] = { "file", "runtime", "feed", "cluster", NULL };

int block_action_from_string(const char *name)
{
	for (int i = 0; block_action_names[i]; i++)
		if (strcmp(block_action_names[i], name) == 0)
			return i;
	return -1;
}

struct block_list *block_list_new(const char *name, enum block_action action,
				  enum block_origin origin)
{
	struct block_list *list = calloc(1, sizeof(*list));
	if (!list)
		return NULL;
	memcpy(list->name, name, strnlen(name, BLOCK_NAME_MAX));
	list->action = action;
	list->origin = origin;
	return list;
}

void block_list_free(struct block_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->single_count; i++)
		free(list->singles[i].note);
	free(list->singles);
	free(list->reach);
	for (int family = 0; family < BLOCK_FAMILIES; family++)
		free(list->entry_hits[family]);
	block_set_done(&list->set);
	free(list->note);
	free(list);
}

struct block_list *block_list_clone(const struct block_list *list)
{
	_cleanup_list_ struct block_list *clone =
		block_list_new(list->name, list->action, list->origin);
	if (!clone)
		return NULL;
	clone->id = list->id;
	clone->hit = list->hit;
	clone->retired = list->retired;
	if (list->note && !(clone->note = strdup(list->note)))
		return NULL;
	return weir_take(clone);
}

const char *block_name_fault(const char *name)
{
	static const char fault[] =
		"a list name is 1 to 31 of a-z, 0-9, '.', '_' and '-', the first "
		"a letter or digit";
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
	return name[len] || !len || len > BLOCK_NAME_MAX || strchr("._-", name[0]) ? fault : NULL;
}

bool block_list_is_large(const struct block_list *list)
{
	return block_set_count(&list->set) + list->single_count > LARGE_ENTRIES;
}

bool block_list_find_single(const struct block_list *list, const struct weir_range *range,
			    size_t *ret_index)
{
	size_t low = 0, high = list->single_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (weir_range_compare(&list->singles[middle].range, range) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (ret_index)
		*ret_index = low;
	return low < list->single_count &&
	       weir_range_compare(&list->singles[low].range, range) == 0;
}

void block_list_singles_changed(struct block_list *list)
{
	list->has_reach = false;
}

int block_list_insert_single(struct block_list *list, size_t index, struct block_single *single)
{
	struct block_single *singles =
		reallocarray(list->singles, list->single_count + 1, sizeof(*singles));
	if (!singles)
		return -ENOMEM;
	memmove(singles + index + 1, singles + index,
		(list->single_count - index) * sizeof(*singles));
	singles[index] = *single;
	single->note = NULL;
	list->singles = singles;
	list->single_count++;
	block_list_singles_changed(list);
	return 0;
}

void block_list_delete_single(struct block_list *list, size_t index)
{
	free(list->singles[index].note);
	list->single_count--;
	memmove(list->singles + index, list->singles + index + 1,
		(list->single_count - index) * sizeof(*list->singles));
	block_list_singles_changed(list);
}

int block_list_copy_singles(struct block_list *list, const struct block_list *from,
			    const struct weir_range *except)
{
	list->singles = calloc(from->single_count + 1, sizeof(*list->singles));
	if (!list->singles)
		return -ENOMEM;
	for (size_t i = 0; i < from->single_count; i++) {
		const struct block_single *single = &from->singles[i];
		if (except && weir_range_compare(&single->range, except) == 0)
			continue;
		struct block_single *copy = &list->singles[list->single_count];
		*copy = *single;
		if (single->note && !(copy->note = strdup(single->note)))
			return -ENOMEM;
		list->single_count++;
	}
	return 0;
}

int block_single_compare(const void *a, const void *b)
{
	const struct block_single *x = a, *y = b;
	return weir_range_compare(&x->range, &y->range);
}

int block_list_merge_singles(struct block_list *list, struct block_single *more, size_t count)
{
	struct block_single *merged = calloc(list->single_count + count + 1, sizeof(*merged));
	if (!merged)
		return -ENOMEM;
	size_t i = 0, j = 0, n = 0;
	while (i < list->single_count || j < count) {
		int order = j == count ? -1 :
			    i == list->single_count ?
					 1 :
					 block_single_compare(&list->singles[i], &more[j]);
		struct block_single *next = &merged[n++];
		if (order < 0) {
			*next = list->singles[i++];
			continue;
		}
		*next = more[j];
		more[j++].note = NULL;
		if (order > 0)
			continue;
		next->hit = list->singles[i].hit;
		next->ticket = list->singles[i].ticket;
		if (next->note)
			free(list->singles[i].note);
		else
			next->note = list->singles[i].note;
		i++;
	}
	free(list->singles);
	list->singles = merged;
	list->single_count = n;
	block_list_singles_changed(list);
	return 0;
}

static void count_add(struct weir_count *total, struct weir_count more)
{
	total->packets += more.packets;
	total->bytes += more.bytes;
}

struct weir_count block_list_hits(const struct block_slots *slots, const struct block_list *list)
{
	struct weir_count total = list->retired;
	count_add(&total, block_slots_count(slots, list->hit));
	for (size_t i = 0; i < list->single_count; i++)
		count_add(&total, block_slots_count(slots, list->singles[i].hit));
	for (int family = 0; family < BLOCK_FAMILIES && list->has_entry_hits; family++)
		for (size_t i = 0; i < list->set.half[family].count; i++)
			count_add(&total, block_slots_count(slots, list->entry_hits[family][i]));
	return total;
}

size_t block_list_count(const struct block_list *list, enum block_family family)
{
	size_t count = list->set.half[family].count;
	for (size_t i = 0; i < list->single_count; i++)
		count += !list->singles[i].is_folded &&
			 block_family_of(&list->singles[i].range) == family;
	return count;
}

static void list_show_entry(const struct block_list *list, enum block_family family, size_t index,
			    struct block_shown *shown)
{
	struct block_entry entry;
	block_set_at(&list->set, family, index, &entry);
	*shown = (struct block_shown){
		.list = list,
		.range = entry.range,
		.note = entry.note,
		.hit = list->entry_hits[family] ? list->entry_hits[family][index] : 0,
	};
}

static void list_show_single(const struct block_list *list, const struct block_single *single,
			     struct block_shown *shown)
{
	*shown = (struct block_shown){
		.list = list,
		.range = single->range,
		.note = single->note,
		.until_ns = single->until_ns,
		.hit = single->hit,
	};
}

/* IPv4 before IPv6, else by address; an IPv6 address may be the smaller number. */
static int shown_order(const struct weir_range *a, const struct weir_range *b)
{
	int families = (int)block_family_of(a) - (int)block_family_of(b);
	return families ? families : weir_range_compare(a, b);
}

/* The next single of this family that is not in the set as well. */
static size_t list_next_single(const struct block_list *list, enum block_family family,
			       size_t index)
{
	while (index < list->single_count &&
	       (list->singles[index].is_folded ||
		block_family_of(&list->singles[index].range) != family))
		index++;
	return index;
}

static int list_each_of(const struct block_list *list, enum block_family family,
			int (*each)(const struct block_shown *shown, void *arg), void *arg)
{
	const struct block_half *half = &list->set.half[family];
	size_t single = list_next_single(list, family, 0);
	for (size_t i = 0; i < half->count || single < list->single_count;) {
		struct block_shown from_set, from_singles, *next = &from_set;
		if (i < half->count)
			list_show_entry(list, family, i, &from_set);
		if (single < list->single_count)
			list_show_single(list, &list->singles[single], &from_singles);
		if (i == half->count || (single < list->single_count &&
					 shown_order(&from_singles.range, &from_set.range) < 0)) {
			next = &from_singles;
			single = list_next_single(list, family, single + 1);
		} else {
			i++;
		}
		int r = each(next, arg);
		if (r)
			return r;
	}
	return 0;
}

int block_list_each(const struct block_list *list,
		    int (*each)(const struct block_shown *shown, void *arg), void *arg)
{
	int r = list_each_of(list, BLOCK_V4, each, arg);
	return r ? r : list_each_of(list, BLOCK_V6, each, arg);
}

static bool reach_make(struct block_list *list)
{
	if (list->has_reach)
		return true;
	struct weir_addr *reach =
		reallocarray(list->reach, list->single_count / REACH_RUN + 1, sizeof(*reach));
	if (!reach)
		return false;
	list->reach = reach;
	for (size_t i = 0; i < list->single_count; i++) {
		const struct weir_addr *to = &list->singles[i].range.to;
		if (i % REACH_RUN == 0 || weir_addr_compare(&reach[i / REACH_RUN], to) < 0)
			reach[i / REACH_RUN] = *to;
	}
	list->has_reach = true;
	return true;
}

/* Of the singles that start at or before addr, from the last one back, the first that holds it. */
static const struct block_single *singles_cover(struct block_list *list,
						const struct weir_addr *addr)
{
	enum block_family family = weir_addr_is_v4(addr) ? BLOCK_V4 : BLOCK_V6;
	struct weir_range point = { *addr, *addr };
	bool has_reach = reach_make(list);
	size_t i;
	if (block_list_find_single(list, &point, &i))
		return &list->singles[i];
	while (i > 0) {
		size_t run = (i - 1) / REACH_RUN;
		if (has_reach && weir_addr_compare(&list->reach[run], addr) < 0) {
			i = run * REACH_RUN;
			continue;
		}
		const struct block_single *single = &list->singles[--i];
		if (weir_range_contains(&single->range, addr) &&
		    block_family_of(&single->range) == family)
			return single;
	}
	return NULL;
}

bool block_list_cover(struct block_list *list, const struct weir_addr *addr,
		      struct block_shown *ret_shown)
{
	size_t index;
	enum block_family family = weir_addr_is_v4(addr) ? BLOCK_V4 : BLOCK_V6;
	bool found = block_set_cover(&list->set, addr, &index);
	if (found)
		list_show_entry(list, family, index, ret_shown);
	const struct block_single *single = singles_cover(list, addr);
	if (!single)
		return found;
	if (!found || weir_range_compare(&single->range, &ret_shown->range) >= 0)
		list_show_single(list, single, ret_shown);
	return true;
}

bool block_list_overlap(const struct block_list *list, const struct weir_range *range,
			struct weir_range *ret_entry)
{
	size_t index;
	if (block_set_overlap(&list->set, range, &index)) {
		struct block_entry entry;
		block_set_at(&list->set, block_family_of(range), index, &entry);
		*ret_entry = entry.range;
		return true;
	}
	for (size_t i = 0; i < list->single_count; i++) {
		if (!weir_range_overlaps(&list->singles[i].range, range))
			continue;
		*ret_entry = list->singles[i].range;
		return true;
	}
	return false;
}
