/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers, each kept once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "features/rules/rules_overlap_shape.h"

#define SLOTS_FIRST 256

int rules_pool_init(struct rules_pool *pool, uint64_t steps)
{
	*pool = (struct rules_pool){ .steps = steps, .count = 1, .slot_count = SLOTS_FIRST };
	pool->slots = calloc(SLOTS_FIRST, sizeof(*pool->slots));
	pool->sets = calloc(SLOTS_FIRST / 2, sizeof(*pool->sets));
	return pool->slots && pool->sets ? 0 : -ENOMEM;
}

void rules_pool_done(struct rules_pool *pool)
{
	for (uint32_t i = 0; pool->sets && i < pool->count; i++)
		rules_values_done(&pool->sets[i]);
	free(pool->sets);
	free(pool->slots);
	*pool = (struct rules_pool){ 0 };
}

bool rules_pool_spend(struct rules_pool *pool, uint64_t steps)
{
	bool is_there = pool->steps > steps;
	pool->steps = is_there ? pool->steps - steps : 0;
	return is_there;
}

static uint64_t values_hash(const struct rules_values *values)
{
	return weir_hash_bytes(values->at, values->count * sizeof(*values->at), 0);
}

/* The slot that holds the set, or the free one where it belongs. */
static uint32_t *slot_find(const struct rules_pool *pool, const struct rules_values *values)
{
	uint64_t hash = values_hash(values);
	for (;; hash++) {
		uint32_t *slot = &pool->slots[hash & (pool->slot_count - 1)];
		if (!*slot || rules_values_equal(&pool->sets[*slot], values))
			return slot;
	}
}

static int pool_grow(struct rules_pool *pool)
{
	uint32_t *slots = calloc(2 * (size_t)pool->slot_count, sizeof(*slots));
	struct rules_values *sets = reallocarray(pool->sets, pool->slot_count, sizeof(*pool->sets));
	if (sets)
		pool->sets = sets;
	if (!slots || !sets) {
		free(slots);
		return -ENOMEM;
	}
	free(pool->slots);
	pool->slots = slots;
	pool->slot_count *= 2;
	for (uint32_t i = 1; i < pool->count; i++)
		*slot_find(pool, &sets[i]) = i;
	return 0;
}

int rules_pool_add(struct rules_pool *pool, struct rules_values *values, uint32_t *ret_set)
{
	_cleanup_values_ struct rules_values taken = *values;
	*values = (struct rules_values){ 0 };
	*ret_set = 0;
	if (!taken.count)
		return 0;
	rules_values_seal(&taken);
	rules_pool_spend(pool, 8 + 4 * (uint64_t)taken.count);
	if (pool->count == pool->slot_count / 2 && pool_grow(pool))
		return -ENOMEM;
	uint32_t *slot = slot_find(pool, &taken);
	if (!*slot) {
		*slot = pool->count;
		pool->sets[pool->count++] = taken;
		taken = (struct rules_values){ 0 };
	}
	*ret_set = *slot;
	return 0;
}

bool rules_pool_covers(struct rules_pool *pool, uint32_t outer, uint32_t inner)
{
	const struct rules_values *a = &pool->sets[outer], *b = &pool->sets[inner];
	if (outer == inner || inner == 0)
		return true;
	rules_pool_spend(pool, 2 + a->count + b->count);
	return rules_values_cover(a, b);
}

/* What is in `a` and not in what `a` has beyond `b`. */
int rules_pool_meet(struct rules_pool *pool, uint32_t a, uint32_t b, uint32_t *ret_set)
{
	_cleanup_values_ struct rules_values beyond = { 0 }, both = { 0 };
	int r = rules_values_subtract(&pool->sets[a], &pool->sets[b], &beyond);
	if (r == 0)
		r = rules_values_subtract(&pool->sets[a], &beyond, &both);
	return r ? r : rules_pool_add(pool, &both, ret_set);
}
