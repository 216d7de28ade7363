/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in a chain, all freed at once. */
#include "cli/import_arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define ALIGNMENT 16

struct import_block {
	struct import_block *next;
	size_t used;
	size_t capacity;
	_Alignas(ALIGNMENT) unsigned char bytes[];
};

void import_arena_done(struct import_arena *arena)
{
	while (arena->blocks) {
		struct import_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}

static struct import_block *block_add(struct import_arena *arena, size_t bytes)
{
	size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
	struct import_block *block = calloc(1, sizeof(*block) + capacity);

	if (!block) {
		arena->failed = true;
		return NULL;
	}
	block->capacity = capacity;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *import_alloc(struct import_arena *arena, size_t count, size_t size)
{
	struct import_block *block = arena->blocks;
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
		arena->failed = true;
		return NULL;
	}
	bytes = (bytes + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1); /* never 0 */
	if (!block || block->capacity - block->used < bytes)
		block = block_add(arena, bytes);
	if (!block)
		return NULL;
	block->used += bytes;
	return block->bytes + block->used - bytes;
}

void *import_grow(struct import_arena *arena, void *array, size_t count, size_t size)
{
	if (count & (count - 1) || (count == 0 && array))
		return array;
	void *larger = import_alloc(arena, count ? 2 * count : 1, size);
	if (larger && count)
		memcpy(larger, array, count * size);
	return larger;
}

const char *import_copy(struct import_arena *arena, const char *text, size_t len)
{
	char *copy = import_alloc(arena, len + 1, 1);

	if (!copy)
		return "";
	memcpy(copy, text, len);
	return copy;
}

const char *import_format(struct import_arena *arena, const char *format, ...)
{
	struct weir_buf text = { 0 };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&text, format, args);
	va_end(args);
	arena->failed |= text.failed;
	const char *copy = import_copy(arena, weir_buf_str(&text), text.len);
	weir_buf_done(&text);
	return copy;
}
