/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of the last events. */
#include "event_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct kept {
	char kind[16];
	char *json;
};

struct weir_event_log {
	uint32_t keep;
	uint64_t seen;
	struct kept kept[];
};

struct weir_event_log *weir_event_log_new(uint32_t keep)
{
	struct weir_event_log *log = calloc(1, sizeof(*log) + keep * sizeof(log->kept[0]));

	if (log)
		log->keep = keep;
	return log;
}

void weir_event_log_free(struct weir_event_log *log)
{
	if (!log)
		return;
	for (uint32_t i = 0; i < log->keep; i++)
		free(log->kept[i].json);
	free(log);
}

void weir_event_log_add(struct weir_event_log *log, const char *kind, const char *json, size_t len)
{
	if (!log->keep)
		return;
	struct kept *kept = &log->kept[log->seen % log->keep];
	char *copy = strndup(json, len);

	if (!copy)
		return;
	free(kept->json);
	kept->json = copy;
	strncpy(kept->kind, kind, sizeof(kept->kind) - 1);
	log->seen++;
}

static const struct kept *kept_at(const struct weir_event_log *log, uint64_t number)
{
	return &log->kept[number % log->keep];
}

bool weir_event_is_wanted(const char *kinds, const char *kind)
{
	size_t len = strlen(kind);

	for (const char *at = kinds ? kinds : ""; *at;) {
		size_t n = strcspn(at, ",");

		if (n == len && memcmp(at, kind, len) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return !kinds || !kinds[0];
}

void weir_event_log_each(const struct weir_event_log *log, const char *kinds, size_t limit,
			 void (*each)(void *arg, const char *kind, const char *json), void *arg)
{
	uint64_t first = log->seen > log->keep ? log->seen - log->keep : 0, from = log->seen;

	for (size_t found = 0; from > first && found < limit; from--)
		found += weir_event_is_wanted(kinds, kept_at(log, from - 1)->kind);
	for (; from < log->seen; from++)
		if (weir_event_is_wanted(kinds, kept_at(log, from)->kind))
			each(arg, kept_at(log, from)->kind, kept_at(log, from)->json);
}
