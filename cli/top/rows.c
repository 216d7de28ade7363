/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/view.h"

#define PATH_BYTES 64
#define LACKING_MOST 4 /* looks: then it counts from what it has */

const struct weir_json *top_member(const struct weir_json *object, const char *path)
{
	const char *dot = strchr(path, '.');
	char first[PATH_BYTES];

	if (!dot || (size_t)(dot - path) >= sizeof(first))
		return weir_json_get(object, path);
	memcpy(first, path, (size_t)(dot - path));
	first[dot - path] = '\0';
	return top_member(weir_json_get(object, first), dot + 1);
}

void top_rows_done(struct top_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->at[i].key);
	for (size_t i = 0; i < rows->lost_count; i++)
		free(rows->lost[i].key);
	free(rows->at);
	free(rows->lost);
	*rows = (struct top_rows){ 0 };
}

static int key_compare(const void *one, const void *other)
{
	return strcmp(((const struct top_row *)one)->key, ((const struct top_row *)other)->key);
}

static void key_make(const struct top_way *way, const struct weir_json *json, struct weir_buf *key)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(way->keys) && way->keys[i]; i++) {
		const struct weir_json *member = weir_json_get(json, way->keys[i]);

		if (member)
			weir_json_add(member, key);
		weir_buf_add_char(key, ' ');
	}
}

static bool is_shown(const struct top_way *way, const struct weir_json *json)
{
	return !way->drops_only || (strcmp(weir_view_str(json, "verdict"), "drop") == 0 &&
				    weir_view_uint(json, "packets"));
}

static int row_make(const struct top_way *way, const struct weir_json *json,
		    struct top_row *ret_row)
{
	struct weir_buf key = { 0 };
	struct top_row row = { .json = json };

	key_make(way, json, &key);
	row.key = weir_buf_take(&key);
	if (!row.key)
		return -ENOMEM;
	for (int i = 0; i < TOP_COUNTERS; i++) {
		const struct weir_json *member =
			way->counters[i] ? top_member(json, way->counters[i]) : NULL;

		row.rates[i] = NAN;
		if (member)
			row.counters[i] = (uint64_t)weir_json_int(member, 0);
	}
	*ret_row = row;
	return 0;
}

/* Members that are not there count nothing, and have no rate. */
static bool has_counter(const struct top_way *way, const struct top_row *row, int i)
{
	return way->counters[i] && top_member(row->json, way->counters[i]);
}

static void rates_since(const struct top_way *way, struct top_row *row, const uint64_t *from,
			uint64_t ns)
{
	for (int i = 0; i < TOP_COUNTERS && ns; i++)
		if (has_counter(way, row, i))
			row->rates[i] = (double)(row->counters[i] - (from ? from[i] : 0)) *
					WEIR_NS_PER_S / (double)ns;
}

static bool counts_less(const struct top_way *way, const struct top_row *row,
			const struct top_row *before)
{
	for (int i = 0; i < TOP_COUNTERS; i++)
		if (has_counter(way, row, i) && row->counters[i] < before->base[i])
			return true;
	return false;
}

/* Of fixed memory: a group that had lost its place counts from when it has one again. */
static bool has_same_place(const struct top_row *row, const struct top_row *before)
{
	return weir_view_uint(row->json, "missed_at_most") == before->missed;
}

/*
 * Who counts less than before began anew, and that is no rate. Unless all that ended is counted,
 * too: then a flow has just ended, and is in its group again at the next look, which tells its rate
 * from the last that had it.
 */
static void row_go_on(const struct top_way *way, struct top_row *row, const struct top_row *before,
		      const struct top_step *step)
{
	if (!counts_less(way, row, before)) {
		rates_since(way, row, before->base, step->at_ns - before->base_ns);
		row->is_inexact = step->lost_some || before->lacking;
	} else if (step->has_ended && has_same_place(row, before) &&
		   before->lacking < LACKING_MOST) {
		memcpy(row->base, before->base, sizeof(row->base));
		row->base_ns = before->base_ns;
		row->lacking = before->lacking + 1;
	}
}

