/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of the hit counters (ctr_hit) are whose, and what they count. Row 0 is nobody's. */
#ifndef WEIR_BLOCK_SLOTS_H
#define WEIR_BLOCK_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/maps.h"
#include "core/map.h"

struct block_slots {
	uint64_t used[WEIR_HITS_MAX / 64];
	struct weir_map *counters; /* borrowed; NULL before an object is attached */
	/*
	 * As read last, a place for every row (untouched ones take no memory); counts[0] is always
	 * zero. Never moved: a worker that loads a policy takes rows while the loop reads them for
	 * its snapshot. At worst a row that is taken just then shows what its last owner counted,
	 * until the next tick.
	 */
	struct weir_count *counts;
	uint64_t next_read_ns; /* with many rows: not before */
};

void block_slots_done(struct block_slots *slots);
/* The lowest free row, zeroed in the map before anyone can count in it; 0 when there is none. */
uint32_t block_slots_take(struct block_slots *slots);
/* Takes this very row as it is, counts and all; false when it is not free. */
bool block_slots_claim(struct block_slots *slots, uint32_t slot);
void block_slots_release(struct block_slots *slots, uint32_t slot);
bool block_slots_is_used(const struct block_slots *slots, uint32_t slot);
/* Reads all rows in use from the map, once a tick; more than 8,192 of them every five seconds. */
int block_slots_read(struct block_slots *slots);
/* Reads one row again. */
void block_slots_refresh(struct block_slots *slots, uint32_t slot);
/* What a row counted when it was read last. */
struct weir_count block_slots_count(const struct block_slots *slots, uint32_t slot);

#endif
