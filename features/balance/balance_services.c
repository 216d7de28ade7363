/* SPDX-License-Identifier: Apache-2.0 */
/* Where packets to each service go, for those who name services: rules. */
#include "core/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_live.h"

struct place {
	struct balance_end end;
	unsigned service;
	bool is_enabled;
};

static int end_compare(const struct balance_end *a, const struct balance_end *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) ?: a->proto - b->proto;
}

static int place_compare(const void *a, const void *b)
{
	const struct balance_end *x = &((const struct place *)a)->end;
	const struct balance_end *y = &((const struct place *)b)->end;

	return end_compare(x, y) ?: x->port - y->port;
}

/* The last port; `last` is 0 where there is one alone. */
static uint32_t last_of(const struct balance_end *end)
{
	return end->last ? end->last : end->port;
}

/* Whether packets to ports that both have are the other's. */
static bool gives_way(const struct place *place, const struct place *other)
{
	return other->is_enabled &&
	       balance_end_exactness(&other->end) > balance_end_exactness(&place->end);
}

/* Places of one address and protocol, by their first port. */
struct group {
	const struct place *at;
	unsigned count;
	const struct balance_section *section;
	struct weir_services *services;
};

static int part_add(const struct group *group, const struct place *place, uint32_t from,
		    uint32_t to)
{
	const struct weir_service_end end = {
		.service = group->section->services[place->service].name,
		.addr = place->end.addr,
		.ports = { (uint16_t)from, (uint16_t)to },
		.proto = place->end.proto,
	};

	return weir_services_add(group->services, &end);
}

/* What others leave of its ports; of every port all but 0, which no packet has. */
static int wide_add(const struct group *group, const struct place *place)
{
	uint32_t next = place->end.port ? place->end.port : 1, last = last_of(&place->end);
	uint32_t before = group->services->count;
	int r = 0;

	for (unsigned i = 0; i < group->count && !r; i++) {
		const struct balance_end *other = &group->at[i].end;

		if (!gives_way(place, &group->at[i]) || last_of(other) < next || other->port > last)
			continue;
		if (other->port > next)
			r = part_add(group, place, next, other->port - 1u);
		next = last_of(other) + 1;
	}
	if (!r && next <= last)
		r = part_add(group, place, next, last);
	return r || group->services->count > before ? r : part_add(group, place, 1, 0);
}

static int group_add(const struct group *group)
{
	int r = 0;

	for (unsigned i = 0; i < group->count && !r; i++)
		r = balance_end_is_wide(&group->at[i].end) ?
			    wide_add(group, &group->at[i]) :
			    part_add(group, &group->at[i], group->at[i].end.port,
				     group->at[i].end.port);
	return r;
}

static int places_add(const struct place *places, unsigned count,
		      const struct balance_section *section, struct weir_services *services)
{
	struct group group = { .at = places, .section = section, .services = services };
	int r = 0;

	for (unsigned i = 0; i < count && !r; i++) {
		group.count++;
		if (i + 1 < count && end_compare(&places[i].end, &places[i + 1].end) == 0)
			continue;
		r = group_add(&group);
		group.at = &places[i + 1];
		group.count = 0;
	}
	return r;
}

/* Backends of run time give way to services, so they need not be looked at. */
int balance_services(const struct weir_compile *compile, struct weir_services *services)
{
	struct balance_runtime runtime = *balance_runtime_of(compile);
	_cleanup_live_ struct balance_live live = { 0 };

	runtime.row_count = 0;
	int r = balance_live_make(compile->section, &runtime, &live);
	_cleanup_free_ struct place *places = calloc(live.all.service_count + 1ul, sizeof(*places));

	if (r || !places)
		return r ? r : -ENOMEM;
	for (unsigned i = 0; i < live.all.service_count; i++)
		places[i] = (struct place){ live.services[i].end, i, live.services[i].is_enabled };
	qsort(places, live.all.service_count, sizeof(*places), place_compare);
	return places_add(places, live.all.service_count, &live.all, services);
}
