/* SPDX-License-Identifier: Apache-2.0 */
/* On which links an address is told of: those where neighbours may ask for it. */
#ifndef WEIR_ANNOUNCE_WHERE_H
#define WEIR_ANNOUNCE_WHERE_H

#include "core/addresses.h"
#include "features/balance/announce_frame.h"

/* A watched interface that has neighbours and is up. */
struct announce_link {
	uint32_t ifindex;
	char name[16];
	uint8_t mac[ANNOUNCE_MAC_BYTES];
	bool is_router;
};

/* This host, as far as it matters. */
struct announce_host {
	struct announce_link *links;
	unsigned link_count;
	struct weir_host_address *own; /* proven ones, by address and interface, each once */
	unsigned own_count;
	/* Those of networks with more than one address, by interface: each network once. */
	struct weir_host_address *networks;
	unsigned network_count;
};

/* Takes the addresses of `all`, which it sorts. -ENOMEM. */
int announce_host_set(struct announce_host *host, struct weir_host_address *all, unsigned count);
void announce_host_done(struct announce_host *host);
bool announce_is_own(const struct announce_host *host, const struct weir_addr *addr);
/* The address is this host's, and one of the link's or in a network of it. */
bool announce_is_there(const struct announce_host *host, const struct announce_link *link,
		       const struct weir_addr *addr);

#endif
