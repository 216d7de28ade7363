/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer side of evt_ring. */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"

struct weir_events {
	struct ring_buffer *ring;
	weir_event_fn *each;
	void *arg;
};

/* One that a program of before sent: what it knows nothing of is 0. */
static void flow_take(struct weir_events *events, const void *bytes, size_t size)
{
	struct weir_event_flow whole = {};

	memcpy(&whole, bytes, size);
	events->each(events->arg, &whole.event);
}

static int event_take(void *arg, void *bytes, size_t size)
{
	struct weir_events *events = arg;

	const struct weir_event *event = bytes;

	if (size < sizeof(*event) ||
	    (event->kind == WEIR_EVENT_PAYLOAD && size < sizeof(struct weir_event_payload)) ||
	    (event->kind == WEIR_EVENT_FLOW && size < WEIR_EVENT_FLOW_LEAST) ||
	    (event->kind == WEIR_EVENT_FRAGMENT && size < sizeof(struct weir_event_fragment)))
		return 0;
	if (event->kind == WEIR_EVENT_FLOW && size < sizeof(struct weir_event_flow))
		flow_take(events, bytes, size);
	else
		events->each(events->arg, event);
	return 0;
}

int weir_events_new(struct weir_object *object, weir_event_fn *each, void *arg,
		    struct weir_events **ret_events)
{
	struct weir_events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->each = each;
	events->arg = arg;
	events->ring =
		ring_buffer__new(weir_object_map_fd(object, "evt_ring"), event_take, events, NULL);
	if (!events->ring) {
		free(events);
		return -errno;
	}
	*ret_events = events;
	return 0;
}

void weir_events_free(struct weir_events *events)
{
	if (!events)
		return;
	ring_buffer__free(events->ring);
	free(events);
}

int weir_events_fd(const struct weir_events *events)
{
	return ring_buffer__epoll_fd(events->ring);
}

void weir_events_drain(struct weir_events *events)
{
	ring_buffer__consume(events->ring);
}
