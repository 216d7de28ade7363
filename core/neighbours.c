/* SPDX-License-Identifier: Apache-2.0 */
#include "core/neighbours.h"

#include <string.h>

static bool is_same(const struct weir_addr *addr, const struct weir_addr *other)
{
	return memcmp(addr, other, sizeof(*addr)) == 0;
}

static bool is_in(const struct weir_addr *addr, const struct weir_host_address *own)
{
	return weir_addr_is_v4(addr) == weir_addr_is_v4(&own->addr) &&
	       weir_addr_is_in(addr, &own->addr, own->length);
}

void weir_neighbours_look(struct weir_neighbours *pair, const struct weir_host_address *own)
{
	if (!is_in(pair->one, own) || !is_in(pair->other, own))
		return;
	if (is_same(&own->addr, pair->one)) {
		pair->has_one = true;
	} else if (!pair->has_own && own->is_proven && own->is_lasting) {
		pair->own = own->addr;
		pair->has_own = true;
	}
}

static void address_look(void *arg, const struct weir_host_address *own)
{
	weir_neighbours_look(arg, own);
}

bool weir_neighbours(const struct weir_addr *one, const struct weir_addr *other,
		     struct weir_addr *ret_own)
{
	struct weir_neighbours pair = { .one = one, .other = other };

	if (weir_addresses_each(address_look, &pair) || !(pair.has_own || pair.has_one))
		return false;
	*ret_own = pair.has_own ? pair.own : *one;
	return true;
}
