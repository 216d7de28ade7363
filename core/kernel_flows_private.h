/* SPDX-License-Identifier: Apache-2.0 */
/* The two sources of kernel_flows.h, and the reading of their messages, which is tested alone. */
#ifndef WEIR_CORE_KERNEL_FLOWS_PRIVATE_H
#define WEIR_CORE_KERNEL_FLOWS_PRIVATE_H

#include "core/kernel_flows.h"
#include "core/netlink.h"

/* Before and behind a translation of addresses. */
#define KERNEL_FLOW_VIEWS 2

/* A socket as sock_diag tells of it; ports in network byte order. */
struct kernel_socket {
	struct weir_addr local, remote;
	__be16 local_port, remote_port;
	uint8_t proto;
	uint8_t state; /* TCP_ESTABLISHED and so on, for UDP too */
	bool is_v6_only;
	int8_t local_scale, remote_scale;
};

/* What is known of a telling under way. `ended` is what each ended it with, 0 when it did not: no
 * -errno of the kernel may be taken for it. */
struct kernel_flow_telling {
	weir_kernel_flow_fn *each;
	void *arg;
	int ended;
	bool has_gaps;				       /* a dump was interrupted again and again */
	bool has_no_conntrack, has_no_tcp, has_no_udp; /* the kernel cannot be asked */
};

/* 0, or telling->ended. */
int weir_kernel_flow_tell(struct kernel_flow_telling *telling, const struct weir_kernel_flow *flow);
/* As weir_netlink_ask(), but a dump with gaps is asked for again, and in the end taken as it is. */
int weir_kernel_flows_ask(struct kernel_flow_telling *telling, int protocol,
			  const struct nlmsghdr *request, weir_netlink_fn *each, void *arg);
/* 0, telling->ended or -errno. */
int weir_kernel_flows_of_sockets(struct kernel_flow_telling *telling);

/* The flows of one message of ctnetlink; how many is returned: none for what is no flow of zone 0
 * or cannot be read, two for one whose addresses or ports are translated. */
int weir_kernel_flows_read(const struct nlmsghdr *message,
			   struct weir_kernel_flow ret_flows[KERNEL_FLOW_VIEWS]);
/* False for what is no whole message about a socket. */
bool weir_kernel_socket_read(const struct nlmsghdr *message, uint8_t proto,
			     struct kernel_socket *ret_socket);
/* The flow of a socket that is connected; false for another. */
bool weir_kernel_socket_flow(const struct kernel_socket *socket, bool remote_began,
			     struct weir_kernel_flow *ret_flow);

#endif
