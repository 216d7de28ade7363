/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow remembers its backend by a number of 16 bits. It follows from what the backend is, so that
 * it is the same after a restart, and on other hosts. Where two ask for the same, who has it keeps
 * it, for its flows go by it; of those that have none yet, the one whose bytes come later gets the
 * next.
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

struct numbering {
	struct numbered *sorted; /* by bytes */
	unsigned count;
	uint8_t *used; /* by number; of few it is quicker to ask each, and there is none */
	uint16_t *numbers;
};

static int numbered_compare(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return memcmp(x->end, y->end, sizeof(*x->end));
}

/* Of several ports the first: a range that grows keeps its flows. */
uint16_t balance_number_wanted(const struct balance_end *of)
{
	struct balance_end end = *of;

	end.last = 0;
	return (uint16_t)(1 + weir_hash_bytes(&end, sizeof(end), NUMBER_SEED) % NUMBERS);
}

static bool is_taken(const struct numbering *numbering, uint16_t number)
{
	if (numbering->used)
		return numbering->used[number];
	for (unsigned i = 0; i < numbering->count; i++)
		if (numbering->numbers[i] == number)
			return true;
	return false;
}

static void number_give(struct numbering *numbering, unsigned index, uint16_t number)
{
	numbering->numbers[index] = number;
	if (numbering->used)
		numbering->used[number] = 1;
}

static void held_give(struct numbering *numbering, const uint16_t *held)
{
	for (unsigned i = 0; i < numbering->count; i++) {
		unsigned index = numbering->sorted[i].index;

		if (held[index] && !is_taken(numbering, held[index]))
			number_give(numbering, index, held[index]);
	}
}

static void rest_give(struct numbering *numbering)
{
	for (unsigned i = 0; i < numbering->count; i++) {
		const struct numbered *sorted = &numbering->sorted[i];
		uint16_t number = balance_number_wanted(sorted->end);

		if (numbering->numbers[sorted->index])
			continue;
		while (is_taken(numbering, number))
			number = (uint16_t)(number % NUMBERS + 1);
		number_give(numbering, sorted->index, number);
	}
}

int balance_numbers(const struct balance_end *backends, unsigned count, const uint16_t *held,
		    uint16_t *ret_numbers)
{
	_cleanup_free_ struct numbered *sorted = calloc(count + 1ul, sizeof(*sorted));
	_cleanup_free_ uint8_t *used = count > FEW ? calloc(NUMBERS + 1, 1) : NULL;
	struct numbering numbering = { sorted, count, used, ret_numbers };

	if (count > NUMBERS)
		return -E2BIG;
	if (!sorted || (count > FEW && !used))
		return -ENOMEM;
	memset(ret_numbers, 0, count * sizeof(*ret_numbers));
	for (unsigned i = 0; i < count; i++)
		sorted[i] = (struct numbered){ &backends[i], i };
	qsort(sorted, count, sizeof(*sorted), numbered_compare);
	if (held)
		held_give(&numbering, held);
	rest_give(&numbering);
	return 0;
}
