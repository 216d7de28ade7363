/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define OFFSET_SEED 0x6f6666736574ULL
#define SKIP_SEED 0x736b6970ULL

/* A backend that takes turns: its next slot by preference is `at`, the one after that `skip` on. */
struct taker {
	uint32_t at, skip;
	uint32_t inverse;	 /* of skip; when few slots are left */
	uint32_t weight, credit; /* a slot for each `most` of credit */
	uint16_t number;
	const struct balance_maglev_backend *backend;
};

static int bytes_compare(const struct balance_maglev_backend *a,
			 const struct balance_maglev_backend *b)
{
	size_t len = a->identity_len < b->identity_len ? a->identity_len : b->identity_len;
	int order = memcmp(a->identity, b->identity, len);

	return order ? order : (a->identity_len > len) - (b->identity_len > len);
}

/* By nothing that depends on who else is there, or was: each host comes to the same. */
static int taker_compare(const void *a, const void *b)
{
	const struct balance_maglev_backend *x = ((const struct taker *)a)->backend,
					    *y = ((const struct taker *)b)->backend;

	return x->order == y->order ? bytes_compare(x, y) : x->order - y->order;
}

static unsigned takers_make(const struct balance_maglev_backend *backends, unsigned count,
			    struct taker *takers)
{
	unsigned taking = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct balance_maglev_backend *backend = &backends[i];
		uint64_t offset =
			weir_hash_bytes(backend->identity, backend->identity_len, OFFSET_SEED);
		uint64_t skip =
			weir_hash_bytes(backend->identity, backend->identity_len, SKIP_SEED);

		if (!backend->weight)
			continue;
		takers[taking++] = (struct taker){
			.at = (uint32_t)(offset % BALANCE_SLOTS),
			.skip = (uint32_t)(skip % (BALANCE_SLOTS - 1)) + 1,
			.weight = backend->weight,
			.number = backend->number,
			.backend = backend,
		};
	}
	qsort(takers, taking, sizeof(*takers), taker_compare);
	return taking;
}

/* Which slots are taken: small enough for the cache nearest to the processor. */
struct taken {
	uint64_t words[BALANCE_SLOTS / 64 + 1];
};

static bool is_taken(const struct taken *taken, uint32_t slot)
{
	return taken->words[slot / 64] >> slot % 64 & 1;
}

static void slot_give(struct taken *taken, struct taker *taker, uint16_t *slots)
{
	taken->words[taker->at / 64] |= 1ull << taker->at % 64;
	slots[taker->at] = taker->number;
}

/* The number of slots is a prime, so a backend comes by each of them once. */
static void slot_take(struct taken *taken, struct taker *taker, uint16_t *slots)
{
	while (is_taken(taken, taker->at)) {
		taker->at += taker->skip;
		if (taker->at >= BALANCE_SLOTS)
			taker->at -= BALANCE_SLOTS;
	}
	slot_give(taken, taker, slots);
}

static uint32_t weight_most(const struct taker *takers, unsigned count)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < count; i++)
		if (takers[i].weight > most)
			most = takers[i].weight;
	return most;
}

/* a * b, where both are less than BALANCE_SLOTS, which is 2^16 + 1: 2^16 is -1. */
static uint32_t slot_multiply(uint32_t a, uint32_t b)
{
	uint64_t product = (uint64_t)a * b;
	int64_t rest = (int64_t)(product & 0xffff) - (int64_t)(product >> 16);

	return (uint32_t)(rest < 0 ? rest + BALANCE_SLOTS : rest);
}

/* By which skip comes to 1: its power BALANCE_SLOTS - 2 (Fermat). */
static uint32_t slot_inverse(uint32_t skip)
{
	uint32_t inverse = 1;

	for (uint32_t power = BALANCE_SLOTS - 2; power; power >>= 1) {
		if (power & 1)
			inverse = slot_multiply(inverse, skip);
		skip = slot_multiply(skip, skip);
	}
	return inverse;
}

/* Of few slots that are left it is quicker to ask how far each is than to come by all the others:
 * half of all steps would be for the last 256. */
#define FEW_LEFT 256

struct left {
	uint32_t slots[FEW_LEFT];
	uint32_t count;
};

static void left_find(const struct taken *taken, struct left *left)
{
	for (uint32_t i = 0; i < BALANCE_SLOTS; i++)
		if (!is_taken(taken, i))
			left->slots[left->count++] = i;
}

static void left_take(struct left *left, struct taker *taker, uint16_t *slots)
{
	uint32_t nearest = BALANCE_SLOTS, found = 0;

	for (uint32_t i = 0; i < left->count; i++) {
		uint32_t way = left->slots[i] + BALANCE_SLOTS - taker->at;
		uint32_t steps = slot_multiply(way % BALANCE_SLOTS, taker->inverse);

		if (steps < nearest) {
			nearest = steps;
			found = i;
		}
	}
	taker->at = left->slots[found];
	slots[taker->at] = taker->number;
	left->slots[found] = left->slots[--left->count];
}

/* Whose turn it is, round after round. */
struct turns {
	struct taker *takers;
	unsigned count, next;
	uint32_t most;
};

static struct taker *turn_next(struct turns *turns)
{
	for (;;) {
		struct taker *taker = &turns->takers[turns->next];

		turns->next = turns->next + 1 == turns->count ? 0 : turns->next + 1;
		taker->credit += taker->weight;
		if (taker->credit < turns->most)
			continue;
		taker->credit -= turns->most;
		return taker;
	}
}

static void slots_fill(struct turns *turns, uint16_t *slots)
{
	struct taken taken = { 0 };
	struct left left = { 0 };

	for (uint32_t i = FEW_LEFT; i < BALANCE_SLOTS; i++)
		slot_take(&taken, turn_next(turns), slots);
	left_find(&taken, &left);
	for (unsigned i = 0; i < turns->count; i++)
		turns->takers[i].inverse = slot_inverse(turns->takers[i].skip);
	while (left.count)
		left_take(&left, turn_next(turns), slots);
}

int balance_maglev_fill(const struct balance_maglev_backend *backends, unsigned count,
			uint16_t *slots)
{
	_cleanup_free_ struct taker *takers = calloc(count + 1ul, sizeof(*takers));

	memset(slots, 0, BALANCE_SLOTS * sizeof(*slots));
	if (!takers)
		return -ENOMEM;
	struct turns turns = { .takers = takers, .count = takers_make(backends, count, takers) };

	turns.most = weight_most(takers, turns.count);
	if (turns.count)
		slots_fill(&turns, slots);
	return turns.count != 0;
}
