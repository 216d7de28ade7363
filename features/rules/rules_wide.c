/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows by numbers of a wide range: ports, lengths, VLANs. The numbers are cut where some rule
 * begins or ends. Where that would take too many words, neighbouring pieces are put together; the
 * rules are then compared once more when the vectors name them (RULES_CHECKS).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_tables.h"

#define WORDS_MAX (256u << 10) /* 2 MiB a dimension: past it pieces are put together … */
/* … and where those that cannot be are more than that alone, 32 MiB have to do. */
#define WORDS_LAST (4u << 20)

static bool asks_wide(const struct rules_rule *rule, const void *arg)
{
	return rule->given & 1u << RULES_KEY_WIDE(*(const enum rules_dimension *)arg);
}

static uint32_t wide_values(enum rules_dimension dimension)
{
	return dimension == RULES_VLAN ? RULES_NO_VLAN + 1 : 65536;
}

/* Where pieces begin: bit for each value. */
struct cuts {
	uint32_t values;
	__u64 all[65536 / 64 + 1];
	__u64 kept[65536 / 64 + 1]; /* of rules that a record cannot compare: several ranges */
};

static void cuts_mark(struct cuts *cuts, const struct rules_values *values)
{
	for (uint32_t i = 0; i < values->count; i++) {
		uint32_t ends[] = { values->at[i].from, values->at[i].to + 1 };
		for (int j = 0; j < 2; j++) {
			if (ends[j] >= cuts->values)
				continue;
			rules_bit_set(cuts->all, ends[j]);
			if (values->count > 1)
				rules_bit_set(cuts->kept, ends[j]);
		}
	}
}

/* First values of the pieces; every `step`th cut, and those that must be. */
static uint32_t cuts_list(const struct cuts *cuts, uint32_t step, uint32_t *ret_from)
{
	uint32_t count = 0, seen = 0;
	for (uint32_t value = 0; value < cuts->values; value++) {
		bool is_cut = value == 0 || rules_bit_test(cuts->all, value);
		if (!is_cut)
			continue;
		if (value == 0 || seen++ % step == 0 || rules_bit_test(cuts->kept, value))
			ret_from[count++] = value;
	}
	return count;
}

/* A rule's bit turns over at a piece. */
struct turn {
	uint32_t piece;
	uint32_t position;
	bool is_on;
};

static int turn_compare(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	return x->piece < y->piece ? -1 : x->piece > y->piece;
}

static uint32_t piece_of(const uint32_t *from, uint32_t count, uint32_t value)
{
	uint32_t low = 0, high = count;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (from[middle] <= value)
			low = middle;
		else
			high = middle;
	}
	return low;
}

struct wide {
	struct rules_build *build;
	enum rules_dimension dimension;
	struct cuts cuts;
	uint32_t from[65536];
	uint32_t pieces;
	uint32_t words_most;
	struct turn *turns;
	uint32_t turn_count;
	uint16_t row_of[65536];
};

static uint32_t wide_spans(const struct wide *wide)
{
	uint32_t spans = 0;
	for (uint32_t i = 0; i < wide->build->bits.count; i++)
		spans += wide->build->plan->rules[i].keys[RULES_KEY_WIDE(wide->dimension)].count;
	return spans;
}

static void wide_turn(struct wide *wide)
{
	uint32_t key = RULES_KEY_WIDE(wide->dimension), count = 0;
	for (uint32_t i = 0; i < wide->build->bits.count; i++) {
		const struct rules_values *values = &wide->build->plan->rules[i].keys[key];
		uint32_t position = wide->build->bits.position[i];
		for (uint32_t j = 0; j < values->count; j++) {
			uint32_t first = piece_of(wide->from, wide->pieces, values->at[j].from),
				 last = piece_of(wide->from, wide->pieces, values->at[j].to);
			wide->turns[count++] = (struct turn){ first, position, true };
			wide->turns[count++] = (struct turn){ last + 1, position, false };
		}
	}
	wide->turn_count = count;
	qsort(wide->turns, count, sizeof(*wide->turns), turn_compare);
}

