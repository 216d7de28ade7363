/* SPDX-License-Identifier: Apache-2.0 */
/* Drains the ring, once, for everybody. Who wants past events asks event_log.h. */
#ifndef WEIR_CORE_EVENTS_H
#define WEIR_CORE_EVENTS_H

#include "object.h"
#include "../abi/event.h"

struct weir_events;

typedef void weir_event_fn(void *arg, const struct weir_event *event);

int weir_events_new(struct weir_object *object, weir_event_fn *each, void *arg,
		    struct weir_events **ret_events);
void weir_events_free(struct weir_events *events);
/* Readable when a lot is pending; else weir_events_drain() is to be called every now and then: the
 * data path wakes nobody for one event. */
int weir_events_fd(const struct weir_events *events);
void weir_events_drain(struct weir_events *events);

#endif
