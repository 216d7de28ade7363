/* SPDX-License-Identifier: Apache-2.0 */
/* Live connections and open ports of this host, each as the packet that would arrive for it. */
#ifndef WEIR_CLI_FLOWS_H
#define WEIR_CLI_FLOWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum weir_flow_kind {
	WEIR_FLOW_PEER,	     /* of a socket of this host */
	WEIR_FLOW_FORWARDED, /* through this host */
	WEIR_FLOW_PORT,	     /* a port that waits for anybody; no source yet */
};

struct weir_flow {
	enum weir_flow_kind kind;
	struct weir_addr src, dst; /* of the arriving packet: the peer, and this end */
	uint16_t sport, dport;	   /* host byte order */
	uint8_t proto;		   /* IP protocol number */
	uint64_t inode;		   /* of the socket; 0 = unknown */
	uint32_t ifindex;	   /* where the packet would arrive; 0 = nowhere that is watched */
	uint32_t reason;	   /* enum weir_reason, once judged */
};

/* Zero-initialise. */
struct weir_flows {
	struct weir_flow *at;
	size_t count, room;
};

void weir_flows_done(struct weir_flows *flows);
#define _cleanup_flows_ __attribute__((cleanup(weir_flows_done)))
/* Copies. -ENOMEM. */
int weir_flows_add(struct weir_flows *flows, const struct weir_flow *flow);

/* Appends what /proc/net/tcp, tcp6, udp or udp6 says; lines that are no sockets are passed over.
 * proto: IPPROTO_TCP or IPPROTO_UDP. -ENOMEM. */
int weir_sockets_parse(const char *text, uint8_t proto, struct weir_flows *flows);
/* Appends both directions of the connections in /proc/net/nf_conntrack that are confirmed. */
int weir_conntrack_parse(const char *text, struct weir_flows *flows);
/* Reads them all. What cannot be read has nothing in it, but for the sockets themselves: -errno. */
int weir_flows_read(struct weir_flows *flows);

#endif
