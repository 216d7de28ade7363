/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define OFFSET_SEED 0x6f6666736574ULL
#define SKIP_SEED 0x736b6970ULL

/* A backend that takes turns: its next slot by preference is `at`, the one after that `skip` on. */
struct taker {
	uint32_t at, skip;
	uint32_t weight, credit; /* a slot for each `most` of credit */
	uint16_t number;
};

static int taker_compare(const void *a, const void *b)
{
	const struct taker *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
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
		};
	}
	qsort(takers, taking, sizeof(*takers), taker_compare);
	return taking;
}

/* The number of slots is a prime, so a backend comes by each of them once. */
static void slot_take(struct taker *taker, uint16_t *slots)
{
	while (slots[taker->at]) {
		taker->at += taker->skip;
		if (taker->at >= BALANCE_SLOTS)
			taker->at -= BALANCE_SLOTS;
	}
	slots[taker->at] = taker->number;
}

static uint32_t weight_most(const struct taker *takers, unsigned count)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < count; i++)
		if (takers[i].weight > most)
			most = takers[i].weight;
	return most;
}

int balance_maglev_fill(const struct balance_maglev_backend *backends, unsigned count,
			uint16_t *slots)
{
	_cleanup_free_ struct taker *takers = calloc(count + 1ul, sizeof(*takers));

	memset(slots, 0, BALANCE_SLOTS * sizeof(*slots));
	if (!takers)
		return -ENOMEM;
	unsigned taking = takers_make(backends, count, takers);
	uint32_t most = weight_most(takers, taking), left = taking ? BALANCE_SLOTS : 0;

	while (left)
		for (unsigned i = 0; i < taking && left; i++) {
			takers[i].credit += takers[i].weight;
			if (takers[i].credit < most)
				continue;
			takers[i].credit -= most;
			slot_take(&takers[i], slots);
			left--;
		}
	return taking != 0;
}
