/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which series are shown, and what the sums of others had, from one run to the next: a file of the
 * run's directory, which has the lifetime of the counters. It is replaced whole, so a kill leaves
 * the one or the other; it is in memory, or else what the kernel writes when it likes: nothing here
 * waits for a disk.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/series_private.h"
#include "base/cleanup.h"
#include "base/file.h"

#define FILE_KIND 0x7765697273000002ull /* the last byte: of its layout, and of the labels */
#define FILE_BYTES_MAX (16u << 20)
#define NAME_BYTES 64

struct head {
	uint64_t kind;
	uint32_t most, family_count;
	uint32_t entry_count, device_count;
};

struct kept_family {
	char name[NAME_BYTES];
	double gone;
	uint64_t has_rest;
};

struct kept_entry {
	uint64_t key;
	double value, before;
	uint32_t family;
	uint32_t rows; /* shown; 0: it is in the sum */
};

static bool is_amount(double value)
{
	return isfinite(value) && value >= 0;
}

static bool families_take(struct weir_series *series, const struct kept_family *kept, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!memchr(kept[i].name, '\0', NAME_BYTES) || !is_amount(kept[i].gone) ||
		    weir_series_family_add(series, kept[i].name) < 0)
			return false;
		series->families[i].gone = kept[i].gone;
		series->families[i].has_rest = kept[i].has_rest;
	}
	return true;
}

static bool entries_take(struct weir_series *series, const struct kept_entry *kept, size_t count)
{
	size_t room = series->room;

	while (room < 2 * count)
		room *= 2;
	struct weir_series_entry *entries = calloc(room, sizeof(*entries));

	if (!entries)
		return false;
	free(series->entries);
	series->entries = entries;
	series->room = room;
	for (size_t i = 0; i < count; i++) {
		struct weir_series_entry *entry =
			weir_series_entry_find(entries, room, kept[i].key);

		if (!kept[i].key || entry->key || kept[i].family >= series->family_count ||
		    kept[i].rows > series->most || !is_amount(kept[i].before) ||
		    !is_amount(kept[i].value - kept[i].before))
			return false;
		*entry = (struct weir_series_entry){ .key = kept[i].key,
						     .value = kept[i].value,
						     .before = kept[i].before,
						     .family = kept[i].family,
						     .rows = kept[i].rows ? kept[i].rows : 1,
						     .is_shown = kept[i].rows != 0 };
		series->count++;
	}
	return true;
}

static bool devices_take(struct weir_series *series, const struct weir_series_device *kept,
			 size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!memchr(kept[i].name, '\0', sizeof(kept[i].name)))
			return false;
	series->devices = calloc(count + 1, sizeof(*kept));
	if (!series->devices)
		return false;
	if (count)
		memcpy(series->devices, kept, count * sizeof(*kept));
	series->device_count = count;
	return true;
}

static bool kept_take(struct weir_series *series, const struct weir_buf *file)
{
	struct head head;

	if (file->len < sizeof(head))
		return false;
	memcpy(&head, file->data, sizeof(head));
	if (head.kind != FILE_KIND ||
	    file->len != sizeof(head) + head.family_count * sizeof(struct kept_family) +
				 head.entry_count * sizeof(struct kept_entry) +
				 head.device_count * sizeof(struct weir_series_device))
		return false;
	const struct kept_family *families = (const void *)(file->data + sizeof(head));
	const struct kept_entry *entries = (const void *)(families + head.family_count);

	series->most = head.most;
	return families_take(series, families, head.family_count) &&
	       entries_take(series, entries, head.entry_count) &&
	       devices_take(series, (const void *)(entries + head.entry_count), head.device_count);
}

/* One that is damaged, or of another version, is as none. */
void weir_series_load(struct weir_series *series)
{
	_cleanup_buf_ struct weir_buf file = { 0 };

	if (!series->path || weir_file_read(series->path, FILE_BYTES_MAX, &file))
		return;
	if (!kept_take(series, &file))
		weir_series_forget(series);
}

static void families_put(const struct weir_series *series, struct weir_buf *file)
{
	for (size_t i = 0; i < series->family_count; i++) {
		const struct weir_series_family *family = &series->families[i];
		struct kept_family kept = { .gone = family->gone, .has_rest = family->has_rest };

		snprintf(kept.name, sizeof(kept.name), "%s", family->name);
		weir_buf_add(file, &kept, sizeof(kept));
	}
}

static void entries_put(const struct weir_series *series, struct weir_buf *file)
{
	for (size_t i = 0; i < series->room; i++) {
		const struct weir_series_entry *entry = &series->entries[i];
		const struct kept_entry kept = { entry->key, entry->value, entry->before,
						 entry->family, entry->is_shown ? entry->rows : 0 };

		if (entry->key)
			weir_buf_add(file, &kept, sizeof(kept));
	}
}

int weir_series_keep(struct weir_series *series)
{
	_cleanup_buf_ struct weir_buf file = { 0 };
	const struct head head = { FILE_KIND, series->most, (uint32_t)series->family_count,
				   (uint32_t)series->count, (uint32_t)series->device_count };

	if (!series->path || !series->is_changed)
		return 0;
	weir_buf_add(&file, &head, sizeof(head));
	families_put(series, &file);
	entries_put(series, &file);
	weir_buf_add(&file, series->devices, series->device_count * sizeof(*series->devices));
	if (file.failed)
		return -ENOMEM;
	int r = weir_file_put(series->path, file.data, file.len);

	series->is_changed = r != 0;
	return r;
}