static double first_rate(const struct top_way *way, const struct top_row *row)
{
	for (const struct top_column *column = way->columns; column->title; column++)
		if (column->kind == TOP_RATE || column->kind == TOP_RATE_SIZE)
			return top_row_number(row, column);
	return NAN;
}

static struct top_row *row_before(struct top_rows *before, const struct top_row *row)
{
	struct top_row *same =
		before->count ? bsearch(row, before->at, before->count, sizeof(*row), key_compare) :
				NULL;

	for (size_t i = 0; i < before->lost_count && !same; i++)
		if (before->lost[i].key && strcmp(before->lost[i].key, row->key) == 0)
			same = &before->lost[i];
	return same;
}

/* Whether all that it counts came since the look before. */
static bool is_new(const struct top_way *way, const struct top_row *row,
		   const struct top_rows *before)
{
	const struct weir_json *born = way->birth ? top_member(row->json, way->birth) : NULL;

	if (!way->begins_at_0)
		return false;
	if (!way->birth)
		return before->is_whole;
	return born && before->as_of_ns && (uint64_t)weir_json_int(born, 0) >= before->as_of_ns;
}

static void row_step(const struct top_way *way, struct top_row *row, struct top_rows *before,
		     const struct top_step *step)
{
	struct top_row *same = row_before(before, row);

	if (same)
		row->history = same->history;
	memcpy(row->base, row->counters, sizeof(row->base));
	row->base_ns = step->at_ns;
	row->missed = weir_view_uint(row->json, "missed_at_most");
	if (step->before_ns && !step->is_unsteady) {
		if (same) {
			row_go_on(way, row, same, step);
		} else if (is_new(way, row, before)) {
			rates_since(way, row, NULL, step->at_ns - step->before_ns);
			row->is_inexact = step->lost_some;
		}
	}
	if (same)
		same->is_met = true;
	top_history_add(&row->history, first_rate(way, row));
}

static void lost_take(struct top_rows *rows, struct top_row *from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (from[i].is_met || from[i].lacking >= LACKING_MOST)
			continue;
		struct top_row *lost = &rows->lost[rows->lost_count++];

		*lost = from[i];
		lost->key = weir_take(from[i].key);
		lost->json = NULL;
		lost->lacking++;
	}
}

/* Groups that have what ended do not go: one that is not there is lacking, or too small for now. */
static int lost_keep(struct top_rows *rows, struct top_rows *before)
{
	rows->lost = calloc(before->count + before->lost_count + 1, sizeof(*rows->lost));
	if (!rows->lost)
		return -ENOMEM;
	lost_take(rows, before->at, before->count);
	lost_take(rows, before->lost, before->lost_count);
	return 0;
}

int top_rows_read(const struct top_way *way, const struct weir_json *answer,
		  struct top_rows *before, const struct top_step *step, struct top_rows *ret_rows)
{
	const struct weir_json *list = weir_json_get(answer, way->rows);
	size_t most = weir_json_size(list);
	struct top_rows rows = { .at = calloc(most + 1, sizeof(*rows.at)) };
	int r = rows.at ? 0 : -ENOMEM;

	if (before->count)
		qsort(before->at, before->count, sizeof(*before->at), key_compare);
	for (size_t i = 0; i < most && !r; i++) {
		const struct weir_json *json = weir_json_at(list, i);

		if (!is_shown(way, json))
			continue;
		r = row_make(way, json, &rows.at[rows.count]);
		if (!r)
			row_step(way, &rows.at[rows.count++], before, step);
	}
	if (!r && step->has_ended && step->before_ns)
		r = lost_keep(&rows, before);
	if (r) {
		top_rows_done(&rows);
		return r;
	}
	rows.is_whole = !way->total || weir_view_uint(answer, way->total) <= most;
	rows.as_of_ns = weir_view_uint(answer, "as_of_ns");
	*ret_rows = rows;
	return 0;
}
