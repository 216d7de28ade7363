/* SPDX-License-Identifier: Apache-2.0 */
/* The first so many of any number, in one pass: a heap of those there are by now, the last of them
 * on top. */
#ifndef WEIR_BASE_RANK_H
#define WEIR_BASE_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_ranked {
	uint64_t measure;
	uint32_t item; /* whatever the caller has by that number */
	uint32_t slot; /* likewise */
};

struct weir_rank {
	struct weir_ranked *at; /* `count` of them */
	size_t count, room;
	/* Of two whose measure is equal; NULL: the lower number comes first. */
	bool (*comes_first)(uint32_t item, uint32_t other, const void *arg);
	const void *arg;
};

/* -ENOMEM. */
int weir_rank_init(struct weir_rank *rank, size_t room);
void weir_rank_done(struct weir_rank *rank);
/* Whether it is among the first so many as yet. */
bool weir_rank_takes(const struct weir_rank *rank, const struct weir_ranked *one);
/* The same, and takes it; where all room is taken the last one goes. */
bool weir_rank_add(struct weir_rank *rank, const struct weir_ranked *one);
/* In order; afterwards nothing more can be added. */
void weir_rank_sort(struct weir_rank *rank);

#endif
