/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets as the data path has them, compiled natively, with a clock of the test's own; and a model
 * beside them that counts in whole numbers and rounds nothing. A test includes it once. */
#ifndef WEIR_TESTS_UNIT_LIMIT_MODEL_H
#define WEIR_TESTS_UNIT_LIMIT_MODEL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "bpf/lib/limit_bucket.h"
#include "features/limit/limit_state.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

/* A small random number generator (xorshift64*), so that a run can be repeated. */
static uint64_t dice;

static uint64_t roll(void)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return dice * 0x2545f4914f6cdd1dULL >> 32; /* its low bits are not by chance enough */
}

/* --- the model: time in 1/count of a ns, so that a packet costs a whole number ------------ */

struct model {
	__extension__ unsigned __int128 paid_up_to;
	uint64_t count, period_ns, burst;
};

static bool model_passes(struct model *model, uint64_t now_ns, uint64_t amount)
{
	__extension__ unsigned __int128 now = (unsigned __int128)now_ns * model->count;
	__extension__ unsigned __int128 from = model->paid_up_to > now ? model->paid_up_to : now;
	__extension__ unsigned __int128 to = from + (unsigned __int128)amount * model->period_ns;

	if (to - now > (unsigned __int128)model->burst * model->period_ns)
		return false;
	model->paid_up_to = to;
	return true;
}

/* --- the data path's ---------------------------------------------------------------------- */

struct table {
	struct limit_line *lines;
	uint32_t count;
	struct limit_row row;
};

static struct limit_row row_of(const struct limit_text *text)
{
	struct limit_text whole = *text;
	struct limit_meaning meaning;

	whole.name = (char *)"x";
	whole.per = (char *)"source";
	assert_int_equal(limit_read(&whole, "", NULL, &meaning), 0);
	return meaning.row;
}

static struct table table_new(uint32_t lines, const struct limit_text *text)
{
	struct table table = { aligned_alloc(64, lines * sizeof(struct limit_line)), lines,
			       row_of(text) };

	assert_non_null(table.lines);
	memset(table.lines, 0, lines * sizeof(struct limit_line));
	dice = 88172645463325252ULL;
	return table;
}

/* As limit_hold() does, of a packet of `bytes` of source `source`. */
static enum limit_answer packet(struct table *table, uint64_t now_ns, uint64_t source,
				uint64_t bytes)
{
	const struct limit_row *row = &table->row;
	struct limit_ask ask = { .now = limit_time(now_ns), .room = row->room };
	enum limit_answer answer = LIMIT_RACED;

	bytes = bytes < row->most ? bytes : row->most;
	ask.cost = row->flags & LIMIT_COUNTS_BYTES ? row->per * bytes : row->per;
	ask.step = limit_step(ask.cost, ask.cost & LIMIT_PRINT_MASK ? (uint32_t)roll() : 0);
	limit_place(&ask, limit_mix(limit_mix(0x5eed, source), 1), table->count);
	struct limit_line *a = &table->lines[ask.line[0]], *b = &table->lines[ask.line[1]];

	for (int i = 0; i < LIMIT_TRIES && answer == LIMIT_RACED; i++) {
		ask.is_last = i == LIMIT_TRIES - 1;
		answer = limit_try(a, b, &ask);
	}
	if (answer == LIMIT_CROWDED && roll() % LIMIT_REPLACE_ONE_IN == 0)
		limit_replace(a, b, &ask);
	return answer;
}

#endif
