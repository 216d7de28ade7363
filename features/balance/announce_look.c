/* SPDX-License-Identifier: Apache-2.0 */
/* Where addresses are, by what the kernel says now; what was there before goes on as it was. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "features/balance/announce.h"

static int place_compare(const void *a, const void *b)
{
	const struct announce_place *x = a, *y = b;
	int order = weir_addr_compare(&x->addr, &y->addr);

	if (!order)
		order = (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
	return order ? order : memcmp(x->mac, y->mac, sizeof(x->mac));
}

struct places {
	struct announce_place *list;
	unsigned count, room;
};

static int place_add(struct places *places, const struct announce_place *place)
{
	if (places->count == places->room) {
		unsigned room = places->room ? 2 * places->room : 16;
		struct announce_place *list = reallocarray(places->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		places->list = list;
		places->room = room;
	}
	places->list[places->count++] = *place;
	return 0;
}

static const struct announce_place *place_find(const struct announce *announce,
					       const struct announce_place *place)
{
	return announce->count ? bsearch(place, announce->places, announce->count, sizeof(*place),
					 place_compare) :
				 NULL;
}

/* Where it was already it has been told of, or is being. */
static int addr_place(const struct announce *announce, const struct announce_host *host,
		      const struct weir_addr *addr, struct places *places)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	int r = 0;

	for (unsigned i = 0; i < host->link_count && !r; i++) {
		const struct announce_link *link = &host->links[i];
		struct announce_place place = { .addr = *addr,
						.ifindex = link->ifindex,
						.left = ANNOUNCE_TIMES,
						.due_ns = now_ns };

		if (!announce_is_there(host, link, addr))
			continue;
		memcpy(place.mac, link->mac, sizeof(place.mac));
		const struct announce_place *before = place_find(announce, &place);

		if (before)
			place = *before;
		memcpy(place.name, link->name, sizeof(place.name));
		place.is_router = link->is_router;
		r = place_add(places, &place);
	}
	return r;
}

/* What a command asked for stays until it is done; of several places of an address, the first. */
static bool is_asked_for(const struct announce *announce, unsigned index)
{
	const struct announce_place *place = &announce->places[index];

	return place->is_asked && place->left && !announce_addr_find(announce, &place->addr) &&
	       (!index || weir_addr_compare(&place[-1].addr, &place->addr) != 0);
}

int announce_look(struct announce *announce, const struct weir_addr *more,
		  struct announce_host *host)
{
	struct places places = { 0 };
	bool is_more = more && !announce_addr_find(announce, more);
	int r = announce_host_read(announce->engine, host);

	announce->watched = announce_watched(announce->engine);
	for (unsigned i = 0; i < announce->addr_count && !r; i++)
		r = addr_place(announce, host, &announce->addrs[i].addr, &places);
	for (unsigned i = 0; i < announce->count && !r; i++) {
		const struct weir_addr *addr = &announce->places[i].addr;

		if (!is_asked_for(announce, i))
			continue;
		is_more &= !more || weir_addr_compare(addr, more) != 0;
		r = addr_place(announce, host, addr, &places);
	}
	if (!r && is_more)
		r = addr_place(announce, host, more, &places);
	if (r) {
		free(places.list);
		return r;
	}
	if (places.count)
		qsort(places.list, places.count, sizeof(*places.list), place_compare);
	free(announce->places);
	announce->places = places.list;
	announce->count = places.count;
	return 0;
}
