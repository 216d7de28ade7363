/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of checks by a tunnel, as the data path knows them. */
#include "features/balance/health_tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "features/balance/health_meaning.h"

static bool can_be_tunnelled(const struct balance_text *service)
{
	return service->forward != WEIR_FORWARD_NAT && service->health.type != HEALTH_NONE &&
	       service->health.type != HEALTH_COMMAND;
}

/* An ICMP error would be about a packet to the service's address, which no socket knows. */
static bool wants_errors(const struct health_text *text)
{
	return text->type == HEALTH_UDP && !text->expect;
}

/* By one socket, so in one family. */
static bool is_of_family(const struct balance_text *service, const struct weir_addr *backend)
{
	return !strchr(service->address, ':') == weir_addr_is_v4(backend);
}

bool health_tunnels(const struct balance_text *service)
{
	return can_be_tunnelled(service) && service->health.through != HEALTH_DIRECT;
}

bool health_is_tunnelled(const struct balance_text *service, const struct balance_end *backend)
{
	return health_tunnels(service) && !wants_errors(&service->health) &&
	       is_of_family(service, &backend->addr);
}

static bool is_of_two_families(const struct balance_text *service)
{
	struct balance_end end;

	for (unsigned i = 0; i < service->backend_count; i++)
		if (!balance_backend_read_as(service, &service->backends[i], "", NULL, &end) &&
		    !is_of_family(service, &end.addr))
			return true;
	return false;
}

int health_tunnel_check(const struct health_place *place)
{
	const struct balance_text *service = place->service;

	if (service->health.through != HEALTH_TUNNEL)
		return 0;
	if (service->forward == WEIR_FORWARD_NAT)
		return health_refuse(place, "through",
				     health_mend(place, "leave it out, or write another `forward`",
						 "leave it out, or make it auto"),
				     "with `forward: nat` packets bear the backend's own address, "
				     "which is what a check asks");
	if (!can_be_tunnelled(service))
		return health_refuse(place, "through",
				     health_mend(place, "leave it out, or write another `type`",
						 "make it auto, or give another --health"),
				     "is for checks that are a connection or a datagram of Weir");
	if (wants_errors(&service->health))
		return health_refuse(place, "through",
				     health_mend(place, "write `expect`, or `through: direct`",
						 "give --health-expect, or make it direct"),
				     "that a port is refused is not seen that way, so a check of "
				     "type udp needs an answer");
	if (is_of_two_families(service))
		return health_refuse(place, "through",
				     health_mend(place,
						 "leave it out: such backends are asked directly",
						 "make it auto: such backends are asked directly"),
				     "a backend is of another family than the service, which one "
				     "socket cannot speak to");
	return 0;
}

int health_tunnel_backend_check(const struct balance_text *service,
				const struct balance_end *backend, const char *key,
				struct weir_diag *diag)
{
	if (service->health.through != HEALTH_TUNNEL || is_of_family(service, &backend->addr))
		return 0;
	return weir_diag_key(
		diag, key, "make `through` auto: such backends are asked directly",
		"is of another family than the service '%s', whose checks are to go by "
		"the tunnel, and which one socket cannot speak to",
		service->name);
}

struct stale {
	struct health *health;
	struct balance_check_key *keys;
	unsigned count;
};

static bool is_under_way(const struct health *health, const struct balance_check_key *key)
{
	for (unsigned i = 0; i < health->count; i++)
		if (health->targets[i]->is_tunnelled &&
		    memcmp(&health->targets[i]->check_key, key, sizeof(*key)) == 0)
			return true;
	return false;
}

/* A daemon that was killed has left them. */
static int stale_note(const void *key, const void *value, void *arg)
{
	struct stale *stale = arg;

	(void)value;
	if (is_under_way(stale->health, key))
		return 0;
	struct balance_check_key *keys =
		reallocarray(stale->keys, stale->count + 1ul, sizeof(*keys));

	if (!keys)
		return -ENOMEM; /* those do no harm but to take room */
	stale->keys = keys;
	stale->keys[stale->count++] = *(const struct balance_check_key *)key;
	return 0;
}

static int target_put(struct health_target *target)
{
	struct health *health = target->health;
	const struct balance_end *backend = &target->key.backend;
	const struct health_text *text = &target->text->health;
	struct balance_check check = {
		.service = target->key.service.addr,
		.backend = backend->addr,
		.source = health->sources[!weir_addr_is_v4(&backend->addr)],
		.port = htons((uint16_t)(text->port ? text->port : backend->port)),
		.forward = (uint8_t)target->text->forward,
	};

	return health->checks ? weir_map_set(health->checks, &target->check_key, &check) : -ENOENT;
}

void health_tunnel_attach(struct health *health, struct weir_map *map)
{
	struct stale stale = { .health = health };

	if (!health)
		return;
	health->checks = map;
	if (!map)
		return;
	weir_map_each(map, stale_note, &stale);
	for (unsigned i = 0; i < stale.count; i++)
		weir_map_del(map, &stale.keys[i]);
	free(stale.keys);
	for (unsigned i = 0; i < health->count; i++)
		if (health->targets[i]->is_tunnelled)
			target_put(health->targets[i]);
}

/* Bound to nobody's address, a port is the socket's alone, whatever it speaks to. */
int health_tunnel_open(struct health_target *target, int family, int type)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} self = { .any.sa_family = (sa_family_t)family };
	socklen_t len = family == AF_INET ? sizeof(self.v4) : sizeof(self.v6);

	if (bind(target->fd, &self.any, len) || getsockname(target->fd, &self.any, &len))
		return -errno;
	target->check_key = (struct balance_check_key){
		.port = family == AF_INET ? self.v4.sin_port : self.v6.sin6_port,
		.proto = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
		.is_v4 = family == AF_INET,
	};
	int r = target_put(target);

	target->is_tunnelled = !r;
	return r;
}

void health_tunnel_close(struct health_target *target)
{
	if (target->is_tunnelled && target->health->checks)
		weir_map_del(target->health->checks, &target->check_key);
	target->is_tunnelled = false;
}

bool health_tunnel_is_unseen(const struct health_target *target)
{
	struct balance_check check = { 0 };

	if (!target->is_tunnelled)
		return false;
	return weir_map_get(target->health->checks, &target->check_key, &check) || !check.seen;
}
