/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefixes in a hash table, each with the chain of its owners by action: two ranges of two lists
 * may need the same prefix, and the kernel's entry then says what outlasts the other. Lengths are
 * written in block_lengths.c.
 */
#include "features/block/block_live.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/block/block_lengths.h"

#define FIRST_ITEMS 64
#define FIRST_OWNERS 64

struct live_item {
	struct block_live_key key;
	uint32_t owners[BLOCK_VERDICTS]; /* index of the first; 0 = none */
	struct block_live value;	 /* as the kernel has it */
	bool is_used;
	bool is_adopted[BLOCK_VERDICTS]; /* what the kernel said stands until claimed or swept */
};

struct live_owner {
	uint32_t next;
	uint32_t ticket;
	struct block_live_side side;
};

void block_live_done(struct block_live_set *live)
{
	free(live->items);
	free(live->owners);
	*live = (struct block_live_set){ 0 };
}

static size_t key_slot(const struct block_live_set *live, const struct block_live_key *key)
{
	return (size_t)weir_hash_bytes(key, sizeof(*key), 0) & (live->item_capacity - 1);
}

static struct live_item *live_find(const struct block_live_set *live,
				   const struct block_live_key *key)
{
	if (!live->item_capacity)
		return NULL;
	for (size_t i = key_slot(live, key);; i = (i + 1) & (live->item_capacity - 1)) {
		struct live_item *item = &live->items[i];
		if (!item->is_used)
			return NULL;
		if (memcmp(&item->key, key, sizeof(*key)) == 0)
			return item;
	}
}

/* There is room. */
static struct live_item *live_place(struct block_live_set *live, const struct block_live_key *key)
{
	size_t i = key_slot(live, key);
	while (live->items[i].is_used)
		i = (i + 1) & (live->item_capacity - 1);
	live->items[i] = (struct live_item){ .key = *key, .is_used = true };
	return &live->items[i];
}

/* At most half full, so that probing stays short. */
static int live_reserve(struct block_live_set *live, size_t more)
{
	size_t needed = (live->used + more) * 2,
	       capacity = live->item_capacity ? live->item_capacity : FIRST_ITEMS;
	while (capacity < needed)
		capacity *= 2;
	if (capacity == live->item_capacity)
		return 0;

	struct live_item *items = calloc(capacity, sizeof(*items)), *old = live->items;
	size_t old_capacity = live->item_capacity;
	if (!items)
		return -ENOMEM;
	live->items = items;
	live->item_capacity = capacity;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].is_used)
			*live_place(live, &old[i].key) = old[i];
	free(old);
	return 0;
}

/* Closes the gap, so that no search ends at it too early. */
static void live_remove(struct block_live_set *live, struct live_item *item)
{
	size_t mask = live->item_capacity - 1, gap = (size_t)(item - live->items);
	for (size_t i = (gap + 1) & mask; live->items[i].is_used; i = (i + 1) & mask) {
		size_t home = key_slot(live, &live->items[i].key);
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		live->items[gap] = live->items[i];
		gap = i;
	}
	live->items[gap] = (struct live_item){ 0 };
}

