/* SPDX-License-Identifier: Apache-2.0 */
/* Making and sharing snapshots. What is read from the kernel is read here, once a tick. */
#include "snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "snapshot_make.h"

struct weir_snapshot *weir_snapshot_ref(struct weir_snapshot *snapshot)
{
	if (snapshot)
		snapshot->references++;
	return snapshot;
}

void weir_snapshot_unref(struct weir_snapshot *snapshot)
{
	if (!snapshot || --snapshot->references)
		return;
	for (size_t i = 0; i < snapshot->sample_count; i++)
		free(snapshot->samples[i].labels);
	free(snapshot->samples);
	free(snapshot->interfaces);
	free(snapshot);
}

static int samples_grow(struct weir_snapshot *snapshot)
{
	size_t count = snapshot->sample_count;

	if (count & (count - 1) || (count && count < 64))
		return 0;
	struct weir_sample *samples =
		realloc(snapshot->samples, (count ? count * 2 : 64) * sizeof(*samples));

	if (!samples)
		return -ENOMEM;
	snapshot->samples = samples;
	return 0;
}

int weir_snapshot_add(struct weir_snapshot *snapshot, enum weir_sample_kind kind, const char *name,
		      const char *help, double value, const char *labels, ...)
{
	struct weir_sample sample = { .name = name,
				      .help = help,
				      .kind = kind,
				      .value = value,
				      .order = snapshot->sample_count };
	va_list args;
	int r = samples_grow(snapshot);

	if (r)
		return r;
	va_start(args, labels);
	if (labels && vasprintf(&sample.labels, labels, args) < 0)
		r = -ENOMEM;
	va_end(args);
	if (r)
		return r;
	snapshot->samples[snapshot->sample_count++] = sample;
	return 0;
}

static int interface_read(struct weir_map *map, struct weir_interface_view *view)
{
	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++) {
		int r = weir_map_sum(map, WEIR_REASON_ROW(view->slot, direction, 0),
				     WEIR_REASON_COUNT, 2, (uint64_t *)view->counts[direction]);

		if (r)
			return r;
	}
	return 0;
}

static int interface_sample(struct weir_snapshot *snapshot, const struct weir_interface_view *view,
			    int direction, int reason)
{
	const struct weir_count *count = &view->counts[direction][reason];
	const char *ends = weir_reason_is_drop(reason) ? "drop" : "pass";
	const char *way = direction == WEIR_INGRESS ? "ingress" : "egress";
	char name[WEIR_LABEL_BYTES(sizeof(view->name))];

	if (!count->packets) /* what has not come by is no series */
		return 0;
	weir_label_escape(view->name, name, sizeof(name));
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "packets_total",
				  "Packets by how they ended", (double)count->packets,
				  "interface=\"%s\",direction=\"%s\",verdict=\"%s\",reason=\"%s\"",
				  name, way, ends, weir_reason_name(reason));

	return r ? r :
		   weir_snapshot_add(
			   snapshot, WEIR_SAMPLE_COUNTER, "bytes_total",
			   "Bytes by how their packet ended", (double)count->bytes,
			   "interface=\"%s\",direction=\"%s\",verdict=\"%s\",reason=\"%s\"", name,
			   way, ends, weir_reason_name(reason));
}

static int interfaces_sample(struct weir_snapshot *snapshot)
{
	int r = 0;

	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct weir_interface_view *view = &snapshot->interfaces[i];

		for (int direction = 0; view->slot && direction < WEIR_DIRECTIONS && !r;
		     direction++) {
			if (direction == WEIR_EGRESS && strcmp(view->egress, "off") == 0)
				continue;
			for (int reason = 1; reason < WEIR_REASON_COUNT && !r; reason++)
				r = interface_sample(snapshot, view, direction, reason);
		}
	}
	return r;
}

static int events_read(struct weir_snapshot *snapshot, struct weir_map *map)
{
	struct weir_event_count sums[WEIR_EVENT_KIND_COUNT];
	uint64_t lost = 0;
	int r = weir_map_sum(map, 0, WEIR_EVENT_KIND_COUNT, sizeof(sums[0]) / sizeof(uint64_t),
			     (uint64_t *)sums);

	for (int kind = 0; kind < WEIR_EVENT_KIND_COUNT && !r; kind++) {
		const char *name = weir_event_kind_name(kind);

		snapshot->events[kind].sent = sums[kind].sent;
		snapshot->events[kind].capped = sums[kind].capped;
		snapshot->events[kind].lost = sums[kind].lost;
		lost += sums[kind].lost;
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "events_total",
				      "Events sent to user space", (double)sums[kind].sent,
				      "kind=\"%s\"", name);
		if (!r)
			r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER,
					      "events_not_sent_total", "Events not sent, by why",
					      (double)sums[kind].capped, "kind=\"%s\",why=\"rate\"",
					      name);
		if (!r)
			r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER,
					      "events_not_sent_total", "Events not sent, by why",
					      (double)sums[kind].lost,
					      "kind=\"%s\",why=\"ring_full\"", name);
	}
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "events_lost_total",
				     "Events not sent because the ring was full, of all kinds",
				     (double)lost, NULL);
}

static int by_name(const void *a, const void *b)
{
	const struct weir_sample *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order)
		return order;
	if (x->kind >= WEIR_SAMPLE_BUCKET)
		return x->order < y->order ? -1 : 1;
	return strcmp(x->labels ? x->labels : "", y->labels ? y->labels : "");
}

static int features_read(struct weir_snapshot *snapshot, void *const *states)
{
	int r = 0;

	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->snapshot && states[i])
			r = weir_features[i]->snapshot(states[i], snapshot);
	return r;
}

int weir_snapshot_make(const struct weir_snapshot_sources *sources,
		       struct weir_snapshot **ret_snapshot)
{
	_cleanup_snapshot_ struct weir_snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return -ENOMEM;
	snapshot->references = 1;
	snapshot->sequence = sources->sequence;
	snapshot->monotonic_ns = weir_clock_monotonic_ns();
	snapshot->real_ns = weir_clock_real_ns();
	snapshot->revision = sources->revision;
	int r = weir_interfaces_view(sources->interfaces, &snapshot->interfaces,
				     &snapshot->interface_count);

	for (size_t i = 0; i < snapshot->interface_count && !r; i++)
		if (snapshot->interfaces[i].slot)
			r = interface_read(weir_object_map(sources->object, "ctr_reason"),
					   &snapshot->interfaces[i]);
	if (!r)
		r = interfaces_sample(snapshot);
	if (!r)
		r = weir_traffic_sample(sources->traffic, snapshot);
	if (!r)
		r = events_read(snapshot, weir_object_map(sources->object, "ctr_event"));
	if (!r)
		r = features_read(snapshot, sources->states);
	if (r)
		return r;
	qsort(snapshot->samples, snapshot->sample_count, sizeof(*snapshot->samples), by_name);
	*ret_snapshot = weir_take(snapshot);
	return 0;
}
