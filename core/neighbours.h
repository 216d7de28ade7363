/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that this host is part of, by the addresses of its interfaces. */
#ifndef WEIR_CORE_NEIGHBOURS_H
#define WEIR_CORE_NEIGHBOURS_H

#include <stdbool.h>

#include "base/addr.h"

/* Whether both are in a network that an address of this host is of, too: an address other than
 * `one`, which is given. */
bool weir_neighbours(const struct weir_addr *one, const struct weir_addr *other,
		     struct weir_addr *ret_own);

#endif
