/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_heavy.h"

#include <string.h>

#include "base/hash.h"

/* Behind the head: entries; a heap of them by fours, the lightest first, with their weights, so
 * that entries need not be read to keep it; buckets of a hash. */

#define BRANCHES 4

struct node {
	uint64_t weight;
	uint32_t index; /* of its entry */
	uint32_t spare;
};

static struct conntrack_heavy_entry *entries_of(const struct conntrack_heavy *heavy)
{
	return (struct conntrack_heavy_entry *)(heavy + 1);
}

static struct node *heap_of(const struct conntrack_heavy *heavy)
{
	return (struct node *)(entries_of(heavy) + heavy->room);
}

static uint32_t *buckets_of(const struct conntrack_heavy *heavy)
{
	return (uint32_t *)(heap_of(heavy) + heavy->room);
}

static uint32_t bucket_count(uint32_t room)
{
	uint32_t count = 1;

	while (count < room)
		count *= 2;
	return count;
}

static uint32_t *bucket_of(const struct conntrack_heavy *heavy,
			   const struct conntrack_group_key *key)
{
	uint64_t hash = weir_hash_bytes(key, sizeof(*key), heavy->seed);

	return &buckets_of(heavy)[hash & (bucket_count(heavy->room) - 1)];
}

size_t conntrack_heavy_bytes(uint32_t room)
{
	size_t bytes = sizeof(struct conntrack_heavy) +
		       room * (sizeof(struct conntrack_heavy_entry) + sizeof(struct node)) +
		       bucket_count(room) * sizeof(uint32_t);

	return (bytes + 7) & ~(size_t)7;
}

void conntrack_heavy_init(struct conntrack_heavy *heavy, uint32_t room, uint64_t seed)
{
	memset(heavy, 0, conntrack_heavy_bytes(room));
	heavy->room = room;
	heavy->seed = seed;
}

const struct conntrack_heavy_entry *conntrack_heavy_at(const struct conntrack_heavy *heavy,
						       uint32_t index)
{
	return &entries_of(heavy)[index];
}

static uint64_t most_of(const struct conntrack_heavy_entry *entry, enum conntrack_measure by)
{
	return conntrack_totals_of(&entry->seen, by) + entry->missed[by];
}

static void node_put(struct conntrack_heavy *heavy, uint32_t place, struct node node)
{
	heap_of(heavy)[place] = node;
	entries_of(heavy)[node.index].heap = place;
}

static void heap_rise(struct conntrack_heavy *heavy, uint32_t place)
{
	const struct node *heap = heap_of(heavy), node = heap[place];

	for (; place && node.weight < heap[(place - 1) / BRANCHES].weight;
	     place = (place - 1) / BRANCHES)
		node_put(heavy, place, heap[(place - 1) / BRANCHES]);
	node_put(heavy, place, node);
}

/* The lightest below it; `place` itself where there is none. */
static uint32_t child_least(const struct conntrack_heavy *heavy, uint32_t place)
{
	const struct node *heap = heap_of(heavy);
	uint64_t first = (uint64_t)place * BRANCHES + 1;
	uint32_t least = first < heavy->count ? (uint32_t)first : place;

	for (uint64_t child = first + 1; child < first + BRANCHES && child < heavy->count; child++)
		if (heap[child].weight < heap[least].weight)
			least = (uint32_t)child;
	return least;
}

static void heap_sink(struct conntrack_heavy *heavy, uint32_t place)
{
	const struct node *heap = heap_of(heavy), node = heap[place];

	for (;;) {
		uint32_t child = child_least(heavy, place);

		if (child == place || heap[child].weight >= node.weight)
			break;
		node_put(heavy, place, heap[child]);
		place = child;
	}
	node_put(heavy, place, node);
}

static struct conntrack_heavy_entry *entry_find(const struct conntrack_heavy *heavy,
						const struct conntrack_group_key *key)
{
	uint32_t next = *bucket_of(heavy, key);

	while (next && memcmp(&entries_of(heavy)[next - 1].key, key, sizeof(*key)) != 0)
		next = entries_of(heavy)[next - 1].next;
	return next ? &entries_of(heavy)[next - 1] : NULL;
}

static void entry_link(struct conntrack_heavy *heavy, uint32_t index)
{
	struct conntrack_heavy_entry *entry = &entries_of(heavy)[index];
	uint32_t *bucket = bucket_of(heavy, &entry->key);

	entry->next = *bucket;
	*bucket = index + 1;
}

static void entry_unlink(struct conntrack_heavy *heavy, uint32_t index)
{
	struct conntrack_heavy_entry *entries = entries_of(heavy);
	uint32_t *from = bucket_of(heavy, &entries[index].key);

	while (*from != index + 1)
		from = &entries[*from - 1].next;
	*from = entries[index].next;
}

