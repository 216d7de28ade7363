/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing array of 64-byte lines into which the parts of an address table are compiled. Lines
 * are known by number, not by pointer: a pointer lives until the next weir_lines_add.
 */
#ifndef WEIR_CORE_ADDR_LINES_H
#define WEIR_CORE_ADDR_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/addr_table.h"

struct weir_lines {
	struct weir_line *line;
	uint32_t first; /* number of line[0] in the image */
	uint32_t count;
	uint32_t capacity;
};

void weir_lines_done(struct weir_lines *lines);

/* Add `count` lines of zeros. -E2BIG when out of the 28 bits an index word has for it. */
int weir_lines_add(struct weir_lines *lines, uint32_t count, uint32_t *ret_line);

static inline void *weir_lines_at(const struct weir_lines *lines, uint32_t line)
{
	return lines->line + (line - lines->first);
}

#endif
