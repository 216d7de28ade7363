/* SPDX-License-Identifier: Apache-2.0 */
/* Which TCP options this host offers, from where the kernel has it, so that a client sees the same
 * whoever answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "features/synproxy/synproxy_state.h"

#define SETTING_BYTES_MAX 256
#define RECEIVE_BYTES_DEFAULT 6291456
#define SCALED_BYTES (65535u << 14) /* the most that can be said with a scale */

/* The last of the numbers in it; `fallback` where it cannot be read. */
static unsigned long setting(const char *path, unsigned long fallback)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (weir_file_read(path, SETTING_BYTES_MAX, &text))
		return fallback;
	const char *at = weir_buf_str(&text);
	unsigned long value = fallback;

	while (at && *at) {
		char *end;
		unsigned long number = strtoul(at, &end, 10);

		if (end == at)
			break;
		value = number;
		at = end;
	}
	return value;
}

/* As tcp_select_initial_window() of the kernel: as many bits as the largest receive buffer has more
 * than a window without. */
static uint8_t scale_of(unsigned long receive_bytes)
{
	uint8_t scale = 0;

	if (receive_bytes > SCALED_BYTES)
		receive_bytes = SCALED_BYTES;
	while (receive_bytes >> (scale + 16) && scale < 14)
		scale++;
	return scale;
}

void synproxy_offer(const struct synproxy_section *section,
		    struct weir_cookie_constants *ret_constants)
{
	unsigned long tcp = setting("/proc/sys/net/ipv4/tcp_rmem", RECEIVE_BYTES_DEFAULT);
	unsigned long all = setting("/proc/sys/net/core/rmem_max", 0);
	bool has_scale = setting("/proc/sys/net/ipv4/tcp_window_scaling", 1);

	*ret_constants = (struct weir_cookie_constants){
		.enabled = 1,
		.scale = has_scale ? scale_of(tcp > all ? tcp : all) : WEIR_COOKIE_NO_SCALE,
		.sack = setting("/proc/sys/net/ipv4/tcp_sack", 1) != 0,
		.time = setting("/proc/sys/net/ipv4/tcp_timestamps", 1) != 0,
		.mss4 = (uint16_t)section->mss,
		.mss6 = (uint16_t)(section->mss - 20),
	};
}