/* Within a piece, off comes before on: spans of one rule never share a piece. */
static void words_turn(struct wide *wide, uint32_t piece, uint32_t *at, __u64 *words)
{
	uint32_t end = *at;
	while (end < wide->turn_count && wide->turns[end].piece == piece)
		end++;
	for (int is_on = 0; is_on < 2; is_on++)
		for (uint32_t i = *at; i < end; i++) {
			const struct turn *turn = &wide->turns[i];
			if (turn->is_on != is_on)
				continue;
			if (is_on)
				rules_bit_set(words, turn->position);
			else
				rules_bit_clear(words, turn->position);
		}
	*at = end;
}

/* Row 0 is of packets that lack the value: rules that do not ask. -E2BIG past the bound. */
static int wide_rows(struct wide *wide, struct rules_rows *rows)
{
	__u64 words[RULES_WORDS_MAX];
	uint32_t at = 0, row = 0;
	memcpy(words, wide->build->base[wide->dimension], sizeof(words));
	int r = rules_rows_get(rows, words, &row);
	for (uint32_t piece = 0; r == 0 && piece < wide->pieces; piece++) {
		uint32_t to = piece + 1 < wide->pieces ? wide->from[piece + 1] : wide->cuts.values;
		words_turn(wide, piece, &at, words);
		r = rules_rows_get(rows, words, &row);
		if (r == 0 && (rows->pool_count > wide->words_most || row > UINT16_MAX))
			return -E2BIG;
		for (uint32_t value = wide->from[piece]; value < to; value++)
			wide->row_of[value] = (uint16_t)row;
	}
	return r;
}

static int wide_try(struct wide *wide, uint32_t step)
{
	struct rules_build *build = wide->build;
	struct rules_rows rows;
	rules_rows_init(&rows, build->root->wild[wide->dimension], build->bits.words);
	wide->pieces = cuts_list(&wide->cuts, step, wide->from);
	wide_turn(wide);
	int r = wide_rows(wide, &rows);
	if (r == 0)
		r = rules_build_table(build, wide->dimension, wide->row_of, wide->cuts.values,
				      &rows);
	rules_rows_done(&rows);
	return r;
}

static int wide_refuse(const struct wide *wide)
{
	return weir_diag_error(wide->build->compile->diag,
			       "use single ranges instead of lists of them, or fewer rules",
			       "the lists of values that rules give as `%s` take too much memory",
			       rules_key_name(RULES_KEY_WIDE(wide->dimension)));
}

int rules_build_wide(struct rules_build *build, enum rules_dimension dimension)
{
	_cleanup_free_ struct wide *wide = calloc(1, sizeof(*wide));
	rules_build_ask(build, dimension, asks_wide, &dimension);
	if (!(build->root->used & 1u << dimension))
		return 0;
	if (!wide)
		return -ENOMEM;
	wide->build = build;
	wide->dimension = dimension;
	wide->words_most = WORDS_MAX;
	wide->cuts.values = wide_values(dimension);
	for (uint32_t i = 0; i < build->bits.count; i++)
		cuts_mark(&wide->cuts, &build->plan->rules[i].keys[RULES_KEY_WIDE(dimension)]);
	_cleanup_free_ struct turn *turns = calloc(2 * wide_spans(wide) + 1, sizeof(*turns));
	wide->turns = turns;
	int r = turns ? wide_try(wide, 1) : -ENOMEM;
	for (uint32_t step = 2; r == -E2BIG && step <= 65536; step *= 2) {
		build->checked |= 1u << RULES_KEY_WIDE(dimension);
		if (step == 65536)
			wide->words_most = WORDS_LAST;
		r = wide_try(wide, step);
	}
	return r == -E2BIG ? wide_refuse(wide) : r;
}
