/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_hits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"

#define WORDS (RULES_ROWS / 64)
#define OVER_SALT 0x6f766572ULL
/* A packet that began under the policy before has long ended then. */
#define REST_NS WEIR_NS_PER_S
/* A row costs 0.3 us: all of them every second would be 1 % of a processor. */
#define ROWS_QUICK 8192
#define SLOW_READ_NS (5 * WEIR_NS_PER_S)

void rules_hits_done(struct rules_hits *hits)
{
	rules_index_done(&hits->rows);
	free(hits->counts);
	hits->counts = NULL;
}

static void row_use(uint64_t *used, uint32_t row)
{
	used[row / 64] |= 1ull << row % 64;
}

static void rows_add(const struct rules_index *rows, uint64_t *used)
{
	for (uint32_t i = 0; i < rows->slot_count; i++)
		if (rows->slots[i].key)
			row_use(used, rows->slots[i].value);
}

/* Rows that must not be handed out: of rules that stand, and of those that went just now. */
static void rows_used(const struct rules_hits *hits, uint64_t now_ns, uint64_t *used)
{
	memset(used, 0, WORDS * sizeof(*used));
	row_use(used, 0);
	rows_add(&hits->rows, used);
	for (uint32_t row = 1; row < RULES_ROWS; row++)
		if (hits->gone_ns[row] && now_ns < hits->gone_ns[row] + REST_NS)
			row_use(used, row);
}

/* Rows on their way to rules. */
struct numbering {
	uint64_t *used;
	uint32_t from; /* words of `used` before it are full */
	struct rules_index rows;
};

/* Lowest first, so that what has to be read each tick stays short. */
static uint32_t row_take(struct rules_hits *hits, uint64_t *used, uint32_t *from)
{
	while (*from < WORDS && !~used[*from])
		(*from)++;
	if (*from == WORDS)
		return 0;
	uint32_t row = *from * 64 + (uint32_t)__builtin_ctzll(~used[*from]);
	row_use(used, row);
	/* A row that cannot be cleared would show another's hits. */
	if (hits->counters && weir_map_zero(hits->counters, row) < 0)
		return 0;
	if (hits->counts)
		hits->counts[row] = (struct weir_count){ 0 };
	return row;
}

/* When so many rules went within REST_NS that none is left, those that rest are taken. There are
 * three times as many rows as rules, so a row comes round after a flip at least: a packet that took
 * so long counts for another rule, which is less than rules that count nothing and have no name. */
static uint32_t row_take_early(struct rules_hits *hits, const struct rules_index *rows,
			       uint64_t *used, uint32_t *from)
{
	rows_used(hits, UINT64_MAX, used);
	rows_add(rows, used);
	*from = 0;
	return row_take(hits, used, from);
}

/* Of a rule, or of what it counts besides: the row it had, else another. */
static int row_number(struct rules_hits *hits, uint64_t identity, struct numbering *numbering,
		      uint32_t *ret_row)
{
	struct rules_index *rows = &numbering->rows;
	if (!rules_index_get(&hits->rows, identity, ret_row))
		*ret_row = row_take(hits, numbering->used, &numbering->from) ?:
				   row_take_early(hits, rows, numbering->used, &numbering->from);
	return *ret_row ? rules_index_set(rows, identity, *ret_row) : 0;
}

/* What is over a rule's limit is counted by itself. */
static uint64_t over_identity(uint64_t identity)
{
	return weir_hash_mix(identity + OVER_SALT) | 1;
}

int rules_hits_number(struct rules_hits *hits, struct rules_order *order, uint64_t now_ns,
		      struct rules_index *ret_rows)
{
	_cleanup_free_ uint64_t *used = calloc(WORDS, sizeof(*used));
	struct numbering numbering = { .used = used };
	int r = used ? 0 : -ENOMEM;
	if (used)
		rows_used(hits, now_ns, used);
	for (uint32_t i = 0; r == 0 && i < order->count; i++) {
		struct rules_standing *standing = &order->at[i];
		r = row_number(hits, standing->identity, &numbering, &standing->row);
		if (r == 0 && standing->text->action == RULES_LIMIT)
			r = row_number(hits, over_identity(standing->identity), &numbering,
				       &standing->over);
	}
	if (r < 0) {
		rules_index_done(&numbering.rows);
		return r;
	}
	*ret_rows = numbering.rows;
	return 0;
}

void rules_hits_adopt(struct rules_hits *hits, struct rules_index *rows, uint64_t now_ns)
{
	uint32_t row, end = 0;
	for (uint32_t i = 0; i < hits->rows.slot_count; i++) {
		const struct rules_index_slot *slot = &hits->rows.slots[i];
		if (slot->key && !rules_index_get(rows, slot->key, &row))
			hits->gone_ns[slot->value] = now_ns;
	}
	for (uint32_t i = 0; i < rows->slot_count; i++)
		if (rows->slots[i].key && rows->slots[i].value >= end)
			end = rows->slots[i].value + 1;
	rules_index_done(&hits->rows);
	hits->rows = *rows;
	hits->end = end;
	*rows = (struct rules_index){ 0 };
}

int rules_hits_read(struct rules_hits *hits, uint64_t now_ns)
{
	if (!hits->counters || !hits->end ||
	    (hits->end > ROWS_QUICK && now_ns < hits->next_read_ns))
		return 0;
	if (!hits->counts)
		hits->counts = calloc(RULES_ROWS, sizeof(*hits->counts));
	if (!hits->counts)
		return -ENOMEM;
	_Static_assert(sizeof(struct weir_count) == 2 * sizeof(uint64_t), "a row is two words");
	/* Beside, since sums begin at zero and a worker may be writing a list of them. */
	_cleanup_free_ struct weir_count *fresh = calloc(hits->end, sizeof(*fresh));
	int r = fresh ? weir_map_sum(hits->counters, 0, hits->end, 2, (uint64_t *)fresh) : -ENOMEM;
	if (r == 0)
		memcpy(hits->counts, fresh, hits->end * sizeof(*fresh));
	hits->next_read_ns = now_ns + SLOW_READ_NS;
	return r;
}

void rules_hits_refresh(struct rules_hits *hits, uint32_t row)
{
	if (hits->counters && hits->counts && row && row < RULES_ROWS)
		weir_map_sum(hits->counters, row, 1, 2, (uint64_t *)&hits->counts[row]);
}

struct weir_count rules_hits_count(const struct rules_hits *hits, uint32_t row)
{
	return hits->counts && row && row < RULES_ROWS ? hits->counts[row] :
							 (struct weir_count){ 0 };
}

bool rules_rows_equal(const struct rules_index *a, const struct rules_index *b)
{
	bool is_equal = a->count == b->count;
	for (uint32_t i = 0; is_equal && i < a->slot_count; i++) {
		uint32_t row;
		if (a->slots[i].key)
			is_equal = rules_index_get(b, a->slots[i].key, &row) &&
				   row == a->slots[i].value;
	}
	return is_equal;
}
