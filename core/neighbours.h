/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that this host is part of, by the addresses of its interfaces. */
#ifndef WEIR_CORE_NEIGHBOURS_H
#define WEIR_CORE_NEIGHBOURS_H

#include <stdbool.h>

#include "base/addr.h"
#include "core/addresses.h"

/* Two addresses, and what this host has in a network of both. */
struct weir_neighbours {
	const struct weir_addr *one, *other;
	struct weir_addr own; /* the first that is to stay, other than `one` */
	bool has_own, has_one;
};

/* One more address of this host. */
void weir_neighbours_look(struct weir_neighbours *pair, const struct weir_host_address *own);
/* Whether both are in a network that an address of this host is of, too. It is given, and is `one`
 * only where the host has no other there that is to stay. */
bool weir_neighbours(const struct weir_addr *one, const struct weir_addr *other,
		     struct weir_addr *ret_own);

#endif
