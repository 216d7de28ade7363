/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define KEY_SEED 0x736c6f7473ULL
#define SLOTS_LINES ((BALANCE_SLOTS + BALANCE_SLOTS_EACH - 1) / BALANCE_SLOTS_EACH)
#define HOLES_MOST 64 /* more than are filled: then all are placed anew */

struct key {
	uint64_t words[2]; /* the first is never 0 */
};

/* Whose slots these are: one service of those that have the same. */
struct wanted {
	struct key key;
	unsigned index;
	uint32_t number; /* of the place, from 1 */
};

static void key_add(struct key *key, const void *bytes, size_t len)
{
	key->words[0] = weir_hash_bytes(bytes, len, key->words[0]);
	key->words[1] = weir_hash_bytes(bytes, len, ~key->words[1]);
}

static struct key key_of(const struct balance_spread *spread)
{
	struct key key = { { KEY_SEED + spread->scheduler, KEY_SEED } };

	for (unsigned i = 0; i < spread->count; i++) {
		const struct balance_maglev_backend *share = &spread->shares[i];
		uint64_t rest = (uint64_t)share->weight << 16 | share->number;

		if (!share->weight)
			continue;
		key_add(&key, share->identity, share->identity_len);
		key_add(&key, &rest, sizeof(rest));
	}
	key.words[0] |= 1;
	return key;
}

static int by_key(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	for (int i = 0; i < 2; i++)
		if (x->key.words[i] != y->key.words[i])
			return x->key.words[i] > y->key.words[i] ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

static bool is_same_as_before(const struct wanted *wanted, unsigned at)
{
	return at && memcmp(&wanted[at].key, &wanted[at - 1].key, sizeof(wanted->key)) == 0;
}

/* In the order of their keys. NULL: out of memory. */
static struct wanted *wanted_new(const struct balance_spreads *spreads, unsigned *ret_count)
{
	struct wanted *wanted = calloc(spreads->count + 1ul, sizeof(*wanted));
	unsigned found = 0;

	for (unsigned i = 0; wanted && i < spreads->count; i++)
		if (spreads->at[i].slots > 1)
			wanted[found++] = (struct wanted){ key_of(&spreads->at[i]), i, 0 };
	if (wanted)
		qsort(wanted, found, sizeof(*wanted), by_key);
	*ret_count = found;
	return wanted;
}

/* The places of those keys that have one. What goes leaves its place to others: packets that still
 * read it do so in the other slot of policy. */
static struct balance_rows kept_of(const struct balance_rows *before, const uint64_t *keys,
				   unsigned count)
{
	struct balance_rows kept = { .at = calloc(count + 1ul, sizeof(*kept.at)) };

	for (unsigned i = 0; kept.at && i < count; i++) {
		uint32_t row = balance_rows_find(before, keys[i]);

		if (row)
			kept.at[kept.count++] = (struct balance_tally_row){ keys[i], row, 0 };
	}
	return kept;
}

/* Returns how many there are. */
static unsigned keys_list(const struct wanted *wanted, unsigned count, uint64_t *keys)
{
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++)
		if (!is_same_as_before(wanted, i))
			keys[found++] = wanted[i].key.words[0];
	return found;
}

/* A place for each key, the one that it has already where it has one. */
static int wanted_number(struct wanted *wanted, unsigned count, const struct balance_rows *before,
			 struct balance_rows *ret_rows)
{
	static const struct balance_rows none;
	_cleanup_free_ uint64_t *keys = calloc(count + 1ul, sizeof(*keys));
	_cleanup_free_ uint32_t *numbers = calloc(count + 1ul, sizeof(*numbers));
	unsigned found = keys ? keys_list(wanted, count, keys) : 0, at = 0;
	_cleanup_balance_rows_ struct balance_rows kept = kept_of(before, keys, found);

	if (!keys || !numbers || !kept.at)
		return -ENOMEM;
	bool has_holes = balance_rows_end(&kept) > 2 * found + HOLES_MOST;
	int r = balance_rows_number(has_holes ? &none : &kept, &none, keys, found, numbers,
				    ret_rows);

	for (unsigned i = 0; i < count && !r; i++) {
		at += i && !is_same_as_before(wanted, i);
		wanted[i].number = numbers[at];
	}
	return r;
}

