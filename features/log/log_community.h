/* SPDX-License-Identifier: Apache-2.0 */
/* Community ID: one text for one flow in every tool that watches it. */
#ifndef WEIR_LOG_COMMUNITY_H
#define WEIR_LOG_COMMUNITY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/packet.h"

#define LOG_COMMUNITY_TEXT 31 /* "1:", 28 letters and the NUL */

struct log_flow {
	struct weir_addr src, dst;
	uint16_t sport, dport; /* host byte order */
	bool has_ports;
	uint8_t proto;
};

/* Version 1, seed 0 (github.com/corelight/community-id-spec); the same for both directions. Not for
 * ICMP, whose types an event does not tell. */
void log_community_id(const struct log_flow *flow, char text[LOG_COMMUNITY_TEXT]);

#endif
