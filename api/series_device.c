/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series of a device go on under its next name: with the count of its whole life, which was told
 * by the name before, another would be begun, or the sum of others would leap.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/series_private.h"
#include "base/buf.h"
#include "base/cleanup.h"

/* One that goes on, and under which key. */
struct moved {
	uint64_t key;
	struct weir_series_entry entry;
};

/* The name it was told by before; NULL: it was not, or has it still. */
static const char *name_before(const struct weir_series *series,
			       const struct weir_interface_view *view)
{
	for (size_t i = 0; i < series->device_count; i++) {
		const struct weir_series_device *device = &series->devices[i];

		if (view->ifindex && device->ifindex == view->ifindex)
			return strcmp(device->name, view->name) ? device->name : NULL;
	}
	return NULL;
}

/* As labels of what is counted by device begin (core/snapshot.h). */
static void labels_begin(const char *name, struct weir_buf *text)
{
	char escaped[WEIR_LABEL_BYTES(WEIR_SERIES_DEVICE_BYTES)];

	weir_buf_addf(text, "interface=\"%s\"", weir_label_escape(name, escaped, sizeof(escaped)));
}

static struct weir_series_entry *entry_of(const struct weir_series *series,
					  const struct weir_sample *sample, const char *begin,
					  const char *rest)
{
	_cleanup_buf_ struct weir_buf labels = { 0 };
	struct weir_sample before = *sample;

	weir_buf_addf(&labels, "%s%s", begin, rest);
	before.labels = labels.data;
	return labels.failed ? NULL :
			       weir_series_entry_find(series->entries, series->room,
						      weir_series_key(&before));
}

static void device_collect(struct weir_series *series, const struct weir_snapshot *snapshot,
			   const char *before, const char *name, struct weir_buf *moves)
{
	_cleanup_buf_ struct weir_buf then = { 0 }, now = { 0 };

	labels_begin(before, &then);
	labels_begin(name, &now);
	moves->failed |= then.failed || now.failed;
	for (size_t i = 0; i < snapshot->sample_count && !moves->failed; i++) {
		const struct weir_sample *sample = &snapshot->samples[i];

		if (!sample->labels || strncmp(sample->labels, now.data, now.len) != 0)
			continue;
		struct weir_series_entry *entry =
			entry_of(series, sample, then.data, sample->labels + now.len);

		if (!entry || !entry->key || entry->is_over)
			continue;
		const struct moved moved = { weir_series_key(sample), *entry };

		weir_buf_add(moves, &moved, sizeof(moved));
		entry->is_over = true;
	}
}

/* One of that name which was told before is another device's, which is gone. */
static void entry_put(struct weir_series *series, const struct moved *moved)
{
	struct weir_series_entry *entry =
		weir_series_entry_find(series->entries, series->room, moved->key);

	if (entry->key)
		series->families[entry->family].gone += entry->value - entry->before;
	else
		series->count++;
	*entry = moved->entry;
	entry->key = moved->key;
}

/* All are taken out before the first is put back: two may have changed names. */
static int entries_rename(struct weir_series *series, const struct weir_snapshot *snapshot)
{
	_cleanup_buf_ struct weir_buf moves = { 0 };

	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct weir_interface_view *view = &snapshot->interfaces[i];
		const char *before = name_before(series, view);

		if (before)
			device_collect(series, snapshot, before, view->name, &moves);
	}
	if (!moves.len && !moves.failed)
		return 0;
	if (moves.failed || weir_series_entries_move(series, series->room, WEIR_SERIES_LIVING))
		return -ENOMEM;
	for (size_t at = 0; at < moves.len; at += sizeof(struct moved)) {
		struct moved moved;

		memcpy(&moved, moves.data + at, sizeof(moved));
		entry_put(series, &moved);
	}
	return 0;
}

static bool is_known(const struct weir_series *series, const struct weir_snapshot *snapshot)
{
	if (series->device_count != snapshot->interface_count)
		return false;
	for (size_t i = 0; i < series->device_count; i++)
		if (series->devices[i].ifindex != snapshot->interfaces[i].ifindex ||
		    strcmp(series->devices[i].name, snapshot->interfaces[i].name) != 0)
			return false;
	return true;
}

int weir_series_rename(struct weir_series *series, const struct weir_snapshot *snapshot)
{
	_Static_assert(sizeof(snapshot->interfaces->name) == WEIR_SERIES_DEVICE_BYTES,
		       "a name fits");
	if (is_known(series, snapshot))
		return 0;
	struct weir_series_device *devices =
		calloc(snapshot->interface_count + 1, sizeof(*devices));

	if (!devices || entries_rename(series, snapshot)) {
		free(devices);
		return -ENOMEM;
	}
	for (size_t i = 0; i < snapshot->interface_count; i++) {
		devices[i].ifindex = snapshot->interfaces[i].ifindex;
		memcpy(devices[i].name, snapshot->interfaces[i].name, sizeof(devices[i].name));
	}
	free(series->devices);
	series->devices = devices;
	series->device_count = snapshot->interface_count;
	series->is_changed = true;
	return 0;
}
