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
	free(rows->at);
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

/* Who counts less than before began anew in between, or lost what ended. */
static void rates_find(const struct top_way *way, struct top_row *row, const struct top_row *before,
		       const struct top_step *step)
{
	double seconds = (double)step->ns / WEIR_NS_PER_S;

	for (int i = 0; i < TOP_COUNTERS; i++) {
		uint64_t from = before ? before->counters[i] : 0;
		bool is_less = row->counters[i] < from;

		if (!has_counter(way, row, i))
			continue;
		row->is_inexact = row->is_inexact || is_less || (way->can_lose && step->lost_some);
		if (is_less)
			from = way->can_lose ? row->counters[i] : 0;
		row->rates[i] = (double)(row->counters[i] - from) / seconds;
	}
}

static double first_rate(const struct top_way *way, const struct top_row *row)
{
	for (const struct top_column *column = way->columns; column->title; column++)
		if (column->kind == TOP_RATE || column->kind == TOP_RATE_SIZE)
			return top_row_number(row, column);
	return NAN;
}

static void row_step(const struct top_way *way, struct top_row *row, const struct top_rows *before,
		     const struct top_step *step)
{
	const struct top_row *same =
		before->count ? bsearch(row, before->at, before->count, sizeof(*row), key_compare) :
				NULL;

	if (same)
		row->history = same->history;
	if (step->ns && (same || (way->begins_at_0 && before->is_whole)))
		rates_find(way, row, same, step);
	top_history_add(&row->history, first_rate(way, row));
}

int top_rows_read(const struct top_way *way, const struct weir_json *answer,
		  struct top_rows *before, const struct top_step *step, struct top_rows *ret_rows)
{
	const struct weir_json *list = weir_json_get(answer, way->rows);
	size_t most = weir_json_size(list);
	struct top_rows rows = { .at = calloc(most + 1, sizeof(*rows.at)) };

	if (!rows.at)
		return -ENOMEM;
	if (before->count)
		qsort(before->at, before->count, sizeof(*before->at), key_compare);
	for (size_t i = 0; i < most; i++) {
		const struct weir_json *json = weir_json_at(list, i);

		if (!is_shown(way, json))
			continue;
		if (row_make(way, json, &rows.at[rows.count])) {
			top_rows_done(&rows);
			return -ENOMEM;
		}
		row_step(way, &rows.at[rows.count++], before, step);
	}
	rows.is_whole = !way->total || weir_view_uint(answer, way->total) <= most;
	*ret_rows = rows;
	return 0;
}
