/* SPDX-License-Identifier: Apache-2.0 */
/* The table by which packets find services and backends: open addressing, so filled that no cell
 * lies further behind its place than the data path looks. */
#include <errno.h>

#include "features/balance/balance_state.h"

uint32_t balance_cell_lines(uint32_t count)
{
	uint32_t lines = 1;

	while (lines < count) /* half of the cells stay empty */
		lines *= 2;
	return lines;
}

int balance_cell_put(struct balance_cell *cells, uint32_t lines, const struct balance_cell *cell)
{
	uint32_t at = balance_hash(&cell->addr, cell->port, cell->proto, cell->kind);

	for (uint32_t i = 0; i < BALANCE_PROBES * BALANCE_CELLS; i++) {
		uint32_t line = (at + i / BALANCE_CELLS) & (lines - 1);
		struct balance_cell *place = &cells[line * BALANCE_CELLS + i % BALANCE_CELLS];

		if (place->kind != BALANCE_EMPTY)
			continue;
		*place = *cell;
		return 0;
	}
	return -ENOSPC;
}
