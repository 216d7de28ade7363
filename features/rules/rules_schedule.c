/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules: days and times of a week, as minutes from Monday 0:00. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "features/rules/rules_items.h"

#define DAYS 7
#define DAY_MINUTES 1440
#define WEEK_MINUTES (DAYS * DAY_MINUTES)

_Static_assert(WEEK_MINUTES == RULES_FIELD_VALUES, "a value a minute");

static int day_read(const char **text)
{
	static const char *const names[DAYS] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	for (int i = 0; i < DAYS; i++)
		if (strncasecmp(*text, names[i], 3) == 0) {
			*text += 3;
			return i;
		}
	return -1;
}

/* "mon", "mon-fri", "fri-mon", or nothing, which is every day; false when it is something else. */
static bool days_read(const char **text, int *ret_first, int *ret_count)
{
	*ret_first = 0;
	*ret_count = DAYS;
	if (isdigit((unsigned char)**text))
		return true;
	int first = day_read(text), last = first;
	if (first < 0)
		return false;
	if (**text == '-') {
		(*text)++;
		last = day_read(text);
	}
	*ret_first = first;
	*ret_count = (last - first + DAYS) % DAYS + 1;
	return last >= 0 && (!**text || isspace((unsigned char)**text));
}

/* One or two digits; how many is returned, 0 when there are none. */
static int digits_read(const char *text, int *ret_number)
{
	int len = 0;
	*ret_number = 0;
	while (len < 2 && isdigit((unsigned char)text[len]))
		*ret_number = *ret_number * 10 + text[len++] - '0';
	return len;
}

/* "8:00", "08:00"; minutes have two digits. */
static bool time_read(const char *text, int *ret_minute, int *ret_len)
{
	int hour, minute, len = digits_read(text, &hour);
	if (!len || text[len] != ':' || digits_read(text + len + 1, &minute) != 2 || minute > 59 ||
	    hour * 60 + minute > DAY_MINUTES)
		return false;
	*ret_minute = hour * 60 + minute;
	*ret_len = len + 3;
	return true;
}

/* "08:00-18:00", or nothing: the whole day. The end is not part of it; an end that is not later is
 * of the next day. */
static bool times_read(const char *text, int *ret_from, int *ret_minutes)
{
	int to, len, behind;
	*ret_from = 0;
	*ret_minutes = DAY_MINUTES;
	while (isspace((unsigned char)*text))
		text++;
	if (!*text)
		return true;
	if (!time_read(text, ret_from, &len) || *ret_from == DAY_MINUTES || text[len] != '-' ||
	    !time_read(text + len + 1, &to, &behind) || text[len + 1 + behind])
		return false;
	*ret_minutes = to > *ret_from ? to - *ret_from : to - *ret_from + DAY_MINUTES;
	return true;
}

/* What runs past the end of Sunday goes on at the beginning of Monday. */
static int minutes_add(struct rules_values *values, int from, int minutes)
{
	int to = from + minutes - 1, last = to < WEEK_MINUTES ? to : WEEK_MINUTES - 1;
	int r = rules_values_add(values, (uint32_t)from, (uint32_t)last);
	return r || last == to ? r : rules_values_add(values, 0, (uint32_t)(to - WEEK_MINUTES));
}

const char *rules_minutes_read(const struct rules_kind *kind, const char *item, unsigned families,
			       struct rules_values *values)
{
	int first, count, from, minutes;
	(void)kind, (void)families;
	if (!days_read(&item, &first, &count))
		return "does not begin with a day (mon to sun) or a time";
	if (!times_read(item, &from, &minutes))
		return "is not a time from 00:00 to 24:00, FROM-TO";
	for (int i = 0; i < count; i++)
		if (minutes_add(values, (first + i) % DAYS * DAY_MINUTES + from, minutes))
			return "there is no memory";
	return NULL;
}