static int owners_reserve(struct block_live_set *live, uint32_t more)
{
	uint32_t free_count = 0;
	for (uint32_t i = live->owner_free; i && free_count < more; i = live->owners[i].next)
		free_count++;
	if (free_count >= more)
		return 0;
	uint32_t capacity = live->owner_capacity ? live->owner_capacity : FIRST_OWNERS;
	while (capacity - live->owner_capacity < more || capacity == live->owner_capacity)
		capacity *= 2;
	struct live_owner *owners = reallocarray(live->owners, capacity, sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	/* Index 0 ends a chain and is never handed out. */
	for (uint32_t i = capacity; i-- > (live->owner_capacity ? live->owner_capacity : 1);) {
		owners[i] = (struct live_owner){ .next = live->owner_free };
		live->owner_free = i;
	}
	live->owners = owners;
	live->owner_capacity = capacity;
	return 0;
}

static uint32_t *owner_find(struct block_live_set *live, struct live_item *item,
			    enum block_action action, uint32_t ticket)
{
	uint32_t *link = &item->owners[action];
	while (*link && live->owners[*link].ticket != ticket)
		link = &live->owners[*link].next;
	return link;
}

/* What stays beats what expires, later beats sooner, the lower list id settles the rest. */
static bool side_is_better(const struct block_live_side *a, const struct block_live_side *b)
{
	if (a->expires_ns != b->expires_ns)
		return !a->expires_ns || (b->expires_ns && a->expires_ns > b->expires_ns);
	return a->list < b->list;
}

static struct block_live item_value(const struct block_live_set *live, const struct live_item *item)
{
	struct block_live value = { 0 };
	for (int action = 0; action < BLOCK_VERDICTS; action++) {
		struct block_live_side *side = &value.action[action];
		if (item->is_adopted[action])
			*side = item->value.action[action];
		for (uint32_t i = item->owners[action]; i; i = live->owners[i].next)
			if (!side->list || side_is_better(&live->owners[i].side, side))
				*side = live->owners[i].side;
	}
	return value;
}

static enum block_family key_family(const struct block_live_key *key)
{
	return key->length >= 96 && weir_addr_is_v4(&key->addr) ? BLOCK_V4 : BLOCK_V6;
}

static bool value_is_empty(const struct block_live *value)
{
	return !value->action[BLOCK_ALLOW].list && !value->action[BLOCK_DENY].list;
}

/*
 * Brings the kernel to what the owners say; an entry that says nothing any more goes, and the item
 * with it.
 */
static int item_write(struct block_live_set *live, struct live_item *item)
{
	struct block_live value = item_value(live, item);
	enum block_family family = key_family(&item->key);
	uint32_t length = item->key.length;
	if (value_is_empty(&value)) {
		int r = live->entries ? weir_map_del(live->entries, &item->key) : 0;
		live_remove(live, item);
		live->used--;
		live->present[family][length]--;
		block_lengths_dropped(live, family, length);
		return r == -ENOENT ? 0 : r;
	}
	if (memcmp(&value, &item->value, sizeof(value)) == 0)
		return 0;
	int r = live->entries ? weir_map_set(live->entries, &item->key, &value) : 0;
	if (r == 0)
		item->value = value;
	return r == -E2BIG ? -ENOSPC : r;
}

/*
 * The prefixes of a range as keys. Those of an IPv6 range that would stand for IPv4 addresses are
 * left out.
 */
static size_t range_keys(const struct weir_range *range,
			 struct block_live_key keys[WEIR_RANGE_PREFIXES_MAX])
{
	struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX];
	size_t count = weir_range_to_prefixes(range, prefixes), kept = 0;
	for (size_t i = 0; i < count; i++) {
		keys[kept] = (struct block_live_key){ .addr = prefixes[i].addr,
						      .length = prefixes[i].length };
		kept += key_family(&keys[kept]) == block_family_of(range);
	}
	return kept;
}

uint32_t block_live_cost(const struct block_live_set *live, const struct weir_range *range)
{
	struct block_live_key keys[WEIR_RANGE_PREFIXES_MAX];
	size_t count = range_keys(range, keys);
	uint32_t cost = 0;
	for (size_t i = 0; i < count; i++)
		cost += !live_find(live, &keys[i]);
	return cost;
}

static struct block_live_side owner_side(const struct block_live_owner *owner,
					 const struct block_single *single)
{
	return (struct block_live_side){
		.expires_ns = single->expires_ns,
		.list = owner->list,
		.hit = owner->hit,
	};
}

static int key_add(struct block_live_set *live, const struct block_live_key *key,
		   const struct block_live_owner *owner, const struct block_single *single)
{
	struct live_item *item = live_find(live, key);
	if (!item) {
		enum block_family family = key_family(key);
		int r = block_lengths_add(live, family, key->length);
		if (r < 0)
			return r;
		item = live_place(live, key);
		live->used++;
		live->present[family][key->length]++;
	}
	uint32_t index = live->owner_free;
	live->owner_free = live->owners[index].next;
	live->owners[index] = (struct live_owner){
		.next = item->owners[owner->action],
		.ticket = single->ticket,
		.side = owner_side(owner, single),
	};
	item->owners[owner->action] = index;
	item->is_adopted[owner->action] = false;
	return item_write(live, item);
}

