/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const rules_where_names[] = { "last", "first", "before", "after", NULL };

void rules_entry_done(struct rules_entry *entry)
{
	rules_text_done(&entry->text);
	free(entry->anchor);
	*entry = (struct rules_entry){ 0 };
}

void rules_list_done(struct rules_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		rules_entry_done(&list->at[i]);
	free(list->at);
	*list = (struct rules_list){ 0 };
}

static int entry_copy(const struct rules_entry *entry, struct rules_entry *ret_entry)
{
	_cleanup_entry_ struct rules_entry copy = { .where = entry->where };
	if (rules_text_copy(&entry->text, &copy.text) < 0)
		return -ENOMEM;
	if (entry->anchor && !(copy.anchor = strdup(entry->anchor)))
		return -ENOMEM;
	*ret_entry = copy;
	copy = (struct rules_entry){ 0 };
	return 0;
}

int rules_list_copy(const struct rules_list *list, struct rules_list *ret_list)
{
	_cleanup_rules_list_ struct rules_list copy = {
		.at = calloc(list->count + 1, sizeof(*copy.at)),
		.capacity = list->count + 1,
		.named = list->named,
	};
	if (!copy.at)
		return -ENOMEM;
	for (; copy.count < list->count; copy.count++)
		if (entry_copy(&list->at[copy.count], &copy.at[copy.count]) < 0)
			return -ENOMEM;
	*ret_list = copy;
	copy = (struct rules_list){ 0 };
	return 0;
}

int rules_list_insert(struct rules_list *list, uint32_t index, struct rules_entry *entry)
{
	if (list->count == list->capacity) {
		uint32_t capacity = list->count ? list->count * 2 : 4;
		struct rules_entry *at = reallocarray(list->at, capacity, sizeof(*at));
		if (!at)
			return -ENOMEM;
		list->at = at;
		list->capacity = capacity;
	}
	memmove(&list->at[index + 1], &list->at[index], (list->count - index) * sizeof(*list->at));
	list->at[index] = *entry;
	list->count++;
	*entry = (struct rules_entry){ 0 };
	return 0;
}

uint32_t rules_list_find(const struct rules_list *list, const char *name)
{
	uint32_t i = 0;
	while (i < list->count && strcmp(list->at[i].text.name, name) != 0)
		i++;
	return i;
}

void rules_list_take(struct rules_list *list, uint32_t index, struct rules_entry *ret_entry)
{
	*ret_entry = list->at[index];
	list->count--;
	memmove(&list->at[index], &list->at[index + 1], (list->count - index) * sizeof(*list->at));
}
