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

/* Two numbers, whatever they are. */
static int range_read(const char *text, uint32_t *ret_first, uint32_t *ret_last)
{
	int r = port_read(&text, ret_first);

	*ret_last = *ret_first;
	if (!r && *text == '-') {
		text++;
		r = port_read(&text, ret_last);
	}
	return r || *text ? -EINVAL : 0;
}

static bool is_port(uint32_t number)
{
	return number >= 1 && number <= UINT16_MAX;
}

const char *weir_ports_fault(const char *text)
{
	uint32_t first = 0, last = 0;

	if (range_read(text, &first, &last))
		return "is neither a port nor a range of ports";
	return is_port(first) && is_port(last) ? "ends before it begins" :
						 "is not within 1 to 65535";
}

int weir_ports_from_string(const char *text, uint32_t *ret_ports)
{
	uint32_t first = 0, last = 0;

	if (strcmp(text, "all") == 0) {
		*ret_ports = WEIR_PORTS_ALL;
		return 0;
	}
	if (range_read(text, &first, &last))
		return -EINVAL;
	if (!is_port(first) || !is_port(last) || last < first)
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
