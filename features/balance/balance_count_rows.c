/* SPDX-License-Identifier: Apache-2.0 */
/* Which row of the counters is whose. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "features/balance/balance_state.h"

#define SEED 0x74616c6c79ULL
/* A packet that began under the policy before has long ended then. */
#define REST_NS WEIR_NS_PER_S

void balance_rows_done(struct balance_rows *rows)
{
	free(rows->at);
	*rows = (struct balance_rows){ 0 };
}

uint64_t balance_identity(const struct balance_end *service, const struct balance_end *backend)
{
	const struct balance_end both[2] = { *service, *backend };

	return weir_hash_bytes(both, sizeof(both), SEED) | 1;
}

static int row_compare(const void *a, const void *b)
{
	const struct balance_tally_row *x = a, *y = b;

	return x->identity < y->identity ? -1 : x->identity > y->identity;
}

const struct balance_tally_row *balance_rows_row(const struct balance_rows *rows, uint64_t identity)
{
	const struct balance_tally_row key = { .identity = identity };

	return rows->count ? bsearch(&key, rows->at, rows->count, sizeof(key), row_compare) : NULL;
}

uint32_t balance_rows_find(const struct balance_rows *rows, uint64_t identity)
{
	const struct balance_tally_row *found = balance_rows_row(rows, identity);

	return found ? found->row : 0;
}

uint32_t balance_rows_end(const struct balance_rows *rows)
{
	uint32_t end = 1;

	for (uint32_t i = 0; i < rows->count; i++)
		if (rows->at[i].row >= end)
			end = rows->at[i].row + 1;
	return end;
}

bool balance_rows_equal(const struct balance_rows *a, const struct balance_rows *b)
{
	bool is_equal = a->count == b->count && a->room == b->room;

	for (uint32_t i = 0; is_equal && i < a->count; i++)
		is_equal = a->at[i].identity == b->at[i].identity && a->at[i].row == b->at[i].row &&
			   a->at[i].number == b->at[i].number;
	return is_equal;
}

static void rows_use(const struct balance_rows *rows, uint8_t *used)
{
	for (uint32_t i = 0; i < rows->count; i++)
		used[rows->at[i].row] = 1;
}

static uint32_t row_take(uint8_t *used, uint32_t *from)
{
	while (used[*from])
		++*from;
	used[*from] = 1;
	return *from;
}

int balance_rows_number(const struct balance_rows *before, const struct balance_rows *resting,
			const uint64_t *identities, uint32_t count, uint32_t *ret_numbers,
			struct balance_rows *ret_rows)
{
	uint32_t end = balance_rows_end(before), rest = balance_rows_end(resting), from = 1;
	_cleanup_free_ uint8_t *used = calloc((end > rest ? end : rest) + count + 1ul, 1);
	struct balance_tally_row *rows = calloc(count + 1ul, sizeof(*rows));

	if (!used || !rows) {
		free(rows);
		return -ENOMEM;
	}
	rows_use(before, used);
	rows_use(resting, used);
	for (uint32_t i = 0; i < count; i++) {
		ret_numbers[i] = balance_rows_find(before, identities[i]);
		if (!ret_numbers[i])
			ret_numbers[i] = row_take(used, &from);
		rows[i] = (struct balance_tally_row){ .identity = identities[i],
						      .row = ret_numbers[i] };
	}
	qsort(rows, count, sizeof(*rows), row_compare);
	*ret_rows = (struct balance_rows){ rows, count, 0 };
	return 0;
}

/* Both are sorted. */
static void gone_add(const struct balance_rows *before, const struct balance_rows *now,
		     uint64_t now_ns, struct balance_rows *resting)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < before->count; i++) {
		while (at < now->count && now->at[at].identity < before->at[i].identity)
			at++;
		if (at < now->count && now->at[at].identity == before->at[i].identity)
			continue;
		resting->at[resting->count] = before->at[i];
		resting->at[resting->count++].gone_ns = now_ns;
	}
}

int balance_rows_rest(struct balance_rows *resting, const struct balance_rows *before,
		      const struct balance_rows *now, uint64_t now_ns)
{
	struct balance_rows next = { .at = calloc(resting->count + before->count + 1ul,
						  sizeof(*next.at)) };

	for (uint32_t i = 0; next.at && i < resting->count; i++)
		if (now_ns < resting->at[i].gone_ns + REST_NS)
			next.at[next.count++] = resting->at[i];
	if (next.at)
		gone_add(before, now, now_ns, &next);
	balance_rows_done(resting);
	*resting = next;
	return next.at ? 0 : -ENOMEM;
}
