/* SPDX-License-Identifier: Apache-2.0 */
/* Times of day. */
#include <string.h>

#include "cli/import_source.h"

#define MINUTE_S 60

static bool two_digits_read(const char *text, uint32_t *ret_number)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return false;
	*ret_number = (uint32_t)(text[0] - '0') * 10 + (uint32_t)(text[1] - '0');
	return true;
}

/* "08:00" or "08:00:30" */
bool import_second_read(const char *text, uint32_t *ret_second)
{
	uint32_t hour, minute, second = 0;
	size_t len = strlen(text);

	if ((len != 5 && len != 8) || text[2] != ':' || !two_digits_read(text, &hour) ||
	    !two_digits_read(text + 3, &minute))
		return false;
	if (len == 8 && (text[5] != ':' || !two_digits_read(text + 6, &second)))
		return false;
	*ret_second = (hour * 60 + minute) * MINUTE_S + second;
	return hour < 24 && minute < 60 && second < 60;
}

int import_hours_align(struct import *import, const struct import_rule *rule,
		       struct import_spans *spans)
{
	struct import_span *runs = import_alloc(&import->arena, spans->count, sizeof(*runs));
	bool is_rounded = false;

	for (size_t i = 0; runs && i < spans->count; i++) {
		uint32_t before = spans->at[i].from % MINUTE_S,
			 behind = (spans->at[i].to + 1) % MINUTE_S;
		runs[i] = (struct import_span){ spans->at[i].from - before,
						spans->at[i].to - behind };
		if (before > 1 || behind > 1 || runs[i].from > spans->at[i].to - behind ||
		    spans->at[i].to < behind)
			return import_cannot(import, "a schedule is in whole minutes");
		is_rounded |= before || behind;
	}
	if (is_rounded)
		import_note(import, rule->where, rule->text,
			    "the second with which its range ends is not part of the schedule");
	*spans = (struct import_spans){ .at = runs, .count = runs ? spans->count : 0 };
	return 0;
}
