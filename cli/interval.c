/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interval.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define LEAST_NS (50 * WEIR_NS_PER_MS)
#define MOST_S (24 * 3600)
#define DIGITS_MOST 5 /* of a number of seconds within the bounds */

bool weir_interval_read(const struct weir_command *command, struct weir_terminal *terminal,
			uint64_t *ns)
{
	const char *text = weir_command_str(command, "interval");
	size_t digits = text ? strspn(text, "0123456789") : 0;
	uint64_t said = *ns;

	if (digits && !text[digits] && digits <= DIGITS_MOST)
		said = strtoull(text, NULL, 10) * WEIR_NS_PER_S;
	else if (text && weir_duration_from_string(text, &said) < 0)
		said = 0;
	if (said < LEAST_NS || said > MOST_S * WEIR_NS_PER_S) {
		weir_terminal_problem(terminal, "write 5 for seconds, or 500ms, 1m",
				      "--interval: 50ms is the least, 24h the most");
		return false;
	}
	*ns = said;
	return true;
}

bool weir_interval_refuses_csv(const struct weir_command *command, struct weir_terminal *terminal)
{
	if (!weir_command_flag(command, "csv"))
		return false;
	weir_terminal_problem(terminal, "--json has a line each time",
			      "--csv: what is printed again and again is no table");
	return true;
}

void weir_interval_wait(uint64_t ns)
{
	poll(NULL, 0, (int)(ns / WEIR_NS_PER_MS));
}
