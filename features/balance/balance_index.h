/* SPDX-License-Identifier: Apache-2.0 */
/* Where things of a list stand, by what they are: with a hundred thousand of them nobody looks
 * through all. */
#ifndef WEIR_BALANCE_INDEX_H
#define WEIR_BALANCE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct balance_index {
	uint32_t *cells; /* 1 + where it stands; 0: empty */
	uint32_t mask;
};

/* Whether the thing at `at` of the list has the key. */
typedef bool balance_index_same(const void *list, uint32_t at, const void *key);

/* Room for so many. -ENOMEM. */
int balance_index_init(struct balance_index *index, uint32_t count);
void balance_index_done(struct balance_index *index);
/* The cell of what has the key, or the empty one where it belongs. */
uint32_t *balance_index_cell(const struct balance_index *index, uint64_t hash,
			     balance_index_same *same, const void *list, const void *key);

#endif
