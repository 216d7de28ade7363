/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net/tcp and its like: "sl local:port remote:port state …", addresses as 32-bit words of
 * network order printed as numbers of this machine, ports as numbers.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/flows.h"

#define STATE_ESTABLISHED 1 /* TCP_ESTABLISHED; a UDP socket that is connected has it too */
#define STATE_WAITS 7	    /* TCP_CLOSE: a UDP socket that is not */
#define STATE_LISTEN 10	    /* TCP_LISTEN */

static bool addr_read(const char *hex, struct weir_addr *ret_addr)
{
	size_t len = strlen(hex), words = len / 8;
	unsigned char bytes[16] = { [10] = 0xff, [11] = 0xff };

	if (len != 8 && len != 32)
		return false;
	for (size_t i = 0; i < words; i++) {
		char word[9] = "";

		memcpy(word, hex + 8 * i, 8);
		uint32_t number = (uint32_t)strtoul(word, NULL, 16);
		memcpy(bytes + (words == 1 ? 12 : 4 * i), &number, sizeof(number));
	}
	memcpy(ret_addr, bytes, sizeof(bytes));
	return true;
}

static bool kind_of(uint8_t proto, unsigned state, enum weir_flow_kind *ret_kind)
{
	unsigned waits = proto == IPPROTO_TCP ? STATE_LISTEN : STATE_WAITS;

	*ret_kind = state == waits ? WEIR_FLOW_PORT : WEIR_FLOW_PEER;
	return state == waits || state == STATE_ESTABLISHED;
}

static bool line_read(const char *line, uint8_t proto, struct weir_flow *ret_flow)
{
	char local[33], remote[33];
	unsigned local_port, remote_port, state;
	unsigned long long inode;
	struct weir_flow flow = { .proto = proto };

	if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x %*s %*s %*s %*u %*u %llu",
		   local, &local_port, remote, &remote_port, &state, &inode) != 6 ||
	    local_port > UINT16_MAX || remote_port > UINT16_MAX || !addr_read(local, &flow.dst) ||
	    !addr_read(remote, &flow.src) || !kind_of(proto, state, &flow.kind))
		return false;
	flow.dport = (uint16_t)local_port;
	flow.sport = (uint16_t)remote_port;
	flow.inode = inode;
	*ret_flow = flow;
	return true;
}

int weir_sockets_parse(const char *text, uint8_t proto, struct weir_flows *flows)
{
	int r = 0;

	for (const char *line = text; line && *line && r == 0;) {
		const char *end = strchr(line, '\n');
		struct weir_flow flow;

		if (line_read(line, proto, &flow))
			r = weir_flows_add(flows, &flow);
		line = end ? end + 1 : NULL;
	}
	return r;
}