/* What it had is in no entry from now on. */
static void entry_lose(struct conntrack_heavy *heavy, const struct conntrack_heavy_entry *entry)
{
	conntrack_totals_add(&heavy->gone, &entry->seen);
	for (int by = 0; by < CONNTRACK_BY_COUNT; by++) {
		uint64_t most = most_of(entry, (enum conntrack_measure)by);

		if (most > heavy->most_missed[by])
			heavy->most_missed[by] = most;
	}
}

/* A kill between the two steps loses what it had, and counts nothing twice. */
static void entry_clear(struct conntrack_heavy *heavy, struct conntrack_heavy_entry *entry)
{
	struct conntrack_heavy_entry had = *entry;

	entry->seen = (struct conntrack_totals){ .flows = 0 };
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	entry_lose(heavy, &had);
}

/* A place for the group: a free one, or that of the lightest. */
static struct conntrack_heavy_entry *entry_make(struct conntrack_heavy *heavy,
						const struct conntrack_group_key *key)
{
	uint32_t index = heavy->count;

	if (heavy->count == heavy->room) {
		index = heap_of(heavy)[0].index;
		entry_unlink(heavy, index);
		entry_clear(heavy, &entries_of(heavy)[index]);
	} else {
		node_put(heavy, heavy->count++, (struct node){ .index = index });
	}
	struct conntrack_heavy_entry *entry = &entries_of(heavy)[index];

	entry->key = *key;
	entry->seen = (struct conntrack_totals){ .flows = 0 };
	memcpy(entry->missed, heavy->most_missed, sizeof(entry->missed));
	entry_link(heavy, index);
	return entry;
}

/* A fresh one at the end of the heap may have to rise; one that has grown may have to sink. */
void conntrack_heavy_add(struct conntrack_heavy *heavy, const struct conntrack_share *share)
{
	struct conntrack_heavy_entry *entry = entry_find(heavy, &share->key);

	if (!entry)
		entry = entry_make(heavy, &share->key);
	conntrack_totals_add(&entry->seen, &share->totals);
	conntrack_totals_add(&heavy->all, &share->totals);
	heap_of(heavy)[entry->heap].weight = most_of(entry, CONNTRACK_BY_BYTES);
	heap_sink(heavy, entry->heap);
	heap_rise(heavy, entry->heap);
}

static uint64_t weight_of(const struct conntrack_heavy *heavy, uint32_t index)
{
	return most_of(&entries_of(heavy)[index], CONNTRACK_BY_BYTES);
}

static void index_make(struct conntrack_heavy *heavy)
{
	memset(buckets_of(heavy), 0, bucket_count(heavy->room) * sizeof(uint32_t));
	for (uint32_t i = 0; i < heavy->count; i++) {
		node_put(heavy, i, (struct node){ weight_of(heavy, i), i, 0 });
		entry_link(heavy, i);
	}
	for (uint32_t i = heavy->count; i-- > 0;)
		heap_sink(heavy, i);
}

/* What no entry has is worked out anew, so that all of it adds up whatever was cut short. */
bool conntrack_heavy_mend(struct conntrack_heavy *heavy, uint32_t room)
{
	struct conntrack_totals seen = { .flows = 0 };

	if (heavy->room != room || heavy->count > room)
		return false;
	index_make(heavy);
	for (uint32_t i = 0; i < heavy->count; i++)
		conntrack_totals_add(&seen, &entries_of(heavy)[i].seen);
	heavy->all = seen;
	conntrack_totals_add(&heavy->all, &heavy->gone);
	return true;
}

void conntrack_heavy_forget(struct conntrack_heavy *heavy)
{
	for (uint32_t i = 0; i < heavy->count; i++)
		entry_lose(heavy, &entries_of(heavy)[i]);
	heavy->count = 0;
	index_make(heavy);
}

/* The least weight of those that find room: found by halving, for a reload may take its time. */
static uint64_t least_that_fit(const struct conntrack_heavy *from, uint32_t room)
{
	uint64_t low = 0, high = UINT64_MAX;

	while (low < high && from->count > room) {
		uint64_t middle = low + (high - low) / 2;
		uint32_t heavier = 0;

		for (uint32_t i = 0; i < from->count; i++)
			heavier += weight_of(from, i) > middle;
		if (heavier > room)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void conntrack_heavy_take(struct conntrack_heavy *heavy, const struct conntrack_heavy *from)
{
	uint64_t least = least_that_fit(from, heavy->room);

	heavy->all = from->all;
	heavy->gone = from->gone;
	memcpy(heavy->most_missed, from->most_missed, sizeof(heavy->most_missed));
	for (uint32_t i = 0; i < from->count; i++) {
		bool fits = weight_of(from, i) > least || from->count <= heavy->room;

		if (fits)
			entries_of(heavy)[heavy->count++] = entries_of(from)[i];
		else
			entry_lose(heavy, &entries_of(from)[i]);
	}
	index_make(heavy);
}
