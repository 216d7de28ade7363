/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the kernel would send packets another way than it did before. */
#ifndef WEIR_CORE_WAYS_H
#define WEIR_CORE_WAYS_H

#include <stdbool.h>

#include "ways_near.h"

/* A non-blocking socket that hears of links, addresses, neighbours, routes, rules and what
 * interfaces forward, or -errno. */
int weir_ways_open(void);

enum weir_ways_change {
	WEIR_WAYS_SAME,
	WEIR_WAYS_CHANGED,
	WEIR_WAYS_ROUTES, /* … and weir_ways_ask() may have another answer */
};

/* Reads what is pending; what was lost counts as changed, and then `near` is not whole any more. */
enum weir_ways_change weir_ways_read(int fd, struct weir_ways_near *near);

/* What a packet's way may depend on beside its destination. */
struct weir_ways {
	bool by_source; /* rules that ask for it, routes with several next hops or for some sources
			   only */
	bool by_more;	/* protocol, ports, mark, class: rules and routes for some of them only */
};

/* Blocks for the kernel's answers only; looks at the first few thousand routes, and of more takes
 * it that they go by the source. What cannot be read may depend on all. */
struct weir_ways weir_ways_ask(void);

#endif
