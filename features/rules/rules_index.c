/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

#define FIRST_SLOTS 64

void rules_index_done(struct rules_index *index)
{
	free(index->slots);
	*index = (struct rules_index){ 0 };
}

/* The key's slot, or the free one where it would be. */
static struct rules_index_slot *slot_of(const struct rules_index *index, uint64_t key)
{
	uint32_t at = (uint32_t)weir_hash_mix(key);
	for (;; at++) {
		struct rules_index_slot *slot = &index->slots[at & (index->slot_count - 1)];
		if (!slot->key || slot->key == key)
			return slot;
	}
}

/* At most half full, so that probing stays short. */
static int index_grow(struct rules_index *index)
{
	struct rules_index grown = { .slot_count = index->slot_count ? index->slot_count * 2 :
								       FIRST_SLOTS };
	if (index->count * 2 < index->slot_count)
		return 0;
	grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < index->slot_count; i++)
		if (index->slots[i].key)
			*slot_of(&grown, index->slots[i].key) = index->slots[i];
	grown.count = index->count;
	rules_index_done(index);
	*index = grown;
	return 0;
}

int rules_index_set(struct rules_index *index, uint64_t key, uint32_t value)
{
	if (index_grow(index) < 0)
		return -ENOMEM;
	struct rules_index_slot *slot = slot_of(index, key);
	index->count += !slot->key;
	*slot = (struct rules_index_slot){ key, value };
	return 0;
}

bool rules_index_get(const struct rules_index *index, uint64_t key, uint32_t *ret_value)
{
	const struct rules_index_slot *slot = index->slot_count ? slot_of(index, key) : NULL;
	if (!slot || !slot->key)
		return false;
	*ret_value = slot->value;
	return true;
}