static void key_del(struct block_live_set *live, const struct block_live_key *key,
		    enum block_action action, uint32_t ticket)
{
	struct live_item *item = live_find(live, key);
	uint32_t *link = item ? owner_find(live, item, action, ticket) : NULL;
	if (!link || !*link)
		return;
	uint32_t index = *link;
	*link = live->owners[index].next;
	live->owners[index].next = live->owner_free;
	live->owner_free = index;
	item_write(live, item);
}

int block_live_add(struct block_live_set *live, const struct block_live_owner *owner,
		   struct block_single *single)
{
	struct block_live_key keys[WEIR_RANGE_PREFIXES_MAX];
	size_t count = range_keys(&single->range, keys);
	uint32_t cost = block_live_cost(live, &single->range);
	assert(owner->action < BLOCK_VERDICTS);
	if (cost && live->used + cost > live->limit)
		return -ENOSPC;
	if (live_reserve(live, cost) < 0 || owners_reserve(live, (uint32_t)count) < 0)
		return -ENOMEM;

	single->ticket = ++live->next_ticket;
	for (size_t i = 0; i < count; i++) {
		int r = key_add(live, &keys[i], owner, single);
		if (r == 0)
			continue;
		for (size_t undo = 0; undo <= i; undo++)
			key_del(live, &keys[undo], owner->action, single->ticket);
		return r;
	}
	return 0;
}

int block_live_update(struct block_live_set *live, const struct block_live_owner *owner,
		      const struct block_single *single)
{
	struct block_live_key keys[WEIR_RANGE_PREFIXES_MAX];
	size_t count = range_keys(&single->range, keys);
	int result = 0;
	for (size_t i = 0; i < count; i++) {
		struct live_item *item = live_find(live, &keys[i]);
		uint32_t index = item ? *owner_find(live, item, owner->action, single->ticket) : 0;
		if (!index)
			continue;
		live->owners[index].side = owner_side(owner, single);
		int r = item_write(live, item);
		result = result ? result : r;
	}
	return result;
}

void block_live_del(struct block_live_set *live, enum block_action action,
		    const struct block_single *single)
{
	struct block_live_key keys[WEIR_RANGE_PREFIXES_MAX];
	size_t count = range_keys(&single->range, keys);
	for (size_t i = 0; i < count; i++)
		key_del(live, &keys[i], action, single->ticket);
}

static int live_adopt_entry(const void *key, const void *value, void *arg)
{
	struct block_live_set *live = arg;
	if (live_reserve(live, 1) < 0)
		return -ENOMEM;
	struct live_item *item = live_place(live, key);
	memcpy(&item->value, value, sizeof(item->value));
	for (int action = 0; action < BLOCK_VERDICTS; action++)
		item->is_adopted[action] = true;
	live->used++;
	live->present[key_family(&item->key)][item->key.length]++;
	return 0;
}

int block_live_adopt(struct block_live_set *live, struct weir_map *entries,
		     struct weir_map *lengths)
{
	struct block_live_set fresh = {
		.entries = entries,
		.lengths = lengths,
		.limit = live->limit,
		.next_ticket = live->next_ticket,
		.has_leftovers = true,
	};
	block_live_done(live);
	*live = fresh;
	int r = weir_map_each(entries, live_adopt_entry, live);
	return r < 0 ? r : block_lengths_adopt(live);
}

uint32_t block_live_adopted_hit(const struct block_live_set *live, const struct weir_range *range,
				enum block_action action, uint32_t list)
{
	struct block_live_key keys[WEIR_RANGE_PREFIXES_MAX];
	size_t count = range_keys(range, keys);
	const struct live_item *item = count ? live_find(live, &keys[0]) : NULL;
	if (!item || item->value.action[action].list != list)
		return 0;
	return item->value.action[action].hit;
}

static bool item_is_adopted(const struct live_item *item)
{
	return item->is_adopted[BLOCK_ALLOW] || item->is_adopted[BLOCK_DENY];
}

void block_live_sweep(struct block_live_set *live)
{
	if (!live->has_leftovers)
		return;
	live->has_leftovers = false;
	for (size_t i = 0; i < live->item_capacity;) {
		struct live_item *item = &live->items[i];
		if (!item_is_adopted(item)) {
			i++;
			continue;
		}
		/* Should it go, another item moves to this place: look again. */
		memset(item->is_adopted, 0, sizeof(item->is_adopted));
		item_write(live, item);
	}
	block_lengths_sweep(live);
}
