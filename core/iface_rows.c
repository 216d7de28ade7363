/* SPDX-License-Identifier: Apache-2.0 */
/* Which row of the counters an interface has: cfg_iface, open addressing by ifindex. */
#include "iface_rows.h"

#include <errno.h>

#include "abi/account.h"
#include "abi/maps.h"

/* The cell of an ifindex, or a free one among those it may stand in; NULL when all are taken. */
static int cell_find(struct weir_map *map, uint32_t ifindex, uint32_t *ret_at,
		     struct weir_iface_cell *ret_cell)
{
	int found = -ENOSPC;

	for (uint32_t i = 0; i < WEIR_IFACE_PROBES; i++) {
		uint32_t at = (ifindex + i) % WEIR_IFACE_CELLS;
		struct weir_iface_cell cell = {};
		int r = weir_map_get(map, &at, &cell);

		if (r)
			return r;
		if (cell.ifindex == ifindex || (!cell.ifindex && found)) {
			*ret_at = at;
			*ret_cell = cell;
			found = 0;
		}
		if (cell.ifindex == ifindex)
			return 0;
	}
	return found;
}

static bool row_is_taken(struct weir_map *map, uint32_t slot)
{
	for (uint32_t at = 0; at < WEIR_IFACE_CELLS; at++) {
		struct weir_iface_cell cell = {};

		if (weir_map_get(map, &at, &cell) == 0 && cell.ifindex && cell.slot == slot)
			return true;
	}
	return false;
}

static int row_new(struct weir_object *object, struct weir_map *map, uint32_t *ret_slot)
{
	struct weir_map *counters = weir_object_map(object, "ctr_reason");

	for (uint32_t slot = 1; slot < WEIR_INTERFACES_MAX; slot++) {
		if (row_is_taken(map, slot))
			continue;
		for (uint32_t row = 0; row < WEIR_DIRECTIONS * WEIR_REASONS_MAX; row++)
			weir_map_zero(counters, WEIR_REASON_ROW(slot, 0, 0) + row);
		for (uint32_t row = 0; row < WEIR_DIRECTIONS * WEIR_ACCOUNTS_MAX; row++)
			weir_map_zero(counters, WEIR_ACCOUNT_ROW(slot, 0, 0) + row);
		*ret_slot = slot;
		return 0;
	}
	return -ENOSPC;
}

/* An adopted map knows the interface already: it keeps its row and its counts. */
int weir_iface_row_take(struct weir_object *object, uint32_t ifindex, bool raw_ip,
			uint32_t *ret_slot)
{
	struct weir_map *map = weir_object_map(object, "cfg_iface");
	struct weir_iface_cell cell = {};
	uint32_t at = 0;
	int r = cell_find(map, ifindex, &at, &cell);
	uint32_t slot = cell.slot;

	if (!r && !cell.ifindex)
		r = row_new(object, map, &slot);
	cell = (struct weir_iface_cell){ ifindex, (__u16)slot, raw_ip };
	if (!r)
		r = weir_map_set(map, &at, &cell);
	if (!r)
		*ret_slot = slot;
	return r;
}

void weir_iface_row_give_back(struct weir_object *object, uint32_t ifindex)
{
	struct weir_map *map = weir_object_map(object, "cfg_iface");
	struct weir_iface_cell cell = {};
	uint32_t at = 0;

	if (cell_find(map, ifindex, &at, &cell) == 0 && cell.ifindex == ifindex)
		weir_map_set(map, &at, &(struct weir_iface_cell){});
}

void weir_iface_rows_each(struct weir_object *object,
			  void (*each)(void *arg, uint32_t ifindex, uint32_t row), void *arg)
{
	struct weir_map *map = weir_object_map(object, "cfg_iface");

	for (uint32_t at = 0; at < WEIR_IFACE_CELLS; at++) {
		struct weir_iface_cell cell = {};

		if (weir_map_get(map, &at, &cell) == 0 && cell.ifindex)
			each(arg, cell.ifindex, cell.slot);
	}
}
