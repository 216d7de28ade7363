/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live set: what set_block and cfg_block of the loaded object hold, kept here as well so that
 * nothing has to be read back. Knows prefixes and who owns them; not lists, files or policies.
 */
#ifndef WEIR_BLOCK_LIVE_H
#define WEIR_BLOCK_LIVE_H

#include "core/map.h"
#include "features/block/block_list.h"

struct live_item;
struct live_owner;

/* Zero-initialised is empty, and without an object: then only the copy here is kept. */
struct block_live_set {
	struct weir_map *entries;
	struct weir_map *lengths;
	uint32_t limit; /* entries it may hold, at most the map's capacity */
	uint32_t used;	/* prefixes in it */
	uint32_t next_ticket;
	struct live_item *items; /* open addressing; a power of two */
	size_t item_capacity;
	struct live_owner *owners; /* chained by index; 0 = end */
	uint32_t owner_capacity;
	uint32_t owner_free;
	uint32_t present[BLOCK_FAMILIES]
			[BLOCK_V6_LENGTHS]; /* prefixes by length in the 128-bit address */
	struct block_lengths written;
	bool is_settling;   /* a length went since the last tick */
	bool has_leftovers; /* prefixes read from the kernel that nobody has claimed yet may be
			       there */
};

void block_live_done(struct block_live_set *live);

/*
 * Reads what the object's maps hold. Those prefixes stay in force until block_live_sweep(), whether
 * claimed or not, so that a restart lets nothing through. What was known before is forgotten: all
 * owners are to be added again.
 */
int block_live_adopt(struct block_live_set *live, struct weir_map *entries,
		     struct weir_map *lengths);
/*
 * The counter which the kernel uses for this range and list already; 0 = none. Between adopt and
 * sweep.
 */
uint32_t block_live_adopted_hit(const struct block_live_set *live, const struct weir_range *range,
				enum block_action action, uint32_t list);
/* Takes out what nobody claimed since block_live_adopt(). */
void block_live_sweep(struct block_live_set *live);

/* How many more prefixes the set would hold with this range. */
uint32_t block_live_cost(const struct block_live_set *live, const struct weir_range *range);
/*
 * Puts the range into force as the fewest prefixes, all or none. hit 0 in the single: the caller
 * says which counter. Sets single->ticket. -ENOSPC past the limit or when the kernel's map is full.
 */
struct block_live_owner {
	enum block_action action;
	uint32_t list;
	uint32_t hit;
};
int block_live_add(struct block_live_set *live, const struct block_live_owner *owner,
		   struct block_single *single);
/* Its expiry, list or counter changed. */
int block_live_update(struct block_live_set *live, const struct block_live_owner *owner,
		      const struct block_single *single);
/* Takes the range out of force, except where another owner has the same prefix. */
void block_live_del(struct block_live_set *live, enum block_action action,
		    const struct block_single *single);
/* Does one more step of taking unused lengths out of cfg_block; see the comment there. */
void block_live_tidy(struct block_live_set *live);

#endif
