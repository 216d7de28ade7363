/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of rows, and chains through it by a hash of both ends, newest first. Nothing is taken out
 * of a chain: it ends at the first row whose place was given to another since, which its turn
 * tells. So adding one costs the same however full it is. */
#include "features/sockets/sockets_past.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/secret.h"

#define CHAINS SOCKETS_PAST_MAX

struct sockets_past {
	struct sockets_past_row *rows; /* by turn, from 1 on */
	uint64_t *chains;	       /* the newest, by turn; 0: none */
	uint64_t turn;		       /* of the last */
	uint64_t seed;
};

struct sockets_past *sockets_past_new(void)
{
	struct sockets_past *past = calloc(1, sizeof(*past));

	if (!past)
		return NULL;
	past->rows = calloc(SOCKETS_PAST_MAX, sizeof(*past->rows));
	past->chains = calloc(CHAINS, sizeof(*past->chains));
	(void)weir_random_bytes(&past->seed,
				sizeof(past->seed)); /* without: who sends may choose */
	if (past->rows && past->chains)
		return past;
	sockets_past_free(past);
	return NULL;
}

void sockets_past_free(struct sockets_past *past)
{
	if (!past)
		return;
	free(past->rows);
	free(past->chains);
	free(past);
}

static uint64_t *chain_of(const struct sockets_past *past, const struct sockets_ends *ends)
{
	return &past->chains[weir_hash_bytes(ends, sizeof(*ends), past->seed) & (CHAINS - 1)];
}

static struct sockets_past_row *row_at(const struct sockets_past *past, uint64_t turn)
{
	return &past->rows[turn & (SOCKETS_PAST_MAX - 1)];
}

static bool is_kept(const struct sockets_past *past, uint64_t turn)
{
	return turn && past->turn - turn < SOCKETS_PAST_MAX;
}

void sockets_past_add(struct sockets_past *past, const struct sockets_past_row *row)
{
	uint64_t *chain = chain_of(past, &row->ends);

	past->turn++;
	*row_at(past, past->turn) = *row;
	row_at(past, past->turn)->next = *chain;
	*chain = past->turn;
}

static const struct sockets_past_row *find(const struct sockets_past *past, uint64_t turn,
					   const struct sockets_ends *ends)
{
	while (is_kept(past, turn)) {
		const struct sockets_past_row *row = row_at(past, turn);

		if (memcmp(&row->ends, ends, sizeof(*ends)) == 0)
			return row;
		turn = row->next;
	}
	return NULL;
}

const struct sockets_past_row *sockets_past_first(const struct sockets_past *past,
						  const struct sockets_ends *ends)
{
	return find(past, *chain_of(past, ends), ends);
}

const struct sockets_past_row *sockets_past_next(const struct sockets_past *past,
						 const struct sockets_past_row *row)
{
	return find(past, row->next, &row->ends);
}
