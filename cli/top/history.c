/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/history.h"

#include <math.h>

#define STEPS 8

static const char *const blocks[STEPS + 1] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const plain[STEPS + 1] = { " ", ".", ",", ":", "-", "=", "+", "*", "#" };

void top_history_add(struct top_history *history, double value)
{
	history->at[history->count++ % TOP_HISTORY_MOST] = (float)value;
}

/* `back` values before the newest; NAN: none is kept from then. */
static double value_of(const struct top_history *history, unsigned back)
{
	if (back >= history->count || back >= TOP_HISTORY_MOST)
		return NAN;
	return (double)history->at[(history->count - 1 - back) % TOP_HISTORY_MOST];
}

static int step_of(double value, double most)
{
	if (isnan(value) || value <= 0)
		return 0;

	double steps = value * STEPS / most;
	int whole = (int)steps;

	return whole + (steps > whole);
}

void top_spark(const struct top_history *history, unsigned columns, bool is_utf8,
	       struct weir_buf *out)
{
	double most = 0;

	for (unsigned back = 0; back < columns; back++)
		if (value_of(history, back) > most) /* NAN is not */
			most = value_of(history, back);
	while (columns-- > 0)
		weir_buf_add_str(out, (is_utf8 ? blocks :
						 plain)[step_of(value_of(history, columns), most)]);
}
