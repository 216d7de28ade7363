/* SPDX-License-Identifier: Apache-2.0 */
#include "api/series_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"

#define OWN 48 /* of the API itself, and of this: codes of answers and the like */
#define LATER_SHARES 16
#define ROOM_FIRST 1024
#define MISSING_MOST 2048 /* of those that went last */

struct weir_series *weir_series_new(const char *path)
{
	struct weir_series *series = calloc(1, sizeof(*series));

	if (!series)
		return NULL;
	series->room = ROOM_FIRST;
	series->entries = calloc(ROOM_FIRST, sizeof(*series->entries));
	series->path = path ? strdup(path) : NULL;
	if (!series->entries || (path && !series->path)) {
		weir_series_free(series);
		return NULL;
	}
	weir_series_load(series);
	return series;
}

static void families_forget(struct weir_series *series)
{
	while (series->family_count)
		free(series->families[--series->family_count].name);
}

void weir_series_free(struct weir_series *series)
{
	if (!series)
		return;
	families_forget(series);
	free(series->entries);
	free(series->families);
	free(series->devices);
	free(series->path);
	free(series);
}

/* A histogram is one, whatever its rows: its labels up to that of the bucket. */
uint64_t weir_series_key(const struct weir_sample *sample)
{
	const char *labels = sample->labels ? sample->labels : "", *end = NULL;

	if (sample->kind == WEIR_SAMPLE_BUCKET)
		end = strncmp(labels, "le=\"", 4) == 0 ? labels : strstr(labels, ",le=\"");
	uint64_t key = weir_hash_bytes(labels, end ? (size_t)(end - labels) : strlen(labels),
				       weir_hash_bytes(sample->name, strlen(sample->name), 1));

	return key ? key : 1;
}

struct weir_series_entry *weir_series_entry_find(struct weir_series_entry *entries, size_t room,
						 uint64_t key)
{
	size_t i = key & (room - 1);

	while (entries[i].key && entries[i].key != key)
		i = (i + 1) & (room - 1);
	return &entries[i];
}

