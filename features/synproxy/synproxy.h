/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `synproxy` agree on: services as the policy has them, their state. */
#ifndef WEIR_SYNPROXY_H
#define WEIR_SYNPROXY_H

#include "../../abi/cookie.h"
#include "../../abi/image.h"
#include "../../abi/packet.h"

#define SYNPROXY_SERVICES_MAX 16
#define SYNPROXY_SPANS 8	/* of ports */
#define SYNPROXY_DESTINATIONS 4 /* prefixes */

/* Rates are counted in windows of 2^30 ns. */
#define SYNPROXY_WINDOW_SHIFT 30
/* For so long a cookie is good that was sent last: the kernel takes those of two minutes. */
#define SYNPROXY_COOKIE_NS 128000000000ULL

/* WEIR_SECTION_SYNPROXY: a line, ... */
struct synproxy_service {
	struct weir_span port[SYNPROXY_SPANS];
	/* SYNs in a window from which on they are answered, and from which on they go on to be once
	 * they are. 0: they always are. */
	__u32 on, off;
	__u64 hold_ns; /* they are, for so long after the last window with as many */
	__u32 where;   /* SYNPROXY_HERE, SYNPROXY_BEHIND */
	__u32 spare[3];
};

#define SYNPROXY_HERE 1	  /* listeners of this host */
#define SYNPROXY_BEHIND 2 /* servers that this host forwards to */

/* ... and two behind it: what is not used matches nothing. */
struct synproxy_destination {
	struct weir_addr addr, mask;
};

#define SYNPROXY_LINES_EACH 3

/* st_synproxy: a row for each service. */
struct synproxy_state {
	__u64 window;	   /* that `count` is of */
	__u64 count;	   /* SYNs */
	__u64 on_until_ns; /* SYNs are answered; by the coarse clock, and 0 at first */
	__u64 owner;	   /* hash of the service's ports and addresses, never 0 */
	__u64 spare[4];
};

/* A row: X(identifier, name, help). */
#define SYNPROXY_COUNTERS(X)                                                                    \
	X(SYNPROXY_ANSWERED, "answered", "SYNs answered with a cookie")                         \
	X(SYNPROXY_PROVEN, "proven", "connections that began by repeating one")                 \
	X(SYNPROXY_REFUSED, "refused",                                                          \
	  "packets dropped that repeat none, and SYNs from where nobody is")                    \
	X(SYNPROXY_RELAYED, "relayed", "SYNs sent on to servers for clients that repeated one") \
	X(SYNPROXY_KERNELS, "kernels", "connections by a cookie of the kernel's own stack")     \
	X(SYNPROXY_HANDED, "handed", "connections handed to their listener")                    \
	X(SYNPROXY_FAILED, "failed", "connections that the kernel would not take")              \
	X(SYNPROXY_UNSUITED, "unsuited", "SYNs left alone: MPTCP, or another way back")

enum synproxy_counter {
#define X(identifier, name, help) identifier,
	SYNPROXY_COUNTERS(X)
#undef X
	SYNPROXY_COUNTER_COUNT,
};

/* Constants of the data path. */
struct synproxy_constants {
	__u32 services; /* 0: no SYN is answered */
};

_Static_assert(sizeof(struct synproxy_service) == WEIR_LINE_BYTES &&
		       SYNPROXY_DESTINATIONS * sizeof(struct synproxy_destination) ==
			       2 * WEIR_LINE_BYTES,
	       "three lines a service");
_Static_assert(sizeof(struct synproxy_state) == 64, "a cache line, which no other service shares");

#endif
