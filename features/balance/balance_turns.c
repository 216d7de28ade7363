/* SPDX-License-Identifier: Apache-2.0 */
#include "features/balance/balance_turns.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct turner {
	int64_t credit;
	uint32_t weight;
	uint16_t number;
};

static uint32_t divisor_of(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* By file, not by number: who reads the configuration sees the order. */
static unsigned turners_make(const struct balance_maglev_backend *backends, unsigned count,
			     struct turner *turners)
{
	unsigned taking = 0;

	for (unsigned i = 0; i < count; i++)
		if (backends[i].weight)
			turners[taking++] = (struct turner){ .weight = backends[i].weight,
							     .number = backends[i].number };
	return taking;
}

/* Without what all have in common; returns their sum. */
static uint64_t weights_reduce(struct turner *turners, unsigned count)
{
	uint32_t common = 0;
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		common = divisor_of(turners[i].weight, common);
	for (unsigned i = 0; i < count; i++)
		sum += turners[i].weight /= common;
	return sum;
}

/* Floors, of what leaves a slot for each that comes away with less than one. */
static uint64_t weights_fit(struct turner *turners, unsigned count)
{
	uint64_t sum = weights_reduce(turners, count), fitting = 0;

	if (sum <= BALANCE_SLOTS)
		return sum;
	for (unsigned i = 0; i < count; i++) {
		uint64_t scaled = turners[i].weight * (uint64_t)(BALANCE_SLOTS - count) / sum;

		turners[i].weight = scaled ? (uint32_t)scaled : 1;
		fitting += turners[i].weight;
	}
	return fitting;
}

/* Whose turn it is: who waited longest for its weight; the first of those that did. */
static struct turner *turn_next(struct turner *turners, unsigned count, uint64_t sum)
{
	struct turner *next = turners;

	for (unsigned i = 0; i < count; i++) {
		turners[i].credit += turners[i].weight;
		if (turners[i].credit > next->credit)
			next = &turners[i];
	}
	next->credit -= (int64_t)sum;
	return next;
}

int balance_turns_count(const struct balance_maglev_backend *backends, unsigned count)
{
	_cleanup_free_ struct turner *turners = calloc(count + 1ul, sizeof(*turners));

	if (!turners)
		return -ENOMEM;
	unsigned taking = turners_make(backends, count, turners);

	return taking ? (int)weights_fit(turners, taking) : 0;
}

int balance_turns_fill(const struct balance_maglev_backend *backends, unsigned count,
		       uint16_t *slots)
{
	_cleanup_free_ struct turner *turners = calloc(count + 1ul, sizeof(*turners));

	if (!turners)
		return -ENOMEM;
	unsigned taking = turners_make(backends, count, turners);
	uint64_t sum = taking ? weights_fit(turners, taking) : 0;

	for (uint64_t i = 0; i < sum; i++)
		slots[i] =
			sum == taking ? turners[i].number : turn_next(turners, taking, sum)->number;
	return (int)sum;
}
