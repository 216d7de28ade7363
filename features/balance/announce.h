/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours are told where services' addresses are (gratuitous ARP, unsolicited neighbour
 * advertisements): a few times, whenever an address is at an interface where it was not. All of it
 * is the loop's thread's. An `announce` that is NULL, without an engine, does nothing.
 */
#ifndef WEIR_ANNOUNCE_H
#define WEIR_ANNOUNCE_H

#include "core/engine.h"
#include "features/balance/announce_where.h"
#include "features/balance/balance_state.h"

#define ANNOUNCE_TIMES 3 /* a second apart: RFC 4861, 10, MAX_NEIGHBOR_ADVERTISEMENT */

/* An address at a link. */
struct announce_place {
	struct weir_addr addr;
	uint32_t ifindex;
	uint8_t mac[ANNOUNCE_MAC_BYTES];
	bool is_router;
	bool is_asked; /* by a command: it is told of now, whatever services say */
	uint8_t left;  /* so many times more */
	uint64_t due_ns;
	char name[16]; /* of the link */
};

/* An address that services want told of. */
struct announce_addr {
	struct weir_addr addr;
	uint64_t since_ns; /* 0: whether it can be is known, and was said */
};

struct announce {
	struct weir_engine *engine;
	struct weir_loop *loop;
	int kernel_fd; /* what changes of links and addresses; -1: nobody is told of any */
	int packet_fd; /* -1: not yet */
	struct weir_watch *kernel, *timer;
	struct announce_addr *addrs; /* sorted, each once */
	unsigned addr_count;
	struct announce_place *places; /* sorted */
	unsigned count;
	uint64_t look_ns;  /* when the kernel is to be asked again; 0: there is no need */
	uint64_t timer_ns; /* what the timer is set to; 0: to nothing */
	uint64_t watched;  /* a hash of who is */
	uint64_t sent, failed;
};

int announce_new(struct weir_engine *engine, struct announce **ret_announce);
void announce_free(struct announce *announce);
/* The services that packets meet from now on. */
void announce_live(struct announce *announce, const struct balance_section *acting);
/* About once a second: interfaces may have come to be watched. */
void announce_tick(struct announce *announce);
/* An address is told of now, where it can be. *ret_places of *ret_count, both the announce's, until
 * the next call. -EADDRNOTAVAIL: it is not this host's; -ENETUNREACH: no watched interface that is
 * up has it or its network; or what the socket costs. */
int announce_ask(struct announce *announce, const struct weir_addr *addr,
		 const struct announce_place **ret_places, unsigned *ret_count);
/* A service that is to be announced: warns where that cannot be now. What the kernel does not say
 * is not warned of: it is tried again. */
void announce_advise(const struct announce *announce, const struct weir_addr *addr,
		     struct weir_diag *diag);
int announce_snapshot(const struct announce *announce, struct weir_snapshot *snapshot);

/* announce_addrs.c: those that services want, each once; NULL: out of memory. */
struct announce_addr *announce_addrs(const struct announce *announce,
				     const struct balance_section *acting, unsigned *ret_count);
struct announce_addr *announce_addr_find(const struct announce *announce,
					 const struct weir_addr *addr);
/* Warns of what has waited in vain. */
void announce_addrs_look(struct announce *announce);
/* announce_look.c: `more` (may be NULL) is an address that is looked for too. -errno. */
int announce_look(struct announce *announce, const struct weir_addr *more,
		  struct announce_host *host);
/* announce_host.c: asks the kernel. -errno. */
int announce_host_read(struct weir_engine *engine, struct announce_host *ret_host);
/* Which interfaces are watched, as a hash. */
uint64_t announce_watched(struct weir_engine *engine);

#endif
