/* SPDX-License-Identifier: Apache-2.0 */
/* The last happenings as JSON, for `weir events` and whoever connects late. */
#ifndef WEIR_CORE_EVENT_LOG_H
#define WEIR_CORE_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_event_log;

struct weir_event_log *weir_event_log_new(uint32_t keep);
void weir_event_log_free(struct weir_event_log *log);
/* Copies. When it is full the oldest goes; when memory is short this one is not kept. */
void weir_event_log_add(struct weir_event_log *log, const char *kind, const char *json, size_t len);
/* Whether `kind` is one of `kinds`, "drop,change"; NULL and "" want all. */
bool weir_event_is_wanted(const char *kinds, const char *kind);
/* The newest `limit` of these kinds, oldest first. */
void weir_event_log_each(const struct weir_event_log *log, const char *kinds, size_t limit,
			 void (*each)(void *arg, const char *kind, const char *json), void *arg);

#endif
