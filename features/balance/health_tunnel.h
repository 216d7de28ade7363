/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that go the way of their service's packets, to its own address (balance_check.bpf.h). The
 * data path is told of each socket before it sends anything, and forgets it when it is closed.
 */
#ifndef WEIR_HEALTH_TUNNEL_H
#define WEIR_HEALTH_TUNNEL_H

#include "features/balance/health.h"

/* Whether the service's backend is checked so. */
bool health_is_tunnelled(const struct balance_text *service, const struct balance_end *backend);

/* The sockets of checks are in this map from now on, and nobody else's. */
void health_tunnel_attach(struct health *health, struct weir_map *map);
/* Gives target->fd a port of its own. -errno */
int health_tunnel_open(struct health_target *target, int family, int type);
/* Once the socket is closed. */
void health_tunnel_close(struct health_target *target);
/* Something was answered, and nothing has gone that way: it was somebody else who was asked. */
bool health_tunnel_is_unseen(const struct health_target *target);

#endif
