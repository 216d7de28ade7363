/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routers say of the outer packets of tunnels: "fragmentation needed", "packet too big". The
 * kernel learns the MTU of a path from such errors only for a protocol that somebody on the host
 * speaks, and nobody but the packet programs speaks these. So the daemon does, as long as it takes.
 * All of it is the loop's thread's. A `paths` that is NULL, without an engine, does nothing.
 */
#ifndef WEIR_BALANCE_PATHS_H
#define WEIR_BALANCE_PATHS_H

#include "core/engine.h"
#include "features/balance/balance_state.h"

#define BALANCE_PATHS_HELD 64 /* paths that are learned at once, for a second at most */

/* The packet that an error is about. */
struct balance_quote {
	struct weir_addr from, to;
	uint8_t proto; /* IANA's number: IPIP, IPv6 or, of GUE, UDP */
	uint8_t spare[7];
};
_Static_assert(sizeof(struct balance_quote) == 40, "no bytes that nobody sets");

struct balance_paths {
	struct balance *balance;
	struct weir_engine *engine;
	int fds[2]; /* errors of IPv4 and of IPv6; -1: nobody has a tunnel */
	struct weir_watch *watches[2];
	struct balance_quote held[BALANCE_PATHS_HELD];
	int sockets[BALANCE_PATHS_HELD]; /* of each that is held */
	unsigned count;
	struct weir_addr *backends; /* of tunnels, sorted; asked for with the first error */
	size_t backend_count;
	bool is_stale; /* they are of another policy */
	bool is_warned;
	uint64_t told; /* errors that the kernel was told, since the daemon started */
};

int balance_paths_new(struct balance *balance, struct balance_paths **ret_paths);
void balance_paths_free(struct balance_paths *paths);
/* The services that packets meet from now on. */
void balance_paths_live(struct balance_paths *paths, const struct balance_section *acting);
/* About once a second. */
void balance_paths_tick(struct balance_paths *paths);
int balance_paths_snapshot(const struct balance_paths *paths, struct weir_snapshot *snapshot);

/* balance_quote.c: an ICMP message of `len` bytes, from its type on. False: it is no such error
 * about a tunnel's packet, or is cut short. */
bool balance_quote_read(const uint8_t *message, size_t len, bool is_v4,
			struct balance_quote *ret_quote);

#endif
