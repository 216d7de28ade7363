/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rank.h"

#include <errno.h>
#include <stdlib.h>

int weir_rank_init(struct weir_rank *rank, size_t room)
{
	rank->at = calloc(room ? room : 1, sizeof(*rank->at));
	rank->room = room;
	rank->count = 0;
	return rank->at ? 0 : -ENOMEM;
}

void weir_rank_done(struct weir_rank *rank)
{
	free(rank->at);
	*rank = (struct weir_rank){ .count = 0 };
}

static bool is_before(const struct weir_rank *rank, const struct weir_ranked *one,
		      const struct weir_ranked *other)
{
	if (one->measure != other->measure)
		return one->measure > other->measure;
	return rank->comes_first ? rank->comes_first(one->item, other->item, rank->arg) :
				   one->item < other->item;
}

static void one_rise(struct weir_rank *rank, size_t at)
{
	const struct weir_ranked one = rank->at[at];

	for (; at && is_before(rank, &rank->at[(at - 1) / 2], &one); at = (at - 1) / 2)
		rank->at[at] = rank->at[(at - 1) / 2];
	rank->at[at] = one;
}

static void one_sink(struct weir_rank *rank, size_t at)
{
	const struct weir_ranked one = rank->at[at];

	for (size_t child; (child = at * 2 + 1) < rank->count; at = child) {
		if (child + 1 < rank->count &&
		    is_before(rank, &rank->at[child], &rank->at[child + 1]))
			child++;
		if (!is_before(rank, &one, &rank->at[child]))
			break;
		rank->at[at] = rank->at[child];
	}
	rank->at[at] = one;
}

bool weir_rank_takes(const struct weir_rank *rank, const struct weir_ranked *one)
{
	if (rank->count < rank->room)
		return true;
	return rank->room && is_before(rank, one, &rank->at[0]);
}

bool weir_rank_add(struct weir_rank *rank, const struct weir_ranked *one)
{
	if (!weir_rank_takes(rank, one))
		return false;
	if (rank->count < rank->room) {
		rank->at[rank->count] = *one;
		one_rise(rank, rank->count++);
	} else {
		rank->at[0] = *one;
		one_sink(rank, 0);
	}
	return true;
}

static int ranked_compare(const void *a, const void *b, void *arg)
{
	return is_before(arg, a, b) ? -1 : is_before(arg, b, a);
}

void weir_rank_sort(struct weir_rank *rank)
{
	qsort_r(rank->at, rank->count, sizeof(*rank->at), ranked_compare, rank);
}
