/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prefix lengths in use (cfg_block), changed so that no packet on another CPU misses one. For
 * block_live.c alone.
 */
#ifndef WEIR_BLOCK_LENGTHS_H
#define WEIR_BLOCK_LENGTHS_H

#include "features/block/block_live.h"

/* Before the first prefix of that length is set. Lengths count in the 128-bit address. */
int block_lengths_add(struct block_live_set *live, enum block_family family, uint32_t length);
/* After one prefix of that length went (live->present says how many are left). */
void block_lengths_dropped(struct block_live_set *live, enum block_family family, uint32_t length);
/*
 * Takes over what packets go by now and adds what live->present has besides. Lengths that no prefix
 * has stay until block_lengths_sweep(): a program of before may still ask the map of before.
 */
int block_lengths_adopt(struct block_live_set *live);
/* Takes out the lengths that no prefix has. */
void block_lengths_sweep(struct block_live_set *live);

#endif
