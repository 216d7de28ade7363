/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbering of label sets for the sweep in addr_sweep.c.
 */
#include "addr_classes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/addr_table.h"

static uint64_t label_hash(uint32_t label)
{
	uint64_t hash = (label + 1ULL) * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9ULL;
	return hash ^ (hash >> 32);
}

/* Where the label is, or where it would stand. */
static uint32_t active_find(const struct weir_active *active, uint32_t label)
{
	uint32_t low = 0, high = active->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (active->label[middle] < label)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int active_reserve(struct weir_active *active)
{
	if (active->count < active->capacity)
		return 0;

	uint32_t capacity = active->capacity ? 2 * active->capacity : 16;
	uint32_t *label = realloc(active->label, capacity * sizeof(*label));

	if (!label)
		return -ENOMEM;
	active->label = label;

	uint32_t *times = realloc(active->times, capacity * sizeof(*times));

	if (!times)
		return -ENOMEM;
	active->times = times;
	active->capacity = capacity;
	return 0;
}

int weir_active_add(struct weir_active *active, uint32_t label)
{
	uint32_t at = active_find(active, label);

	if (at < active->count && active->label[at] == label) {
		active->times[at]++;
		return 0;
	}

	int r = active_reserve(active);

	if (r < 0)
		return r;
	memmove(active->label + at + 1, active->label + at,
		(active->count - at) * sizeof(*active->label));
	memmove(active->times + at + 1, active->times + at,
		(active->count - at) * sizeof(*active->times));
	active->label[at] = label;
	active->times[at] = 1;
	active->count++;
	active->hash += label_hash(label);
	return 0;
}

void weir_active_del(struct weir_active *active, uint32_t label)
{
	uint32_t at = active_find(active, label);

	if (--active->times[at])
		return;
	active->count--;
	memmove(active->label + at, active->label + at + 1,
		(active->count - at) * sizeof(*active->label));
	memmove(active->times + at, active->times + at + 1,
		(active->count - at) * sizeof(*active->times));
	active->hash -= label_hash(label);
}

void weir_active_done(struct weir_active *active)
{
	free(active->label);
	free(active->times);
	*active = (struct weir_active){};
}

#define BUCKETS_FIRST 1024

int weir_classes_init(struct weir_addr_classes *classes)
{
	*classes = (struct weir_addr_classes){
		.count = 1,
		.first_capacity = 64,
		.label_capacity = 64,
		.bucket_mask = BUCKETS_FIRST - 1,
	};
	classes->first = calloc(classes->first_capacity, sizeof(*classes->first));
	classes->hash = calloc(classes->first_capacity, sizeof(*classes->hash));
	classes->label = calloc(classes->label_capacity, sizeof(*classes->label));
	classes->bucket = calloc(BUCKETS_FIRST, sizeof(*classes->bucket));
	if (classes->first && classes->hash && classes->label && classes->bucket)
		return 0;
	weir_classes_done(classes);
	return -ENOMEM;
}

void weir_classes_done(struct weir_addr_classes *classes)
{
	free(classes->first);
	free(classes->hash);
	free(classes->label);
	free(classes->bucket);
	*classes = (struct weir_addr_classes){};
}

static bool class_is(const struct weir_addr_classes *classes, uint32_t class,
		     const struct weir_active *active)
{
	uint32_t first = classes->first[class], count = classes->first[class + 1] - first;

	return classes->hash[class] == active->hash && count == active->count &&
	       !memcmp(classes->label + first, active->label, count * sizeof(*active->label));
}

static int buckets_double(struct weir_addr_classes *classes)
{
	uint32_t mask = 2 * classes->bucket_mask + 1;
	uint32_t *bucket = calloc(mask + 1, sizeof(*bucket));

	if (!bucket)
		return -ENOMEM;
	for (uint32_t class = 1; class < classes->count; class ++) {
		uint32_t at = (uint32_t)classes->hash[class] & mask;

		while (bucket[at])
			at = (at + 1) & mask;
		bucket[at] = class;
	}
	free(classes->bucket);
	classes->bucket = bucket;
	classes->bucket_mask = mask;
	return 0;
}

/* Room for one more class of `labels` labels and for its offset's successor. */
static int classes_reserve(struct weir_addr_classes *classes, uint32_t labels)
{
	uint32_t used = classes->first[classes->count];

	while (classes->label_capacity - used < labels) {
		if (classes->label_capacity > UINT32_MAX / 2)
			return -E2BIG;

		uint32_t *label =
			realloc(classes->label, 2ULL * classes->label_capacity * sizeof(*label));

		if (!label)
			return -ENOMEM;
		classes->label = label;
		classes->label_capacity *= 2;
	}
	if (classes->count + 2 > classes->first_capacity) {
		uint32_t capacity = 2 * classes->first_capacity;
		uint32_t *first = realloc(classes->first, capacity * sizeof(*first));

		if (!first)
			return -ENOMEM;
		classes->first = first;

		uint64_t *hash = realloc(classes->hash, capacity * sizeof(*hash));

		if (!hash)
			return -ENOMEM;
		classes->hash = hash;
		classes->first_capacity = capacity;
	}
	return classes->count * 2 > classes->bucket_mask ? buckets_double(classes) : 0;
}

static int class_new(struct weir_addr_classes *classes, const struct weir_active *active,
		     uint32_t *ret_class)
{
	if (classes->count >= WEIR_ADDR_CLASSES_MAX)
		return -E2BIG;

	int r = classes_reserve(classes, active->count);

	if (r < 0)
		return r;

	uint32_t class = classes->count++, first = classes->first[class],
		 at = (uint32_t)active->hash & classes->bucket_mask;

	memcpy(classes->label + first, active->label, active->count * sizeof(*active->label));
	classes->first[class + 1] = first + active->count;
	classes->hash[class] = active->hash;
	while (classes->bucket[at])
		at = (at + 1) & classes->bucket_mask;
	classes->bucket[at] = class;
	*ret_class = class;
	return 0;
}

int weir_classes_get(struct weir_addr_classes *classes, const struct weir_active *active,
		     uint32_t *ret_class)
{
	if (!active->count) {
		*ret_class = 0;
		return 0;
	}
	for (uint32_t at = (uint32_t)active->hash & classes->bucket_mask; classes->bucket[at];
	     at = (at + 1) & classes->bucket_mask) {
		if (!class_is(classes, classes->bucket[at], active))
			continue;
		*ret_class = classes->bucket[at];
		return 0;
	}
	return class_new(classes, active, ret_class);
}
