/* SPDX-License-Identifier: Apache-2.0 */
/* An event of the data path as JSON, with names in place of numbers. */
#ifndef WEIR_CORE_EVENT_JSON_H
#define WEIR_CORE_EVENT_JSON_H

#include "../abi/event.h"
#include "../base/buf.h"
#include "snapshot.h"

/* Appends one object. `interface` may be NULL (gone). `states` as weir_engine's: features add what
 * list and entry it was. */
void weir_event_to_json(const struct weir_event *event, const char *interface, void *const *states,
			struct weir_buf *text);

#endif
