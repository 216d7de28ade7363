/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing, half empty at the least. */
#include "features/balance/balance_index.h"

#include <errno.h>
#include <stdlib.h>

int balance_index_init(struct balance_index *index, uint32_t count)
{
	uint32_t size = 2;

	while (size < 2 * count)
		size *= 2;
	index->cells = calloc(size, sizeof(*index->cells));
	index->mask = size - 1;
	return index->cells ? 0 : -ENOMEM;
}

void balance_index_done(struct balance_index *index)
{
	free(index->cells);
	*index = (struct balance_index){ 0 };
}

uint32_t *balance_index_cell(const struct balance_index *index, uint64_t hash,
			     balance_index_same *same, const void *list, const void *key)
{
	uint32_t at = (uint32_t)hash & index->mask;

	while (index->cells[at] && !same(list, index->cells[at] - 1, key))
		at = (at + 1) & index->mask;
	return &index->cells[at];
}
