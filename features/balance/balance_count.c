/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of backends from start to end: attached, compiled for, live, once a second. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/balance/balance_state.h"

/* A row costs some cache lines a CPU: all of them every second would be felt. */
#define PLACES_QUICK 8192
#define SLOW_READ_NS (5 * WEIR_NS_PER_S)
#define TALLY_WORDS (sizeof(struct balance_tally) / sizeof(__u64))

void balance_counts_done(struct balance_counts *counts)
{
	free(counts->dir);
	free(counts->sums);
	balance_book_done(&counts->tallies);
	balance_book_done(&counts->latencies);
	balance_plan_done(&counts->live);
	balance_plan_done(&counts->next);
	balance_rows_done(&counts->resting);
}

int balance_counts_attach(struct balance_counts *counts, struct weir_object *object)
{
	const struct weir_map *tallies = weir_object_map(object, "ctr_backend"),
			      *latencies = weir_object_map(object, "ctr_handshake");
	int cpus = weir_map_cpus();

	if (!tallies || !latencies || cpus < 0)
		return cpus < 0 ? cpus : -ENOENT;
	counts->is_attached = true;
	counts->tallies.words = TALLY_WORDS;
	counts->tallies.each = 1 + (uint32_t)cpus;
	counts->latencies.words = sizeof(struct balance_latency) / sizeof(__u64);
	counts->latencies.each = 1;
	int r = balance_book_open(&counts->tallies, tallies);

	return r ? r : balance_book_open(&counts->latencies, latencies);
}

static void row_own(struct balance_counts *counts, uint32_t row, uint64_t identity)
{
	balance_book_own(&counts->tallies, row, identity);
	balance_book_own(&counts->latencies, row, identity);
}

/* Before the policy is live: what another has counted in a row is gone by then. */
static void new_rows_own(struct balance_counts *counts)
{
	const struct balance_rows *before = &counts->live.rows, *now = &counts->next.rows;
	uint32_t at = 0;

	for (uint32_t i = 0; i < now->count; i++) {
		while (at < before->count && before->at[at].identity < now->at[i].identity)
			at++;
		if (at == before->count || before->at[at].identity != now->at[i].identity)
			row_own(counts, now->at[i].row, now->at[i].identity);
	}
}

void balance_counts_next(struct balance_counts *counts, struct balance_plan *plan)
{
	balance_plan_done(&counts->next);
	counts->next = *plan;
	*plan = (struct balance_plan){ 0 };
	counts->has_next = true;
	counts->is_saved = false;
	new_rows_own(counts);
}

void balance_counts_save(struct balance_counts *counts)
{
	bool is_new =
		counts->has_next && !balance_rows_equal(&counts->live.rows, &counts->next.rows);

	counts->is_saved = is_new && balance_rows_save(counts->dir, &counts->next.rows) == 0;
}

/* What was read of those that stay. */
static struct balance_sums *sums_keep(const struct balance_counts *counts)
{
	struct balance_sums *sums = calloc(counts->next.count + 1ul, sizeof(*sums));

	for (uint32_t i = 0; sums && counts->sums && i < counts->next.count; i++) {
		const struct balance_place *place = &counts->next.at[i],
					   *was = balance_plan_row(&counts->live, place->row);

		if (was && was->identity == place->identity)
			sums[i] = counts->sums[was - counts->live.at];
	}
	return sums;
}

static void rows_own(struct balance_counts *counts)
{
	for (uint32_t i = 0; i < counts->live.count; i++)
		row_own(counts, counts->live.at[i].row, counts->live.at[i].identity);
}

/* Of a daemon before: whoever asks ahead of the first tick is not told that there was nothing. */
static void sums_begin(struct balance_counts *counts)
{
	for (uint32_t i = 0; counts->sums && i < counts->live.count; i++)
		counts->sums[i].total = balance_counts_of(counts, &counts->live.at[i]);
}

