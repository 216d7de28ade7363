/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting a million ranges in linear time, with a note's offset carried along. Only block_set.c
 * uses it.
 */
#ifndef WEIR_BLOCK_SORT_H
#define WEIR_BLOCK_SORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Host byte order. */
struct block_v4 {
	uint32_t from;
	uint32_t to;
};

/*
 * By start, larger range first, equal ones in the order they came. `notes` may be NULL. -ENOMEM:
 * nothing changed.
 */
int block_sort_v4(struct block_v4 *ranges, uint32_t *notes, size_t count);
int block_sort_v6(struct weir_range *ranges, uint32_t *notes, size_t count);

#endif
