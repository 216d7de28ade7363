/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a policy that are many, and known by a key before they are made: they are made where
 * they are to lie in the kernel, and only if they do not lie there yet. A change that leaves them
 * as they are costs nothing for them.
 */
#ifndef WEIR_CORE_IMAGE_PARTS_H
#define WEIR_CORE_IMAGE_PARTS_H

#include <stdint.h>

#include "../abi/image.h"

struct weir_part {
	uint32_t line; /* from weir_parts.base */
	uint32_t lines;
	uint64_t key[2]; /* parts with the same key have the same lines */
};

struct weir_parts {
	uint32_t base; /* the line of the image where they begin */
	uint32_t count;
	struct weir_part *at; /* from the front to the back; room may be between them */
	/* Fills all lines of at[index]. Pure. -ENOMEM. */
	int (*make)(const void *of, uint32_t index, struct weir_line *lines);
	void *of;
	void (*free)(void *of);
};

void weir_parts_done(struct weir_parts *parts);
/* Behind the last of them, from `base`. */
uint32_t weir_parts_end(const struct weir_parts *parts);

#endif
