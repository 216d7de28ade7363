/* SPDX-License-Identifier: Apache-2.0 */
/* Ports as people write them. */
#include "base/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Moves *text past it. */
static int port_read(const char **text, uint32_t *ret_port)
{
	uint32_t port = 0;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	for (; **text >= '0' && **text <= '9'; ++*text)
		port = port > UINT16_MAX ? port : port * 10 + (uint32_t)(**text - '0');
	*ret_port = port;
	return 0;
}

int weir_ports_from_string(const char *text, uint32_t *ret_ports)
{
	uint32_t first, last;

	if (strcmp(text, "all") == 0) {
		*ret_ports = WEIR_PORTS_ALL;
		return 0;
	}
	int r = port_read(&text, &first);

	last = first;
	if (!r && *text == '-') {
		text++;
		r = port_read(&text, &last);
	}
	if (r || *text)
		return -EINVAL;
	if (first < 1 || last > UINT16_MAX || last < first)
		return -ERANGE;
	*ret_ports = weir_ports_of((uint16_t)first, (uint16_t)last);
	return 0;
}

const char *weir_ports_to_string(uint32_t ports, char text[WEIR_PORTS_TEXT])
{
	if (ports == WEIR_PORTS_ALL)
		snprintf(text, WEIR_PORTS_TEXT, "all");
	else if (weir_ports_are_wide(ports))
		snprintf(text, WEIR_PORTS_TEXT, "%u-%u", weir_ports_first(ports),
			 weir_ports_last(ports));
	else
		snprintf(text, WEIR_PORTS_TEXT, "%u", weir_ports_first(ports));
	return text;
}
