/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_tally.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/secret.h"
#include "features/conntrack/conntrack.h"

#define ROOM_FIRST 1024u
#define ROOM_MOST (CONNTRACK_TALLY_MOST * 2) /* half of the places stay free */
#define GROWS 16 /* rarely: what is there finds its places anew each time */
#define ROW_BITS 21
#define ROW ((1U << ROW_BITS) - 1) /* of a place; above it the lowest bits of the hash */
#define ROWS_BYTES (CONNTRACK_TALLY_MOST * sizeof(struct conntrack_share))
#define LARGE (2UL << 20) /* from here on memory comes in pages of this size, if it can */

_Static_assert(CONNTRACK_TALLY_MOST <= ROW - 1, "each row has a number, and none is 0");
_Static_assert(sizeof(struct conntrack_share) == 64, "a row is a cache line");

/* Pages that are not touched are not there. */
static void *pages_new(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (bytes > LARGE)
		(void)madvise(at + LARGE, bytes - LARGE, MADV_HUGEPAGE); /* without: it is slower */
	return at;
}

static void pages_free(void *at, size_t bytes)
{
	if (at)
		munmap(at, bytes);
}

void conntrack_tally_done(struct conntrack_tally *tally)
{
	pages_free(tally->at, ROWS_BYTES);
	pages_free(tally->index, tally->room * sizeof(*tally->index));
	*tally = (struct conntrack_tally){ .count = 0 };
}

/* Field by field, here and below: who reads as a whole what was just written in parts waits until
 * that is in the cache. */
static uint64_t key_hash(const struct conntrack_group_key *key, uint64_t seed)
{
	uint64_t hash = conntrack_mix(seed, key->addr.be64[0]);

	hash = conntrack_mix(hash, key->addr.be64[1]);
	return conntrack_mix(hash, (uint64_t)key->backend << 32 | key->number) *
	       0xd6e8feb86659fd93ULL;
}

/* The bits that stand above a row's number: other ones than those that tell the place. */
static uint32_t part_of(uint64_t hash)
{
	return (uint32_t)(hash >> 8) << ROW_BITS;
}

static uint32_t first_place(const struct conntrack_tally *tally, uint64_t hash)
{
	return (uint32_t)(hash >> tally->shift);
}

/* Where its row is, or else would be. */
static uint32_t *place_find(const struct conntrack_tally *tally,
			    const struct conntrack_group_key *key, uint64_t hash)
{
	uint32_t part = part_of(hash), at = first_place(tally, hash);

	for (;; at = (at + 1) & (tally->room - 1)) {
		uint32_t place = tally->index[at];

		if (!place || ((place & ~ROW) == part &&
			       conntrack_key_is(&tally->at[(place & ROW) - 1].key, key)))
			return &tally->index[at];
	}
}

/* One that is in no row yet: no row is looked at. */
static void place_take(struct conntrack_tally *tally, uint64_t hash, uint32_t row)
{
	uint32_t at = first_place(tally, hash);

	while (tally->index[at])
		at = (at + 1) & (tally->room - 1);
	tally->index[at] = part_of(hash) | (row + 1);
}

static int index_grow(struct conntrack_tally *tally)
{
	uint32_t room = tally->room ? tally->room * GROWS : ROOM_FIRST;

	room = room < ROOM_MOST ? room : ROOM_MOST;

	uint32_t *index = pages_new(room * sizeof(*index));

	if (!index)
		return -ENOMEM;
	pages_free(tally->index, tally->room * sizeof(*index));
	tally->index = index;
	tally->room = room;
	tally->shift = 64 - (unsigned)__builtin_ctz(room);
	for (uint32_t row = 0; row < tally->count; row++)
		place_take(tally, key_hash(&tally->at[row].key, tally->seed), row);
	return 0;
}

/* So that as many as may wait find a free place. */
static int room_make(struct conntrack_tally *tally)
{
	if (!tally->at) {
		tally->at = pages_new(ROWS_BYTES);
		(void)weir_random_bytes(&tally->seed, sizeof(tally->seed));
	}
	if (!tally->at)
		return -ENOMEM;
	if (tally->room == ROOM_MOST || (tally->count + CONNTRACK_TALLY_BATCH) * 2 <= tally->room)
		return 0;
	return index_grow(tally);
}

static void share_add(struct conntrack_tally *tally, const struct conntrack_share *share,
		      uint64_t hash)
{
	uint32_t *place = place_find(tally, &share->key, hash);

	if (*place) {
		conntrack_totals_add(&tally->at[(*place & ROW) - 1].totals, &share->totals);
	} else if (tally->count == CONNTRACK_TALLY_MOST) {
		conntrack_totals_add(&tally->none, &share->totals);
	} else {
		tally->at[tally->count++] = *share;
		*place = part_of(hash) | tally->count;
	}
}

static int batch_add(struct conntrack_tally *tally, struct conntrack_batch *batch)
{
	int r = room_make(tally);

	if (r)
		return r;
	for (unsigned i = 0; i < batch->count; i++)
		share_add(tally, &batch->shares[i], batch->hashes[i]);
	batch->count = 0;
	return 0;
}

/* The row that is likely its own is on its way when it is asked for. */
static void rows_prefetch(const struct conntrack_tally *tally, const struct conntrack_batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++) {
		uint32_t place = tally->index[first_place(tally, batch->hashes[i])];

		if (place)
			__builtin_prefetch(&tally->at[(place & ROW) - 1]);
	}
}

int conntrack_tally_settle(struct conntrack_tally *tally)
{
	int r = batch_add(tally, &tally->batches[!tally->filling]);

	return r ? r : batch_add(tally, &tally->batches[tally->filling]);
}

struct conntrack_share *conntrack_tally_next(struct conntrack_tally *tally)
{
	struct conntrack_batch *batch = &tally->batches[tally->filling];

	return &batch->shares[batch->count];
}

int conntrack_tally_take(struct conntrack_tally *tally, unsigned count)
{
	struct conntrack_batch *batch = &tally->batches[tally->filling];
	int r = tally->room ? 0 : room_make(tally); /* it draws the seed */

	for (unsigned i = 0; i < count && !r; i++) {
		uint64_t hash = key_hash(&batch->shares[batch->count].key, tally->seed);

		batch->hashes[batch->count++] = hash;
		__builtin_prefetch(&tally->index[first_place(tally, hash)]);
	}
	if (r || batch->count <= CONNTRACK_TALLY_BATCH - CONNTRACK_SHARES_MAX)
		return r;
	rows_prefetch(tally, batch);
	tally->filling = !tally->filling;
	return batch_add(tally, &tally->batches[tally->filling]);
}

int conntrack_tally_add(struct conntrack_tally *tally, const struct conntrack_share *share,
			uint32_t *ret_row)
{
	int r = room_make(tally);

	if (r)
		return r;
	uint64_t hash = key_hash(&share->key, tally->seed);

	share_add(tally, share, hash);

	uint32_t place = *place_find(tally, &share->key, hash);

	*ret_row = place ? (place & ROW) - 1 : CONNTRACK_TALLY_NONE;
	return 0;
}
