/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections that the kernel knows already: what connection tracking begins with, so that a
 * policy that refuses new ones cuts nobody off. From nf_conntrack (ctnetlink), which knows what is
 * forwarded, and from the sockets of this host (sock_diag), for hosts that have no nf_conntrack.
 */
#ifndef WEIR_CORE_KERNEL_FLOWS_H
#define WEIR_CORE_KERNEL_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/packet.h"
#include "base/diag.h"

enum weir_kernel_flow_source {
	WEIR_KERNEL_FLOW_CONNTRACK,
	WEIR_KERNEL_FLOW_SOCKET,
};

/* How far a TCP connection or an SCTP association has come. */
enum weir_kernel_flow_stage {
	WEIR_KERNEL_FLOW_UNSTAGED, /* another protocol: `answered` is all there is to know */
	WEIR_KERNEL_FLOW_OPENING,  /* `answered`: the responder's SYN was seen too */
	WEIR_KERNEL_FLOW_ESTABLISHED,
	WEIR_KERNEL_FLOW_INITIATOR_CLOSED, /* its FIN was seen, not the other's */
	WEIR_KERNEL_FLOW_RESPONDER_CLOSED,
	WEIR_KERNEL_FLOW_BOTH_CLOSED, /* both FINs were seen, not both acknowledged */
	WEIR_KERNEL_FLOW_TIME_WAIT,   /* both were */
	WEIR_KERNEL_FLOW_RESET,
};

#define WEIR_KERNEL_FLOW_SCALE_UNKNOWN (-1)

struct weir_kernel_flow {
	struct weir_addr initiator, responder;
	/* ICMP and ICMPv6: the identifier, and the type of the request as a number of network byte
	 * order. 0 for protocols other than these, TCP, UDP, UDP-Lite, SCTP and DCCP. */
	__be16 initiator_port, responder_port;
	uint8_t proto; /* IP protocol number */
	enum weir_kernel_flow_source source;
	enum weir_kernel_flow_stage stage;
	bool answered; /* the responder was heard; a connected UDP socket is taken to have been */
	bool assured;  /* nf_conntrack keeps it when its table is full; sockets: it is answered */
	/* TCP window scales, 0 to 14, of initiator and responder: 0 for both when one did not offer
	 * any. Both known or both unknown; unknown means that windows cannot be checked. */
	int8_t initiator_scale, responder_scale;
	/* SCTP: the verification tags that packets to initiator and responder bear; 0 = unknown. */
	uint32_t initiator_tag, responder_tag;
	uint32_t timeout_s; /* until nf_conntrack forgets it; 0 = unknown */
	uint32_t mark;	    /* of nf_conntrack; 0 = none */
};

/* Not 0 ends the telling, and is what weir_kernel_flows_each() returns. */
typedef int weir_kernel_flow_fn(const struct weir_kernel_flow *flow, void *arg);

/*
 * Calls each for every flow in the network namespace of the calling thread: those of nf_conntrack
 * first (its zone 0), then those of connected TCP and UDP sockets. Blocks; nothing is held in
 * memory but the ports that wait for connections, and the time grows as the number of flows.
 *
 * A flow may be told more than once: by both sources, and again when a dump had to be repeated. A
 * flow whose addresses are translated is told twice, as it is before and behind the translation.
 *
 * The initiator of a socket's flow is the other end when its local port also has a socket that
 * waits (a listening one, for UDP one that is not connected), else this host.
 *
 * nf_conntrack that is not loaded has no flows, and is not loaded by asking: no error, and nothing
 * in diag. diag gets a warning, and 0 is returned, when nf_conntrack is there and cannot be asked
 * (no ctnetlink), when sockets cannot be listed (no sock_diag), and when a dump was interrupted
 * four times, so that it may have left flows out. Else 0, or -errno with an error in diag:
 * -ETIMEDOUT when the kernel stopped answering, -EPERM without CAP_NET_ADMIN, -ENOMEM.
 */
int weir_kernel_flows_each(struct weir_diag *diag, weir_kernel_flow_fn *each, void *arg);

#endif
