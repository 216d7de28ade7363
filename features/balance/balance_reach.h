/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this host has a way to backends, and one that is wide enough for what is put before
 * packets. What it finds is advice: nothing is refused, for routes come and go. */
#ifndef WEIR_BALANCE_REACH_H
#define WEIR_BALANCE_REACH_H

#include "core/hook.h"
#include "features/balance/balance_state.h"

#define BALANCE_REACH_MOST 1024 /* backends that are looked at: the kernel is asked for each */

enum balance_reach_fault {
	BALANCE_REACHED,
	BALANCE_NO_ROUTE,
	BALANCE_NOT_FORWARDED, /* the kernel is no router */
	BALANCE_BEHIND_ROUTER, /* and packets to it bear the service's address */
	BALANCE_TOO_NARROW,
	BALANCE_FOREIGN_SOURCE, /* of the service, not of a backend */
	BALANCE_SHARED_PORTS,	/* of its source, with sockets of this host */
	BALANCE_REACH_FAULTS,
};

/* Of a service's backends that have one fault: the first, and how many there are. */
struct balance_reach_finding {
	const struct balance_text *service;
	enum balance_reach_fault fault;
	unsigned count;
	struct weir_addr backend; /* or the source */
	char link[16];		  /* by which it is reached */
	uint32_t has;		  /* bytes that the way takes; or the first port that sockets get */
	uint32_t wants;		  /* … and those it would have to take; or the last port */
	uint32_t outer;		  /* … of which so many are put before a packet */
};

struct balance_reach_link {
	uint32_t ifindex, mtu;
	char name[16];
	bool is_watched, leads_to_backends, forwards; /* IPv4 that arrives */
};

/* The links of this host, for one look. */
struct balance_reach {
	bool (*is_watched)(const void *arg, const struct weir_device *device);
	const void *arg;
	struct balance_reach_link *links;
	unsigned count;
	bool forwards_v6; /* what arrives by any */
	int error;
};

typedef void balance_reach_fn(void *arg, const struct balance_reach_finding *finding);

/* Reads the links. -errno. */
int balance_reach_open(struct balance_reach *reach);
void balance_reach_done(struct balance_reach *reach);
/* Looks at all services: a call for each that is at fault, and each of its faults. *ret_seen
 * backends were looked at. -errno. */
int balance_reach_look(struct balance_reach *reach, const struct balance_section *section,
		       balance_reach_fn *each, void *arg, unsigned *ret_seen);
/* Looks at a backend that comes beside those of `section`. -errno. */
int balance_reach_one(struct balance_reach *reach, const struct balance_section *section,
		      const struct balance_text *service, const struct weir_addr *backend,
		      struct balance_reach_finding *ret_finding);

/* Whether what stands for a service's clients is an address of this host. */
void balance_reach_source(const struct balance_text *service, balance_reach_fn *each, void *arg);
/* Whether ports that stand for clients are such as this host's sockets get by themselves: a call
 * for all services that have an address of this host for their clients. */
void balance_reach_ports(const struct balance_text *services, unsigned count,
			 balance_reach_fn *each, void *arg);

/* balance_reach_tell.c: what is wrong, and what mends it. */
void balance_reach_write(const struct balance_reach_finding *finding, struct weir_buf *what,
			 struct weir_buf *mend);
/* As warnings, of a configuration that is about to be live, and of a backend that was added; what
 * cannot be looked at is not told of. */
void balance_reach_advise(const struct weir_compile *compile,
			  const struct balance_section *section);
void balance_reach_advise_one(const struct balance *state, const struct balance_section *section,
			      const struct balance_text *service, const struct weir_addr *backend,
			      struct weir_diag *diag);
void balance_reach_advise_source(const struct balance_text *service, struct weir_diag *diag);
extern const struct weir_op balance_reach_op;
/* A line of service check, whose answer has the form of doctor's. `mend` may be NULL. */
void balance_check_put(struct weir_json_out *json, const char *check, bool is_ok, const char *found,
		       const char *mend);
/* balance_shortcut_tell.c: a line for all that keeps packets from the shortcut. `snapshot` may be
 * NULL. */
void balance_shortcut_tell(const struct balance *state, const struct weir_snapshot *snapshot,
			   struct weir_json_out *json);

#endif
