/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps in plain memory for tests of this folder, in place of core/map.c: what the kernel would
 * hold, and a hook before each write.
 */
#ifndef WEIR_BLOCK_FAKE_MAP_H
#define WEIR_BLOCK_FAKE_MAP_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/map.h"

#define FAKE_ROWS 4096
#define FAKE_BYTES 256

struct weir_map {
	size_t key_size, value_size;
	uint32_t capacity;
	uint32_t count;
	int fail; /* the next write is refused with this */
	/* Before a write; value NULL: a deletion. */
	void (*wrote)(struct weir_map *map, const void *key, const void *value);
	struct {
		unsigned char key[32], value[FAKE_BYTES];
	} rows[FAKE_ROWS];
};

static uint32_t fake_find(const struct weir_map *map, const void *key)
{
	for (uint32_t i = 0; i < map->count; i++)
		if (memcmp(map->rows[i].key, key, map->key_size) == 0)
			return i;
	return map->count;
}

uint32_t weir_map_capacity(const struct weir_map *map)
{
	return map->capacity;
}

int weir_map_get(struct weir_map *map, const void *key, void *value)
{
	uint32_t i = fake_find(map, key);
	if (i == map->count)
		return -ENOENT;
	memcpy(value, map->rows[i].value, map->value_size);
	return 0;
}

int weir_map_set(struct weir_map *map, const void *key, const void *value)
{
	uint32_t i = fake_find(map, key);
	int fail = map->fail;
	map->fail = 0;
	if (fail)
		return fail;
	if (i == map->count && map->count == map->capacity)
		return -E2BIG;
	if (map->wrote)
		map->wrote(map, key, value);
	memcpy(map->rows[i].key, key, map->key_size);
	memcpy(map->rows[i].value, value, map->value_size);
	map->count += i == map->count;
	return 0;
}

int weir_map_del(struct weir_map *map, const void *key)
{
	uint32_t i = fake_find(map, key);
	if (i == map->count)
		return -ENOENT;
	if (map->wrote)
		map->wrote(map, key, NULL);
	map->rows[i] = map->rows[--map->count];
	return 0;
}

int weir_map_each(struct weir_map *map, int (*each)(const void *key, const void *value, void *arg),
		  void *arg)
{
	int r = 0;
	for (uint32_t i = 0; i < map->count && !r; i++)
		r = each(map->rows[i].key, map->rows[i].value, arg);
	return r;
}

/* A per-CPU array of one CPU. */
int weir_map_sum(struct weir_map *map, uint32_t first, uint32_t count, size_t words, uint64_t *sums)
{
	memset(sums, 0, count * words * sizeof(*sums));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = first + i;
		weir_map_get(map, &row, sums + i * words);
	}
	return 0;
}

int weir_map_zero(struct weir_map *map, uint32_t row)
{
	unsigned char zeros[FAKE_BYTES] = { 0 };
	return weir_map_set(map, &row, zeros);
}

static inline struct weir_map *fake_map_new(size_t key_size, size_t value_size, uint32_t capacity)
{
	struct weir_map *map = calloc(1, sizeof(*map));
	if (map)
		*map = (struct weir_map){ .key_size = key_size,
					  .value_size = value_size,
					  .capacity = capacity };
	return map;
}

#endif
