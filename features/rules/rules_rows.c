/* SPDX-License-Identifier: Apache-2.0 */
/* Packing bit vectors into rows. */
#include "features/rules/rules_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

int rules_lines_add(struct rules_lines *lines, uint32_t count, uint32_t *ret_line)
{
	__u64 needed = (__u64)lines->count + count;
	if (needed > lines->capacity) {
		__u64 capacity = needed + needed / 2 + 64;
		struct weir_line *at = aligned_alloc(WEIR_LINE_BYTES, capacity * WEIR_LINE_BYTES);
		if (!at || capacity > UINT32_MAX) {
			free(at);
			return -ENOMEM;
		}
		if (lines->count)
			memcpy(at, lines->at, (size_t)lines->count * WEIR_LINE_BYTES);
		free(lines->at);
		lines->at = at;
		lines->capacity = (uint32_t)capacity;
	}
	memset(&lines->at[lines->count], 0, (size_t)count * WEIR_LINE_BYTES);
	*ret_line = lines->count;
	lines->count += count;
	return 0;
}

void rules_lines_done(struct rules_lines *lines)
{
	free(lines->at);
}

uint32_t rules_row_lines(uint32_t words)
{
	return words <= RULES_DENSE_WORDS ? 1 + (words + 7) / 8 : 1;
}

void rules_rows_init(struct rules_rows *rows, const __u64 *wild, uint32_t words)
{
	*rows = (struct rules_rows){ .wild = wild, .words = words };
}

void rules_rows_done(struct rules_rows *rows)
{
	free(rows->row);
	free(rows->pool);
	free(rows->slots);
}

/* Puts the stored words behind the pool's end; the caller keeps them by moving the end. */
static int rows_pack(struct rules_rows *rows, const __u64 *words, struct rules_packed *packed)
{
	if (rows->pool_count + rows->words > rows->pool_capacity) {
		size_t capacity = rows->pool_capacity * 2 + rows->words + 1024;
		__u64 *pool = reallocarray(rows->pool, capacity, sizeof(*pool));
		if (!pool)
			return -ENOMEM;
		rows->pool = pool;
		rows->pool_capacity = capacity;
	}
	*packed = (struct rules_packed){ .first = rows->pool_count };
	for (uint32_t i = 0; i < rows->words; i++) {
		if (rules_bit_test(rows->wild, i)) {
			rules_bit_set(packed->aggregate, i);
		} else if (words[i]) {
			rules_bit_set(packed->aggregate, i);
			rows->pool[packed->first + packed->stored++] = words[i];
		}
	}
	return 0;
}

static __u64 packed_hash(const struct rules_rows *rows, const struct rules_packed *packed)
{
	__u64 hash = weir_hash_bytes(packed->aggregate, sizeof(packed->aggregate), 0);
	return weir_hash_bytes(&rows->pool[packed->first], packed->stored * sizeof(__u64), hash);
}

static bool packed_equal(const struct rules_rows *rows, const struct rules_packed *a,
			 const struct rules_packed *b)
{
	return a->stored == b->stored &&
	       memcmp(a->aggregate, b->aggregate, sizeof(a->aggregate)) == 0 &&
	       memcmp(&rows->pool[a->first], &rows->pool[b->first], a->stored * sizeof(__u64)) == 0;
}

static int rows_grow(struct rules_rows *rows)
{
	uint32_t capacity = rows->capacity ? rows->capacity * 2 : 64;
	struct rules_packed *row = reallocarray(rows->row, capacity, sizeof(*row));
	uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
	if (row)
		rows->row = row;
	if (!row || !slots) {
		free(slots);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		__u64 hash = packed_hash(rows, &row[i]);
		while (slots[hash & (capacity * 2 - 1)])
			hash++;
		slots[hash & (capacity * 2 - 1)] = i + 1;
	}
	free(rows->slots);
	rows->slots = slots;
	rows->slot_count = capacity * 2;
	rows->capacity = capacity;
	return 0;
}