int weir_series_entries_move(struct weir_series *series, size_t room, enum weir_series_kept kept)
{
	struct weir_series_entry *moved = calloc(room, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	series->count = 0;
	for (size_t i = 0; i < series->room; i++) {
		const struct weir_series_entry *entry = &series->entries[i];

		if (!entry->key || (kept == WEIR_SERIES_LIVING && entry->is_over))
			continue;
		*weir_series_entry_find(moved, room, entry->key) = *entry;
		series->count++;
	}
	free(series->entries);
	series->entries = moved;
	series->room = room;
	return 0;
}

int weir_series_family_add(struct weir_series *series, const char *name)
{
	struct weir_series_family *grown =
		reallocarray(series->families, series->family_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	series->families = grown;
	grown[series->family_count] =
		(struct weir_series_family){ .name = strdup(name), .is_new = true };
	return grown[series->family_count].name ? (int)series->family_count++ : -ENOMEM;
}

static int family_find(struct weir_series *series, const char *name)
{
	for (size_t i = 0; i < series->family_count; i++)
		if (strcmp(series->families[i].name, name) == 0)
			return (int)i;
	return weir_series_family_add(series, name);
}

static void entry_renew(struct weir_series *series, struct weir_series_entry *entry)
{
	entry->is_seen = entry->is_over = false;
	if (!entry->key)
		return;
	struct weir_series_family *family = &series->families[entry->family];

	family->missed += entry->value - entry->before; /* 0 of what is shown */
	if (entry->is_shown)
		family->shown += entry->rows;
}

/* With `shown` rows of its own. One is kept: for the rest, or for the first. */
static unsigned family_rows(const struct weir_series_family *family, unsigned shown)
{
	return shown + (family->has_labels || !shown);
}

static unsigned family_share(const struct weir_series *series, unsigned rows)
{
	return series->most / (rows > 1 ? WEIR_SERIES_HISTOGRAM_SHARES : WEIR_SERIES_SHARES);
}

/* Rows of one histogram follow each other. */
static unsigned histogram_rows(const struct weir_snapshot *snapshot)
{
	unsigned rows = 0, most = 0;

	for (size_t i = 0; i < snapshot->sample_count; i++) {
		const struct weir_sample *sample = &snapshot->samples[i];

		if (sample->kind < WEIR_SAMPLE_BUCKET)
			rows = 0;
		else if (i && weir_series_key(sample) == weir_series_key(sample - 1))
			rows++;
		else
			rows = 1;
		most = rows > most ? rows : most;
	}
	return most;
}

void weir_series_forget(struct weir_series *series)
{
	memset(series->entries, 0, series->room * sizeof(*series->entries));
	series->count = 0;
	families_forget(series);
}

static void families_begin(struct weir_series *series)
{
	for (size_t i = 0; i < series->family_count; i++) {
		struct weir_series_family *family = &series->families[i];

		family->rest = family->missed = family->shown = family->there = 0;
		family->is_new = false;
	}
}

static bool is_counter(const struct weir_sample *sample)
{
	return sample->kind == WEIR_SAMPLE_COUNTER || sample->kind == WEIR_SAMPLE_FOREIGN;
}

/* Samples of a family follow each other. */
static int families_count(struct weir_series *series, const struct weir_snapshot *snapshot)
{
	int at = -1;

	for (size_t i = 0; i < snapshot->sample_count; i++) {
		const struct weir_sample *sample = &snapshot->samples[i];
		const struct weir_sample *last = i ? sample - 1 : sample;
		bool is_first = !i || strcmp(sample->name, last->name) != 0;
		bool is_histogram = sample->kind >= WEIR_SAMPLE_BUCKET;

		if (is_first && (at = family_find(series, sample->name)) < 0)
			return at;
		struct weir_series_family *family = &series->families[at];

		family->rows = is_histogram ? series->histogram_rows : 1;
		family->has_labels = is_counter(sample) && sample->labels;
		family->there += is_first || !is_histogram ||
				 weir_series_key(sample) != weir_series_key(last);
	}
	return 0;
}

static unsigned rows_at(const struct weir_series *series, unsigned level)
{
	unsigned rows = OWN;

	for (size_t i = 0; i < series->family_count; i++) {
		const struct weir_series_family *family = &series->families[i];
		unsigned most = family->there < level ? family->there : level;
		unsigned share =
			family->there ? family_share(series, family->rows) / family->rows : 0;

		rows += family_rows(family, (most < share ? most : share) * family->rows);
	}
	return rows;
}

/* Where not all have room: taken as they come, by their names, those at the front would have all
 * and those behind nothing. What comes later finds a part that was left. */
static unsigned level_of(const struct weir_series *series)
{
	unsigned level = 1, most = series->most - series->most / LATER_SHARES;

	if (rows_at(series, series->most) <= series->most)
		return series->most;
	while (rows_at(series, level + 1) <= most)
		level++;
	return level;
}

static unsigned rows_taken(const struct weir_series *series)
{
	unsigned taken = OWN;

	for (size_t i = 0; i < series->family_count; i++)
		taken += family_rows(&series->families[i], series->families[i].shown);
	return taken;
}

/* Room is made for all that may be new, so that asking cannot fail. */
int weir_series_begin(struct weir_series *series, const struct weir_snapshot *snapshot,
		      unsigned most)
{
	size_t room = series->room;

	if (series->most != most) /* it is chosen anew who is shown */
		weir_series_forget(series);
	while (room < 2 * (series->count + snapshot->sample_count))
		room *= 2;
	if (room != series->room && weir_series_entries_move(series, room, WEIR_SERIES_ALL))
		return -ENOMEM;
	if (weir_series_rename(series, snapshot))
		return -ENOMEM;
	families_begin(series);
	series->most = most;
	series->histogram_rows = histogram_rows(snapshot);
	if (families_count(series, snapshot))
		return -ENOMEM;
	series->left_out = 0;
	for (size_t i = 0; i < series->room; i++)
		entry_renew(series, &series->entries[i]);
	series->taken = rows_taken(series);
	series->level = level_of(series);
	return 0;
}

static bool has_room(const struct weir_series *series, const struct weir_series_family *family,
		     unsigned rows)
{
	unsigned shown = family->shown + rows;
	unsigned taken = series->taken - family_rows(family, family->shown);

	return taken + family_rows(family, shown) <= series->most &&
	       shown <= family_share(series, rows) && shown <= series->level * rows;
}

/* What a feature itself calls the others is a part of them: there is one such series. */
static bool is_of_others(const struct weir_sample *sample)
{
	_cleanup_buf_ struct weir_buf other = { 0 };

	if (!is_counter(sample) || !sample->labels)
		return false;
	weir_series_labels_other(sample->labels, &other);
	return strcmp(weir_buf_str(&other), sample->labels) == 0;
}

static void entry_make(struct weir_series *series, const struct weir_sample *sample, uint64_t key,
		       struct weir_series_entry *entry)
{
	struct weir_series_family *family = &series->families[series->at];
	unsigned rows = sample->kind >= WEIR_SAMPLE_BUCKET ? series->histogram_rows : 1;

	*entry = (struct weir_series_entry){ .key = key,
					     .family = (uint32_t)series->at,
					     .rows = rows,
					     .is_shown = !is_of_others(sample) &&
							 has_room(series, family, rows) };
	/* What it counted before it is met is no growth of a sum that others have read. */
	if (!entry->is_shown && sample->kind == WEIR_SAMPLE_FOREIGN && !family->is_new)
		entry->value = entry->before = sample->value;
	series->count++;
	series->is_changed = true;
	if (!entry->is_shown)
		return;
	series->taken +=
		family_rows(family, family->shown + rows) - family_rows(family, family->shown);
	family->shown += rows;
}

/* What a counter had before it fell stays in the sum. It began anew: a device that was made once
 * more, a counter that came to its end. A feature's sum of others falls when one of them goes, or
 * is told by itself from now on: the others are in it as before. */
static double gone_of(const struct weir_series_entry *entry, const struct weir_sample *sample)
{
	return is_of_others(sample) ? entry->value - sample->value : entry->value - entry->before;
}

bool weir_series_shows(struct weir_series *series, const struct weir_sample *sample)
{
	uint64_t key = weir_series_key(sample);
	struct weir_series_entry *entry =
		weir_series_entry_find(series->entries, series->room, key);

	series->at = (size_t)family_find(series, sample->name);
	if (!entry->key)
		entry_make(series, sample, key, entry);
	if (!entry->is_shown && !entry->is_seen && !is_of_others(sample))
		series->left_out++;
	entry->is_seen = true;
	entry->missing = 0;
	if (entry->is_shown || !is_counter(sample))
		return entry->is_shown;
	struct weir_series_family *family = &series->families[series->at];

	family->missed -= entry->value - entry->before;
	if (sample->value < entry->value) {
		family->gone += gone_of(entry, sample);
		entry->before = 0;
	}
	family->rest += sample->value - entry->before;
	family->has_rest = true;
	series->is_changed |= sample->value > entry->value || sample->value < entry->value;
	entry->value = sample->value;
	return false;
}

struct weir_series_rest weir_series_rest(const struct weir_series *series)
{
	const struct weir_series_family *family = &series->families[series->at];

	return (struct weir_series_rest){ family->name,
					  family->rest + family->gone + family->missed,
					  family->has_rest };
}

/* Whoever comes back with what it had is in the sum already, and would be counted twice: an
 * interface that was not watched for a while, a device that the kernel did not tell of. */
static bool is_awaited(struct weir_series *series, struct weir_series_entry *entry)
{
	if (entry->is_shown || entry->value <= 0)
		return false;
	if (!entry->missing)
		entry->missing = ++series->went;
	return series->went - entry->missing < MISSING_MOST;
}

/* What ended among the rest stays in its sum, which would go back else. Without memory what is gone
 * is still known, and is told of at the next writing. */
void weir_series_end(struct weir_series *series)
{
	bool has_gone = false;

	for (size_t i = 0; i < series->room; i++) {
		struct weir_series_entry *entry = &series->entries[i];

		if (!entry->key || entry->is_seen || is_awaited(series, entry))
			continue;
		entry->is_over = has_gone = true;
		series->families[entry->family].gone += entry->value - entry->before;
		entry->value = entry->before = 0;
	}
	series->is_changed |= has_gone;
	if (has_gone)
		weir_series_entries_move(series, series->room, WEIR_SERIES_LIVING);
}

unsigned weir_series_left_out(const struct weir_series *series)
{
	return series->left_out;
}

void weir_series_labels_other(const char *labels, struct weir_buf *text)
{
	bool is_value = false;

	for (const char *c = labels; *c; c++) {
		if (*c == '"' && !is_value)
			weir_buf_add_str(text, "\"" WEIR_SERIES_OTHER "\"");
		if (*c == '"')
			is_value = !is_value;
		else if (!is_value)
			weir_buf_add_char(text, *c);
		else if (*c == '\\' && c[1])
			c++;
	}
}
