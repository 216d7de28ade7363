/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow remembers its backend by a number of 16 bits. It follows from what the backend is, so that
 * it stays the same when others come and go, after a restart, and on other hosts. Where two have
 * the same, the one whose bytes come later gets the next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/balance/balance_state.h"

#define NUMBER_SEED 0x6e756d626572ULL
#define NUMBERS 65535
#define FEW 64

struct numbered {
	const struct balance_end *end;
	unsigned index;
};

static int numbered_compare(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return memcmp(x->end, y->end, sizeof(*x->end));
}

/* Of several ports the first: a range that grows keeps its flows. */
static uint32_t number_wanted(const struct balance_end *of)
{
	struct balance_end end = *of;

	end.last = 0;
	return (uint32_t)(weir_hash_bytes(&end, sizeof(end), NUMBER_SEED) % NUMBERS);
}

/* Of few it is quicker to ask each than to have a list of all numbers. */
static bool is_taken(const struct numbered *sorted, unsigned count, const uint16_t *numbers,
		     uint32_t number)
{
	for (unsigned i = 0; i < count; i++)
		if (numbers[sorted[i].index] == number + 1)
			return true;
	return false;
}

static void few_number(const struct numbered *sorted, unsigned count, uint16_t *numbers)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t number = number_wanted(sorted[i].end);

		while (is_taken(sorted, i, numbers, number))
			number = (number + 1) % NUMBERS;
		numbers[sorted[i].index] = (uint16_t)(number + 1);
	}
}

static int many_number(const struct numbered *sorted, unsigned count, uint16_t *numbers)
{
	_cleanup_free_ uint8_t *used = calloc(NUMBERS, 1);

	if (!used)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		uint32_t number = number_wanted(sorted[i].end);

		while (used[number])
			number = (number + 1) % NUMBERS;
		used[number] = 1;
		numbers[sorted[i].index] = (uint16_t)(number + 1);
	}
	return 0;
}

int balance_numbers(const struct balance_end *backends, unsigned count, uint16_t *ret_numbers)
{
	if (count > NUMBERS)
		return -E2BIG;
	_cleanup_free_ struct numbered *sorted = calloc(count + 1ul, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		sorted[i] = (struct numbered){ &backends[i], i };
	qsort(sorted, count, sizeof(*sorted), numbered_compare);
	if (count > FEW)
		return many_number(sorted, count, ret_numbers);
	few_number(sorted, count, ret_numbers);
	return 0;
}
