/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bitmap of counter rows. Lowest free first, so that what has to be read each tick stays short.
 */
#include "features/block/block_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define WORDS (WEIR_HITS_MAX / 64)
/* A row costs 0.3 us: all of them every second would be 2 % of a processor. */
#define ROWS_QUICK 8192
#define SLOW_READ_NS (5 * WEIR_NS_PER_S)

void block_slots_done(struct block_slots *slots)
{
	free(slots->counts);
	*slots = (struct block_slots){ 0 };
}

bool block_slots_is_used(const struct block_slots *slots, uint32_t slot)
{
	return slots->used[slot / 64] >> (slot % 64) & 1;
}

bool block_slots_claim(struct block_slots *slots, uint32_t slot)
{
	if (!slot || slot >= WEIR_HITS_MAX || block_slots_is_used(slots, slot))
		return false;
	slots->used[slot / 64] |= 1ull << (slot % 64);
	return true;
}

uint32_t block_slots_take(struct block_slots *slots)
{
	for (uint32_t word = 0; word < WORDS; word++) {
		uint64_t open = ~slots->used[word] & (word ? ~0ull : ~1ull);
		if (!open)
			continue;
		uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(open);
		/* A row that cannot be cleared would show another's hits. */
		if (slots->counters && weir_map_zero(slots->counters, slot) < 0)
			return 0;
		slots->used[word] |= 1ull << (slot % 64);
		if (slots->counts)
			slots->counts[slot] = (struct weir_count){ 0 };
		return slot;
	}
	return 0;
}

void block_slots_release(struct block_slots *slots, uint32_t slot)
{
	if (slot && slot < WEIR_HITS_MAX)
		slots->used[slot / 64] &= ~(1ull << (slot % 64));
}

static size_t slots_end(const struct block_slots *slots)
{
	for (size_t word = WORDS; word > 0; word--)
		if (slots->used[word - 1])
			return word * 64 - (size_t)__builtin_clzll(slots->used[word - 1]);
	return 0;
}

int block_slots_read(struct block_slots *slots)
{
	size_t count = slots_end(slots);
	uint64_t now_ns = weir_clock_monotonic_ns();
	if (!slots->counters || !count || (count > ROWS_QUICK && now_ns < slots->next_read_ns))
		return 0;
	if (!slots->counts)
		slots->counts = calloc(WEIR_HITS_MAX, sizeof(*slots->counts));
	if (!slots->counts)
		return -ENOMEM;
	_Static_assert(sizeof(struct weir_count) == 2 * sizeof(uint64_t), "a row is two words");
	int r = weir_map_sum(slots->counters, 0, (uint32_t)count, 2, (uint64_t *)slots->counts);
	slots->next_read_ns = now_ns + SLOW_READ_NS;
	slots->counts[0] = (struct weir_count){ 0 };
	return r;
}

void block_slots_refresh(struct block_slots *slots, uint32_t slot)
{
	if (slots->counters && slots->counts && slot && slot < WEIR_HITS_MAX)
		weir_map_sum(slots->counters, slot, 1, 2, (uint64_t *)&slots->counts[slot]);
}

struct weir_count block_slots_count(const struct block_slots *slots, uint32_t slot)
{
	return slots->counts && slot < WEIR_HITS_MAX ? slots->counts[slot] :
						       (struct weir_count){ 0 };
}