int rules_rows_get(struct rules_rows *rows, const __u64 *words, uint32_t *ret_row)
{
	struct rules_packed packed;
	int r = rows->count == rows->capacity ? rows_grow(rows) : 0;
	if (r == 0)
		r = rows_pack(rows, words, &packed);
	if (r < 0)
		return r;
	__u64 hash = packed_hash(rows, &packed);
	uint32_t *slot;
	for (;; hash++) {
		slot = &rows->slots[hash & (rows->slot_count - 1)];
		if (!*slot)
			break;
		*ret_row = *slot - 1;
		if (packed_equal(rows, &rows->row[*slot - 1], &packed))
			return 0;
	}
	rows->pool_count += packed.stored;
	rows->row[rows->count] = packed;
	*slot = ++rows->count;
	*ret_row = rows->count - 1;
	return 0;
}

static void row_head(struct rules_row *row, const __u64 aggregate[RULES_AGGREGATES],
		     const __u64 *wild)
{
	uint32_t before = 0;
	for (int i = 0; i < RULES_AGGREGATES; i++) {
		row->aggregate[i] = aggregate[i];
		row->before[i] = (uint8_t)before;
		before += (uint32_t)__builtin_popcountll(aggregate[i] & ~wild[i]);
	}
}

/* All words of a row, in their places. */
static void words_unpack(const struct rules_rows *rows, const struct rules_packed *packed,
			 __u64 *words)
{
	const __u64 *stored = &rows->pool[packed->first];
	for (uint32_t i = 0; i < rows->words; i++)
		if (rules_bit_test(rows->wild, i))
			words[i] = ~0ULL;
		else if (rules_bit_test(packed->aggregate, i))
			words[i] = *stored++;
}

static int rows_write_dense(const struct rules_rows *rows, struct rules_lines *lines,
			    uint32_t *ret_line)
{
	uint32_t row_lines = rules_row_lines(rows->words);
	int r = rules_lines_add(lines, rows->count * row_lines, ret_line);
	for (uint32_t i = 0; r == 0 && i < rows->count; i++) {
		struct weir_line *line = &lines->at[*ret_line + i * row_lines];
		struct rules_row *row = (void *)line;
		row_head(row, rows->row[i].aggregate, rows->wild);
		row->first = 8;
		words_unpack(rows, &rows->row[i], line[1].u64);
	}
	return r;
}

static int rows_write_sparse(const struct rules_rows *rows, struct rules_lines *lines,
			     uint32_t *ret_line)
{
	int r = rules_lines_add(lines, rows->count, ret_line);
	for (uint32_t i = 0; r == 0 && i < rows->count; i++) {
		const struct rules_packed *packed = &rows->row[i];
		uint32_t at = 0, line = *ret_line + i;
		bool is_long = packed->stored > RULES_ROW_WORDS;
		if (is_long)
			r = rules_lines_add(lines, (packed->stored + 7) / 8, &at);
		if (r < 0)
			return r;
		struct rules_row *row = (void *)&lines->at[line];
		row_head(row, packed->aggregate, rows->wild);
		row->first = is_long ? (at - line) * 8 : RULES_ROW_INLINE;
		memcpy(is_long ? lines->at[at].u64 : row->word, &rows->pool[packed->first],
		       packed->stored * sizeof(__u64));
	}
	return r;
}

int rules_rows_write(const struct rules_rows *rows, struct rules_lines *lines, uint32_t *ret_line)
{
	return rules_row_lines(rows->words) > 1 ? rows_write_dense(rows, lines, ret_line) :
						  rows_write_sparse(rows, lines, ret_line);
}

void rules_row_fill(struct rules_row *row, const __u64 *words, uint32_t count, const __u64 *wild,
		    __u64 *stored)
{
	__u64 aggregate[RULES_AGGREGATES] = { 0 };
	bool is_dense = rules_row_lines(count) > 1;
	uint32_t at = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool is_wild = rules_bit_test(wild, i);
		if (words[i] || is_wild)
			rules_bit_set(aggregate, i);
		if (is_dense)
			stored[i] = is_wild ? ~0ULL : words[i];
		else if (words[i] && !is_wild)
			stored[at++] = words[i];
	}
	row_head(row, aggregate, wild);
	row->first = 8;
}
