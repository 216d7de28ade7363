/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing array of lines behind the address table's compiler.
 */
#include "addr_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void weir_lines_done(struct weir_lines *lines)
{
	free(lines->line);
	*lines = (struct weir_lines){};
}

static int lines_reserve(struct weir_lines *lines, uint32_t count)
{
	uint32_t wanted = lines->count + count, capacity = lines->capacity ? lines->capacity : 4096;

	if (wanted <= lines->capacity)
		return 0;
	while (capacity < wanted)
		capacity *= 2;

	struct weir_line *grown =
		aligned_alloc(WEIR_LINE_BYTES, (size_t)capacity * WEIR_LINE_BYTES);

	if (!grown)
		return -ENOMEM;
	if (lines->count)
		memcpy(grown, lines->line, (size_t)lines->count * WEIR_LINE_BYTES);
	free(lines->line);
	lines->line = grown;
	lines->capacity = capacity;
	return 0;
}

int weir_lines_add(struct weir_lines *lines, uint32_t count, uint32_t *ret_line)
{
	if ((uint64_t)lines->first + lines->count + count > WEIR_ADDR_INDEX_LINE)
		return -E2BIG;

	int r = lines_reserve(lines, count);

	if (r < 0)
		return r;
	memset(lines->line + lines->count, 0, (size_t)count * WEIR_LINE_BYTES);
	*ret_line = lines->first + lines->count;
	lines->count += count;
	return 0;
}
