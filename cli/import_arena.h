/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives as long as one import. Nothing in it is changed once it is made, so that
 * matches are copied as plain structs and share their lists.
 */
#ifndef WEIR_CLI_IMPORT_ARENA_H
#define WEIR_CLI_IMPORT_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct import_block;

/*
 * Zero-initialised is empty and valid. After a failed allocation `failed` stays set, and what is
 * made meanwhile is empty: whoever ends the import looks at it once and throws the result away.
 */
struct import_arena {
	struct import_block *blocks;
	bool failed;
};

void import_arena_done(struct import_arena *arena);
/* Zeroed memory for `count` things of `size` bytes, or NULL. */
void *import_alloc(struct import_arena *arena, size_t count, size_t size);
/*
 * The array with room for one more than `count`, moved when that is a power of two; NULL when there
 * is no memory. Start with NULL and 0.
 */
void *import_grow(struct import_arena *arena, void *array, size_t count, size_t size);
/* A copy of `len` bytes with a NUL; "" when there is no memory. */
const char *import_copy(struct import_arena *arena, const char *text, size_t len);
const char *import_format(struct import_arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
