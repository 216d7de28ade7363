/* SPDX-License-Identifier: Apache-2.0 */
/* Where an address is told of; nothing here asks the kernel. */
#include "features/balance/announce_where.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE 128 /* bits: a network of one address */

static int by_addr(const void *a, const void *b)
{
	const struct weir_host_address *x = a, *y = b;
	int order = weir_addr_compare(&x->addr, &y->addr);

	return order ? order : (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static bool is_network_known(const struct announce_host *host, const struct weir_host_address *of)
{
	for (unsigned i = 0; i < host->network_count; i++) {
		const struct weir_host_address *network = &host->networks[i];

		if (network->ifindex == of->ifindex && network->length == of->length &&
		    weir_addr_is_in(&of->addr, &network->addr, of->length))
			return true;
	}
	return false;
}

int announce_host_set(struct announce_host *host, struct weir_host_address *all, unsigned count)
{
	host->own = calloc(count + 1ul, sizeof(*host->own));
	host->networks = calloc(count + 1ul, sizeof(*host->networks));
	if (!host->own || !host->networks)
		return -ENOMEM;
	if (count)
		qsort(all, count, sizeof(*all), by_addr);
	for (unsigned i = 0; i < count; i++) {
		if (all[i].is_proven)
			host->own[host->own_count++] = all[i];
		if (all[i].length < WHOLE && !is_network_known(host, &all[i]))
			host->networks[host->network_count++] = all[i];
	}
	return 0;
}

void announce_host_done(struct announce_host *host)
{
	free(host->links);
	free(host->own);
	free(host->networks);
	*host = (struct announce_host){ 0 };
}

/* The first that is not below it. */
static unsigned own_find(const struct announce_host *host, const struct weir_addr *addr)
{
	unsigned from = 0, to = host->own_count;

	while (from < to) {
		unsigned middle = from + (to - from) / 2;

		if (weir_addr_compare(&host->own[middle].addr, addr) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool own_is(const struct announce_host *host, unsigned index, const struct weir_addr *addr)
{
	return index < host->own_count && weir_addr_compare(&host->own[index].addr, addr) == 0;
}

bool announce_is_own(const struct announce_host *host, const struct weir_addr *addr)
{
	return own_is(host, own_find(host, addr), addr);
}

bool announce_is_there(const struct announce_host *host, const struct announce_link *link,
		       const struct weir_addr *addr)
{
	unsigned first = own_find(host, addr);

	if (!own_is(host, first, addr))
		return false;
	for (unsigned i = first; own_is(host, i, addr); i++)
		if (host->own[i].ifindex == link->ifindex)
			return true;
	for (unsigned i = 0; i < host->network_count; i++)
		if (host->networks[i].ifindex == link->ifindex &&
		    weir_addr_is_v4(&host->networks[i].addr) == weir_addr_is_v4(addr) &&
		    weir_addr_is_in(addr, &host->networks[i].addr, host->networks[i].length))
			return true;
	return false;
}
