/* SPDX-License-Identifier: Apache-2.0 */
#include "core/neighbours.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

static bool addr_of(const struct sockaddr *from, struct weir_addr *ret_addr)
{
	if (!from)
		return false;
	*ret_addr = (struct weir_addr){ .be64 = { 0 } };
	if (from->sa_family == AF_INET) {
		ret_addr->bytes[10] = ret_addr->bytes[11] = 0xff;
		memcpy(&ret_addr->bytes[12], &((const struct sockaddr_in *)from)->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		memcpy(ret_addr, &((const struct sockaddr_in6 *)from)->sin6_addr,
		       sizeof(*ret_addr));
	} else {
		return false;
	}
	return true;
}

/* Masks of IPv4 begin with zeros here, where all of its addresses have the same bits. */
static bool is_in(const struct weir_addr *addr, const struct weir_addr *own,
		  const struct weir_addr *mask)
{
	for (unsigned i = 0; i < sizeof(addr->bytes); i++)
		if ((addr->bytes[i] ^ own->bytes[i]) & mask->bytes[i])
			return false;
	return weir_addr_is_v4(addr) == weir_addr_is_v4(own);
}

bool weir_neighbours(const struct weir_addr *one, const struct weir_addr *other,
		     struct weir_addr *ret_own)
{
	struct ifaddrs *list = NULL;
	struct weir_addr own, mask;
	bool is = false;

	if (getifaddrs(&list))
		return false;
	for (const struct ifaddrs *i = list; i && !is; i = i->ifa_next) {
		if (!addr_of(i->ifa_addr, &own) || !addr_of(i->ifa_netmask, &mask))
			continue;
		is = memcmp(&own, one, sizeof(own)) != 0 && is_in(one, &own, &mask) &&
		     is_in(other, &own, &mask);
	}
	freeifaddrs(list);
	if (is)
		*ret_own = own;
	return is;
}
