/* SPDX-License-Identifier: Apache-2.0 */
/* Which way this host sends packets to an address, as the kernel answers `ip route get`. */
#ifndef WEIR_CORE_ROUTE_H
#define WEIR_CORE_ROUTE_H

#include "base/addr.h"

struct weir_route {
	uint32_t ifindex;
	uint32_t mtu; /* what the route says, or was learnt of the path; 0: that of the link */
	bool is_here; /* the address is this host's own */
	bool has_gateway;
};

/*
 * Blocks for the kernel's answer only. -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL: there is no
 * route, or one that says so (unreachable, prohibit, blackhole); else as weir_netlink_ask().
 */
int weir_route_ask(const struct weir_addr *to, struct weir_route *ret_route);

#endif
