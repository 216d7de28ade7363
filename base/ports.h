/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port, a range of them, or every one, in one number: the first in its lower half, the last in
 * its upper one. Of a single port that is 0, so that the number is the port. Every one begins with
 * 0, by which it is told from 1-65535.
 */
#ifndef WEIR_BASE_PORTS_H
#define WEIR_BASE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#define WEIR_PORTS_ALL 0xffff0000u
#define WEIR_PORTS_TEXT 12 /* bytes that hold any, with the end */

static inline bool weir_ports_are_wide(uint32_t ports)
{
	return ports > UINT16_MAX;
}

/* Of every port: 0. */
static inline uint16_t weir_ports_first(uint32_t ports)
{
	return (uint16_t)ports;
}

static inline uint16_t weir_ports_last(uint32_t ports)
{
	return (uint16_t)(weir_ports_are_wide(ports) ? ports >> 16 : ports);
}

static inline uint32_t weir_ports_of(uint16_t first, uint16_t last)
{
	return first == last ? first : (uint32_t)last << 16 | first;
}

/* "80", "8000-8099", "all". -EINVAL: it is none of these; -ERANGE: no such port, or the last stands
 * before the first. */
int weir_ports_from_string(const char *text, uint32_t *ret_ports);
/* Of a text that is refused: "is not within 1 to 65535"; and what mends it. */
const char *weir_ports_fault(const char *text);
#define WEIR_PORTS_MEND "write a port from 1 to 65535, a range as 8000-8099, or all for every port"
const char *weir_ports_to_string(uint32_t ports, char text[WEIR_PORTS_TEXT]);

#endif
