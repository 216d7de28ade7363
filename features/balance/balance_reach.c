/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for the way to each backend, and judges it. */
#include "features/balance/balance_reach.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "core/netlink.h"
#include "core/route.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define GUE_BYTES 8 /* UDP: variant 1 has no header of its own */

/* The way to one backend. */
struct way {
	unsigned service;
	struct weir_addr backend;
	struct weir_route route;
	int error;
};

/* What cannot be read is not told of. */
static bool is_router(const char *family, const char *link)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", family, link);
	return weir_file_read(path, 64, &text) || *weir_buf_str(&text) != '0';
}

static void link_note(void *arg, enum weir_device_change change, const struct weir_device *device)
{
	struct balance_reach *reach = arg;

	if (change != WEIR_DEVICE_PRESENT)
		return;
	struct balance_reach_link *links =
		reallocarray(reach->links, reach->count + 1ul, sizeof(*links));

	if (!links) {
		reach->error = -ENOMEM;
		return;
	}
	reach->links = links;
	links[reach->count] = (struct balance_reach_link){
		.ifindex = device->ifindex,
		.mtu = device->mtu,
		.is_watched = device->type == ARPHRD_ETHER && device->flags & IFF_UP &&
			      reach->is_watched(reach->arg, device),
		.forwards = is_router("ipv4", device->name),
	};
	memcpy(links[reach->count++].name, device->name, sizeof(device->name));
}

int balance_reach_open(struct balance_reach *reach)
{
	int r = weir_netlink_dump(link_note, reach);

	reach->forwards_v6 = is_router("ipv6", "all");
	return r ? r : reach->error;
}

void balance_reach_done(struct balance_reach *reach)
{
	free(reach->links);
	reach->links = NULL;
	reach->count = 0;
}

static struct balance_reach_link *link_of(const struct balance_reach *reach, uint32_t ifindex)
{
	for (unsigned i = 0; i < reach->count; i++)
		if (reach->links[i].ifindex == ifindex)
			return &reach->links[i];
	return NULL;
}

static bool is_no_route(int error)
{
	return error == -ENETUNREACH || error == -EHOSTUNREACH || error == -EACCES ||
	       error == -EINVAL;
}

/* 0 where there is none, too; what else went wrong is no answer. */
static int way_ask(const struct balance_reach *reach, struct way *way)
{
	way->error = weir_route_ask(&way->backend, &way->route);
	struct balance_reach_link *link = link_of(reach, way->route.ifindex);

	if (way->error)
		return is_no_route(way->error) ? 0 : way->error;
	if (link)
		link->leads_to_backends = true;
	return 0;
}

static void narrower(uint32_t *mtu, uint32_t than)
{
	if (!*mtu || than < *mtu)
		*mtu = than;
}

/*
 * The longest packet that clients send at least: by interfaces that lead to no backend, or, where
 * all do, by any. Of several the narrowest, since nobody says by which of them clients come: who
 * has one that is wider for something else must not be told of it for ever.
 */
static uint32_t longest_packet(const struct balance_reach *reach)
{
	uint32_t clients = 0, all = 0;

	for (unsigned i = 0; i < reach->count; i++) {
		const struct balance_reach_link *link = &reach->links[i];

		if (!link->is_watched)
			continue;
		narrower(&all, link->mtu);
		if (!link->leads_to_backends)
			narrower(&clients, link->mtu);
	}
	return clients ? clients : all;
}

/* Of IPv4 each link has a switch of its own, and nobody says by which clients come: one that is on
 * will do. */
static bool is_forwarded(const struct balance_reach *reach, const struct weir_addr *backend)
{
	bool is_watched = false, forwards = false;

	for (unsigned i = 0; i < reach->count; i++) {
		is_watched |= reach->links[i].is_watched;
		forwards |= reach->links[i].is_watched && reach->links[i].forwards;
	}
	return weir_addr_is_v4(backend) ? forwards || !is_watched : reach->forwards_v6;
}

static uint32_t outer_bytes(const struct balance_text *service, const struct weir_addr *backend)
{
	if (!balance_tunnels(service))
		return 0;
	return (weir_addr_is_v4(backend) ? IPV4_BYTES : IPV6_BYTES) +
	       (service->forward == WEIR_FORWARD_GUE ? GUE_BYTES : 0);
}

static enum balance_reach_fault judge(const struct balance_reach *reach,
				      const struct balance_text *service, const struct way *way,
				      struct balance_reach_finding *finding)
{
	const struct balance_reach_link *link = link_of(reach, way->route.ifindex);
	uint32_t outer = outer_bytes(service, &way->backend), longest = longest_packet(reach);

	*finding = (struct balance_reach_finding){ .service = service,
						   .count = 1,
						   .backend = way->backend };
	if (way->error)
		return BALANCE_NO_ROUTE;
	if (way->route.is_here || !link)
		return BALANCE_REACHED;
	if (!is_forwarded(reach, &way->backend))
		return BALANCE_NOT_FORWARDED;
	memcpy(finding->link, link->name, sizeof(finding->link));
	if (service->forward == WEIR_FORWARD_L2 && way->route.has_gateway)
		return BALANCE_BEHIND_ROUTER;
	finding->outer = outer;
	finding->has = way->route.mtu ? way->route.mtu : link->mtu;
	finding->wants = longest + outer;
	return outer && longest && finding->has < finding->wants ? BALANCE_TOO_NARROW :
								   BALANCE_REACHED;
}

