/* SPDX-License-Identifier: Apache-2.0 */
/* -m time of iptables. */
#include <string.h>

#include "cli/import_iptables.h"
#include "cli/import_names.h"

static int weekdays_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->has_time = true;
	return iptables_names_read(line, is_not, IMPORT_DAY, IMPORT_NAMES_DAY, values[0]);
}

static int time_read(struct iptables_line *line, const char *text, uint32_t *second)
{
	line->has_time = true;
	if (!import_second_read(text, second))
		return import_cannot(line->import, "'%s' is no time of day", text);
	return 0;
}

static int start_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return time_read(line, values[0], &line->start_s);
}

static int stop_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return time_read(line, values[0], &line->stop_s);
}

/* iptables-save 1.8 writes the end of its calendar where there was none. */
static int datestop_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return strcmp(values[0], "2038-01-19T03:14:07") == 0 ?
		       0 :
		       import_cannot(line->import, "a schedule here has no dates");
}

static int zone_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->has_kernel_zone = true;
	return 0;
}

const struct iptables_option iptables_times[] = {
	{ "--timestart", NULL, 1, start_read, true },
	{ "--timestop", NULL, 1, stop_read, true },
	{ "--weekdays", NULL, 1, weekdays_read },
	{ "--datestop", NULL, 1, datestop_read, true },
	{ "--kerneltz", NULL, 0, zone_read, true },
	{ 0 },
};

/* Both ends of -m time belong to it; a start behind the stop goes round midnight. */
int iptables_time_add(struct iptables_line *line)
{
	struct import *import = line->import;
	struct import_arena *arena = &import->arena;
	struct import_spans spans;

	if (!line->has_time)
		return 0;
	if (line->start_s <= line->stop_s)
		spans = import_spans_one(arena, line->start_s, line->stop_s);
	else
		spans = import_spans_union(arena, import_spans_one(arena, 0, line->stop_s),
					   import_spans_one(arena, line->start_s,
							    IPTABLES_LAST_SECOND));
	import_note(
		import, line->rule->where, line->rule->text,
		line->has_kernel_zone ?
			"iptables takes time and day by the kernel's clock, Weir by local time" :
			"iptables takes time and day in UTC, Weir in local time");
	int result = import_hours_align(import, line->rule, &spans);
	return result < 0 ? result :
			    import_match_number(import, &line->match, IMPORT_SECOND, spans);
}
