/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of this host, as the kernel has them. */
#ifndef WEIR_CORE_ADDRESSES_H
#define WEIR_CORE_ADDRESSES_H

#include "base/addr.h"

struct weir_host_address {
	uint32_t ifindex;
	/* The address itself, and how many of its 128 bits all of its network have. */
	struct weir_addr addr;
	uint8_t length;
	/* Nobody else is known, or may still turn out, to have it (RFC 4862, 5.4). */
	bool is_proven;
	/* Neither made to be changed soon (RFC 8981) nor about to go (RFC 4862, 5.5.4). */
	bool is_lasting;
};

typedef void weir_address_fn(void *arg, const struct weir_host_address *address);

/* Calls each for every one in this network namespace. Blocks for the kernel's answer only. As
 * weir_netlink_ask(). */
int weir_addresses_each(weir_address_fn *each, void *arg);
/* Whether addr has the first `length` bits of network; both of one family. */
bool weir_addr_is_in(const struct weir_addr *addr, const struct weir_addr *network, uint8_t length);

#endif