static void gone_rows_disown(struct balance_counts *counts)
{
	const struct balance_rows *before = &counts->live.rows;

	for (uint32_t i = 0; i < before->count; i++) {
		if (balance_rows_find(&counts->next.rows, before->at[i].identity))
			continue;
		balance_book_disown(&counts->tallies, before->at[i].row);
		balance_book_disown(&counts->latencies, before->at[i].row);
	}
}

/* The same backends in the same order, as behind most edits. */
static bool places_are_same(const struct balance_plan *a, const struct balance_plan *b)
{
	bool is_same = a->count == b->count;

	for (uint32_t i = 0; is_same && i < a->count; i++)
		is_same = a->at[i].identity == b->at[i].identity && a->at[i].row == b->at[i].row &&
			  a->at[i].number == b->at[i].number;
	return is_same;
}

int balance_counts_live(struct balance_counts *counts, uint64_t now_ns)
{
	if (!counts->has_next)
		return 0;
	bool is_same = counts->sums && places_are_same(&counts->live, &counts->next);
	bool is_new = !is_same && !balance_rows_equal(&counts->live.rows, &counts->next.rows);

	if (!is_same) {
		struct balance_sums *sums = sums_keep(counts);

		gone_rows_disown(counts);
		balance_rows_rest(&counts->resting, &counts->live.rows, &counts->next.rows, now_ns);
		free(counts->sums);
		counts->sums = sums;
	}
	balance_plan_done(&counts->live);
	counts->live = counts->next;
	counts->next = (struct balance_plan){ 0 };
	counts->has_next = false;
	if (!is_same || counts->is_attached)
		rows_own(counts);
	counts->is_attached = false;
	if (!counts->read_ns)
		sums_begin(counts);
	return is_new && !counts->is_saved ? balance_rows_save(counts->dir, &counts->live.rows) : 0;
}

struct balance_tally balance_counts_of(const struct balance_counts *counts,
				       const struct balance_place *place)
{
	struct balance_tally tally = { 0 };

	balance_book_sum(&counts->tallies, place->row, (__u64 *)&tally);
	tally.spare = 0;
	return tally;
}

void balance_latency_add(struct balance_latency *to, const struct balance_latency *from)
{
	for (unsigned i = 0; i < BALANCE_LATENCIES; i++)
		to->counts[i] += from->counts[i];
	to->sum_ns += from->sum_ns;
}

struct balance_latency balance_latency_of(const struct balance_counts *counts,
					  const struct balance_place *place)
{
	struct balance_latency latency = { 0 };

	balance_book_sum(&counts->latencies, place->row, (__u64 *)&latency);
	return latency;
}

void balance_tally_add(struct balance_tally *to, const struct balance_tally *from)
{
	const __u64 *words = (const __u64 *)from;
	__u64 *sums = (__u64 *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*sums); i++)
		sums[i] += words[i];
}

static struct balance_tally tally_since(const struct balance_tally *now,
					const struct balance_tally *before)
{
	const __u64 *a = (const __u64 *)now, *b = (const __u64 *)before;
	struct balance_tally since = { 0 };
	__u64 *to = (__u64 *)&since;

	for (size_t i = 0; i < TALLY_WORDS; i++)
		to[i] = a[i] > b[i] ? a[i] - b[i] : 0;
	return since;
}

void balance_counts_tick(struct balance_counts *counts, uint64_t now_ns)
{
	balance_book_tick(&counts->tallies);
	balance_book_tick(&counts->latencies);
	if (!counts->sums || now_ns < counts->next_read_ns)
		return;
	for (uint32_t i = 0; i < counts->live.count; i++) {
		struct balance_sums *sums = &counts->sums[i];
		struct balance_tally total = balance_counts_of(counts, &counts->live.at[i]);

		sums->last = tally_since(&total, &sums->total);
		sums->total = total;
	}
	counts->span_ns = counts->read_ns ? now_ns - counts->read_ns : 0;
	counts->read_ns = now_ns;
	counts->next_read_ns = counts->live.count > PLACES_QUICK ? now_ns + SLOW_READ_NS : 0;
}