/* Steps, so that few services or backends more do not move all slots. */
static uint32_t base_of(uint32_t behind, uint32_t before)
{
	uint32_t base = 1;

	while (base < behind)
		base *= 2;
	return behind <= before && before / 4 <= base ? before : base;
}

int balance_slots_place(struct balance_spreads *spreads, uint32_t behind,
			const struct balance_plan *before, struct balance_plan *plan)
{
	static const struct balance_plan none;
	unsigned found = 0;
	_cleanup_free_ struct wanted *wanted = wanted_new(spreads, &found);

	before = before ? before : &none;
	if (!wanted)
		return -ENOMEM;
	int r = wanted_number(wanted, found, &before->places, &plan->places);

	if (r)
		return r;
	spreads->base = plan->slots_base = base_of(behind, before->slots_base);
	for (unsigned i = 0; i < found; i++)
		spreads->at[wanted[i].index].line =
			spreads->base + (wanted[i].number - 1) * SLOTS_LINES;
	return 0;
}

/* What the image makes its parts of. */
struct parts_of {
	void *owned;
	void (*owned_free)(void *owned);
	struct balance_spread spreads[]; /* of each part */
};

static void parts_of_free(void *of)
{
	struct parts_of *parts = of;

	parts->owned_free(parts->owned);
	free(parts);
}

static int part_make(const void *of, uint32_t index, struct weir_line *lines)
{
	const struct balance_spread *spread = &((const struct parts_of *)of)->spreads[index];

	memset(lines, 0, SLOTS_LINES * sizeof(*lines));
	return balance_scheduler_fill(spread->scheduler, spread->shares, spread->count, lines->u16);
}

static int by_line(const void *a, const void *b)
{
	const struct balance_spread *x = *(const struct balance_spread *const *)a,
				    *y = *(const struct balance_spread *const *)b;

	return (x->line > y->line) - (x->line < y->line);
}

/* One spread of each place, from the front to the back; returns how many. */
static unsigned places_list(const struct balance_spreads *spreads,
			    const struct balance_spread **list)
{
	unsigned found = 0, left = 0;

	for (unsigned i = 0; i < spreads->count; i++)
		if (spreads->at[i].slots > 1)
			list[found++] = &spreads->at[i];
	qsort(list, found, sizeof(*list), by_line);
	for (unsigned i = 0; i < found; i++)
		if (!left || list[left - 1]->line != list[i]->line)
			list[left++] = list[i];
	return left;
}

static struct parts_of *parts_of_new(const struct balance_spread *const *list, unsigned count)
{
	struct parts_of *of = calloc(1, sizeof(*of) + count * sizeof(of->spreads[0]));

	for (unsigned i = 0; of && i < count; i++)
		of->spreads[i] = *list[i];
	return of;
}

static void parts_lay_out(const struct parts_of *of, struct weir_parts *parts)
{
	for (uint32_t i = 0; i < parts->count; i++) {
		struct key key = key_of(&of->spreads[i]);

		parts->at[i] = (struct weir_part){ .line = of->spreads[i].line - parts->base,
						   .lines = SLOTS_LINES,
						   .key = { key.words[0], key.words[1] } };
	}
}

int balance_slots_parts(const struct balance_spreads *spreads, void *owned,
			void (*owned_free)(void *owned), struct weir_image *image)
{
	_cleanup_free_ const struct balance_spread **list =
		calloc(spreads->count + 1ul, sizeof(*list));
	unsigned found = list ? places_list(spreads, list) : 0;
	struct parts_of *of = list ? parts_of_new(list, found) : NULL;
	struct weir_parts parts = {
		.base = spreads->base,
		.count = found,
		.at = calloc(found + 1ul, sizeof(*parts.at)),
		.make = part_make,
		.of = of,
		.free = parts_of_free,
	};

	if (!of || !parts.at) {
		free(of);
		free(parts.at);
		return -ENOMEM;
	}
	parts_lay_out(of, &parts);
	of->owned = owned;
	of->owned_free = owned_free;
	weir_image_parts_set(image, WEIR_SECTION_BALANCE, &parts);
	return 0;
}
