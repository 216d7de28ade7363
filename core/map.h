/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of the loaded object by name, and constants before it is loaded. Features hold no
 * descriptors, only these. */
#ifndef WEIR_CORE_MAP_H
#define WEIR_CORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_object;
struct weir_map;
struct weir_constants;

/* A number no other object of this run has, where its maps st_old_NAME were st_NAME until now; 0
 * where there are none, or they were left by a reload that was cut short. */
uint64_t weir_object_resize(const struct weir_object *object);
/* Borrowed from the object, or NULL when it has no such map. */
struct weir_map *weir_object_map(struct weir_object *object, const char *name);
uint32_t weir_map_capacity(const struct weir_map *map);
/* Whether it was there before, with its content. */
bool weir_map_is_reused(const struct weir_map *map);
/* Each returns 0 or -errno (-ENOENT absent, -E2BIG full). Sizes are those of the map. */
int weir_map_get(struct weir_map *map, const void *key, void *value);
int weir_map_set(struct weir_map *map, const void *key, const void *value);
int weir_map_del(struct weir_map *map, const void *key);
/* Walks a hash map of user-visible state; meant for start and migration, never for a request. Stops
 * at the first non-zero and returns it. */
int weir_map_each(struct weir_map *map, int (*each)(const void *key, const void *value, void *arg),
		  void *arg);
/* Where a walk over a hash map has come to; zero: at its beginning. */
struct weir_map_walk {
	uint32_t at;
	bool begun, done;
	bool is_unlocked; /* values have no lock; else they are read under it */
};
/* The next entries, not more than `room` of them, which is to be 1024 at least. Returns how many,
 * or -errno; the walk says when there are no more. */
int weir_map_walk(struct weir_map *map, struct weir_map_walk *walk, void *keys, void *values,
		  uint32_t room);
/* Sums the CPUs of rows [first, first + count) of a per-CPU array whose value is `words` u64s;
 * sums[count * words]. */
int weir_map_sum(struct weir_map *map, uint32_t first, uint32_t count, size_t words,
		 uint64_t *sums);
/* The values of an mmapable array, one behind the other, shared with the data path. Stays good when
 * the object it came from is gone. */
struct weir_map_memory {
	void *at; /* NULL: nothing is mapped */
	size_t bytes;
};
int weir_map_memory_open(const struct weir_map *map, struct weir_map_memory *ret_memory);
void weir_map_memory_done(struct weir_map_memory *memory);
/* How many numbers of CPUs there may be, those that are not plugged in included; negative errno. */
int weir_map_cpus(void);
/* Sets a row of a per-CPU array to zero on every CPU. */
int weir_map_zero(struct weir_map *map, uint32_t row);

/* A `const volatile` variable of a packet program, by its name; -EINVAL when the size differs from
 * the object's, -ENOENT unknown. */
int weir_constants_set(struct weir_constants *constants, const char *variable, const void *value,
		       size_t size);
/* How many entries a map is to hold; a pinned map of another capacity is not reused but made anew
 * and filled by weir_feature.attach. */
int weir_constants_capacity(struct weir_constants *constants, const char *map, uint32_t entries);

#endif
