/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array of flows, and where they are read from. */
#include "cli/flows.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"

#define FILE_BYTES_MAX (256u << 20)

void weir_flows_done(struct weir_flows *flows)
{
	free(flows->at);
	*flows = (struct weir_flows){ 0 };
}

int weir_flows_add(struct weir_flows *flows, const struct weir_flow *flow)
{
	if (flows->count == flows->room) {
		size_t room = flows->room ? 2 * flows->room : 64;
		struct weir_flow *at = reallocarray(flows->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		flows->at = at;
		flows->room = room;
	}
	flows->at[flows->count++] = *flow;
	return 0;
}

/* A host without IPv6 has no tcp6, and connection tracking has no file where nobody uses it. */
static int read_one(const char *path, uint8_t proto, struct weir_flows *flows)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);

	if (r < 0)
		return r == -ENOENT || !proto ? 0 : r;
	return proto ? weir_sockets_parse(weir_buf_str(&text), proto, flows) :
		       weir_conntrack_parse(weir_buf_str(&text), flows);
}

int weir_flows_read(struct weir_flows *flows)
{
	static const struct {
		const char *path;
		uint8_t proto;
	} files[] = {
		{ "/proc/net/tcp", IPPROTO_TCP }, { "/proc/net/tcp6", IPPROTO_TCP },
		{ "/proc/net/udp", IPPROTO_UDP }, { "/proc/net/udp6", IPPROTO_UDP },
		{ "/proc/net/nf_conntrack", 0 },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(files) && r == 0; i++)
		r = read_one(files[i].path, files[i].proto, flows);
	return r;
}
