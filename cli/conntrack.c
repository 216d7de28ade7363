/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net/nf_conntrack: "ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… …",
 * the second tuple being that of the answers. Both arrive here, on one interface or another.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cli/flows.h"

/* The value behind `key` ("src=") at or after `from`, before the end of the line. */
static const char *value_find(const char *from, const char *key)
{
	const char *end = from + strcspn(from, "\n");
	const char *found = strstr(from, key);

	/* " sport=" has no "src=" in it, but "dst=" must not be found in another word either. */
	while (found && found < end && (found == from || found[-1] != ' '))
		found = strstr(found + 1, key);
	return found && found < end ? found + strlen(key) : NULL;
}

/* One tuple from `from` on; returns where it ends, or NULL. */
static const char *tuple_read(const char *from, struct weir_flow *flow)
{
	const char *src = value_find(from, "src="), *dst = value_find(from, "dst=");
	const char *sport = value_find(from, "sport="), *dport = value_find(from, "dport=");

	if (!src || !dst || !sport || !dport ||
	    weir_addr_from_string(src, strcspn(src, " \n"), &flow->src) < 0 ||
	    weir_addr_from_string(dst, strcspn(dst, " \n"), &flow->dst) < 0)
		return NULL;
	flow->sport = (uint16_t)strtoul(sport, NULL, 10);
	flow->dport = (uint16_t)strtoul(dport, NULL, 10);
	return dport;
}

static bool is_live(const char *line, uint8_t proto)
{
	const char *state = strstr(line, " ESTABLISHED ");

	return proto == IPPROTO_UDP ||
	       (proto == IPPROTO_TCP && state && state < line + strcspn(line, "\n"));
}

static int line_add(const char *line, struct weir_flows *flows)
{
	struct weir_flow flow = { .kind = WEIR_FLOW_FORWARDED };
	const char *name = line + strcspn(line, " ");
	const char *at = line;
	int r = 0;

	/* "ipv4     2 tcp      6 …" */
	name += strspn(name, " 0123456789");
	flow.proto = (uint8_t)strtoul(name + strcspn(name, " \n"), NULL, 10);
	if (!is_live(line, flow.proto))
		return 0;
	for (int i = 0; i < 2 && r == 0; i++) {
		at = tuple_read(at, &flow);
		if (!at)
			return 0;
		r = weir_flows_add(flows, &flow);
	}
	return r;
}

int weir_conntrack_parse(const char *text, struct weir_flows *flows)
{
	int r = 0;

	for (const char *line = text; line && *line && r == 0;) {
		const char *end = strchr(line, '\n');

		r = line_add(line, flows);
		line = end ? end + 1 : NULL;
	}
	return r;
}
