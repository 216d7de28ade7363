/* SPDX-License-Identifier: Apache-2.0 */
/* Which parts (image_parts.h) lie in a slot of compiled policy, so that only others are written. */
#ifndef WEIR_CORE_PLACED_H
#define WEIR_CORE_PLACED_H

#include <stdbool.h>
#include <stddef.h>

#include "image_parts.h"

/* `at` NULL: what there is is not known, as of a slot of a run before. */
struct weir_placed {
	uint32_t base, count;
	struct weir_part *at;
};

/* A slot: its map of lines, and what is in it. */
struct weir_placed_slot {
	int fd;
	const struct weir_placed *placed;
};

void weir_placed_done(struct weir_placed *placed);
/* Makes the slot have these parts: those that `live` has at the same place are copied from there,
 * which is quicker. On failure it is not known what the slot has. */
int weir_placed_fill(int fd, struct weir_placed *placed, const struct weir_parts *parts,
		     const struct weir_placed_slot *live);
/* Whether the slot has these already. Where it is not known it is looked at, and known then. */
bool weir_placed_holds(int fd, struct weir_placed *placed, const struct weir_parts *parts);
/* Maps some lines of a slot; *ret_window is to be given to weir_lines_unmap(). NULL: errno. */
struct weir_window {
	void *at;
	size_t bytes;
};
struct weir_line *weir_lines_map(int fd, uint32_t line, uint32_t count,
				 struct weir_window *ret_window);
void weir_lines_unmap(struct weir_window *window);
#define _cleanup_window_ __attribute__((cleanup(weir_lines_unmap)))

#endif