static int ways_ask(const struct balance_reach *reach, const struct balance_section *section,
		    struct way *ways, unsigned *ret_count)
{
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; i < section->service_count && !r; i++) {
		const struct balance_text *text = &section->services[i];

		for (unsigned j = 0; j < balance_staying(text) && !r; j++) {
			struct balance_end end;

			if (count == BALANCE_REACH_MOST ||
			    balance_backend_read(section, i, j, NULL, &end))
				continue;
			ways[count] = (struct way){ .service = i, .backend = end.addr };
			r = way_ask(reach, &ways[count++]);
		}
	}
	*ret_count = count;
	return r;
}

/* *ret_source is zero where it has none. What cannot be asked is taken to be here. */
static bool source_is_here(const struct balance_text *service, struct weir_addr *ret_source)
{
	struct weir_route route = { 0 };

	if (balance_source_read_as(service, "", NULL, ret_source) || !service->source)
		return true;
	int r = weir_route_ask(ret_source, &route);

	return r ? !is_no_route(r) : route.is_here;
}

void balance_reach_source(const struct balance_text *service, balance_reach_fn *each, void *arg)
{
	struct balance_reach_finding finding = { .service = service,
						 .fault = BALANCE_FOREIGN_SOURCE,
						 .count = 1 };

	if (!source_is_here(service, &finding.backend))
		each(arg, &finding);
}

/* Of this network namespace, as the data path is. IPv6 goes by it, too. */
static bool ports_read(uint32_t *ret_first, uint32_t *ret_last)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	return !weir_file_read("/proc/sys/net/ipv4/ip_local_port_range", 64, &text) &&
	       sscanf(weir_buf_str(&text), "%" SCNu32 " %" SCNu32, ret_first, ret_last) == 2;
}

/* A socket of this host, as of a health check, and a client may then be one and the same to a
 * backend, whose answers are the client's. */
void balance_reach_ports(const struct balance_text *services, unsigned count,
			 balance_reach_fn *each, void *arg)
{
	struct balance_reach_finding finding = { .fault = BALANCE_SHARED_PORTS };
	struct weir_addr source;

	if (!ports_read(&finding.has, &finding.wants) ||
	    finding.has >= BALANCE_PORT_FIRST + BALANCE_PORT_COUNT)
		return;
	for (unsigned i = 0; i < count; i++) {
		if (!services[i].source || !source_is_here(&services[i], &source))
			continue;
		if (!finding.count++) {
			finding.service = &services[i];
			finding.backend = source;
		}
	}
	if (finding.count)
		each(arg, &finding);
}

static void service_tell(const struct balance_reach *reach, const struct balance_text *service,
			 const struct way *ways, unsigned count, balance_reach_fn *each, void *arg)
{
	struct balance_reach_finding found[BALANCE_REACH_FAULTS] = { 0 }, one;

	for (unsigned i = 0; i < count; i++) {
		enum balance_reach_fault fault = judge(reach, service, &ways[i], &one);

		one.fault = fault;
		one.count = found[fault].count + 1;
		if (!found[fault].count)
			found[fault] = one;
		found[fault].count = one.count;
	}
	for (int fault = BALANCE_NO_ROUTE; fault < BALANCE_REACH_FAULTS; fault++)
		if (found[fault].count)
			each(arg, &found[fault]);
}

int balance_reach_look(struct balance_reach *reach, const struct balance_section *section,
		       balance_reach_fn *each, void *arg, unsigned *ret_seen)
{
	_cleanup_free_ struct way *ways = calloc(BALANCE_REACH_MOST, sizeof(*ways));
	unsigned count = 0, of;

	if (!ways)
		return -ENOMEM;
	int r = ways_ask(reach, section, ways, &count);

	for (unsigned i = 0; i < count && !r; i += of) {
		for (of = 1; i + of < count && ways[i + of].service == ways[i].service;)
			of++;
		service_tell(reach, &section->services[ways[i].service], &ways[i], of, each, arg);
		balance_reach_source(&section->services[ways[i].service], each, arg);
	}
	if (!r)
		balance_reach_ports(section->services, section->service_count, each, arg);
	*ret_seen = count;
	return r;
}

int balance_reach_one(struct balance_reach *reach, const struct balance_section *section,
		      const struct balance_text *service, const struct weir_addr *backend,
		      struct balance_reach_finding *ret_finding)
{
	_cleanup_free_ struct way *others = calloc(BALANCE_REACH_MOST, sizeof(*others));
	struct way way = { .backend = *backend };
	unsigned count;
	int r = others ? way_ask(reach, &way) : -ENOMEM;

	/* By which interfaces the others are reached says by which clients come. */
	if (!r && balance_tunnels(service))
		r = ways_ask(reach, section, others, &count);
	if (!r)
		ret_finding->fault = judge(reach, service, &way, ret_finding);
	return r;
}
