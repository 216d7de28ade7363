/* SPDX-License-Identifier: Apache-2.0 */
/* The list of connections of one server and the choice of whom to cut. A list: a few hundred
 * entries, walked at each accept. */
#include "api/connections.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_PER_S_LEAST 1024

static void address_read(int fd, uint8_t address[16])
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	memset(address, 0, 16);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return;
	if (peer.ss_family == AF_INET6) {
		memcpy(address, &((struct sockaddr_in6 *)&peer)->sin6_addr, 16);
	} else if (peer.ss_family == AF_INET) {
		memset(address + 10, 0xff, 2);
		memcpy(address + 12, &((struct sockaddr_in *)&peer)->sin_addr, 4);
	}
}

/* The library sees the end of the stream at its next turn and closes: closing under it would free a
 * number it still uses. */
static void connection_cut(struct weir_connection *connection)
{
	connection->cut = true;
	shutdown(connection->fd, SHUT_RDWR);
}

static unsigned connections_count(const struct weir_connections *connections,
				  const uint8_t *address)
{
	unsigned count = 0;
	for (const struct weir_connection *c = connections->first; c; c = c->next)
		if (!c->cut && (!address || memcmp(c->address, address, 16) == 0))
			count++;
	return count;
}

/* The one that has been idle longest, else the one that has been sending its body longest; NULL
 * when all are busy. */
static struct weir_connection *connections_victim(const struct weir_connections *connections,
						  const struct weir_connection *except,
						  const uint8_t *address)
{
	struct weir_connection *victim = NULL;
	for (struct weir_connection *c = connections->first; c; c = c->next) {
		if (c == except || c->cut || c->state == WEIR_CONNECTION_BUSY)
			continue;
		if (address && memcmp(c->address, address, 16) != 0)
			continue;
		if (!victim || c->state < victim->state ||
		    (c->state == victim->state && c->since_ms <= victim->since_ms))
			victim = c;
	}
	return victim;
}

static bool connections_make_room(struct weir_connections *connections,
				  struct weir_connection *newcomer, const uint8_t *address,
				  unsigned most)
{
	if (connections_count(connections, address) <= most)
		return false;
	struct weir_connection *victim = connections_victim(connections, newcomer, address);
	connection_cut(victim ? victim : newcomer);
	return true;
}

struct weir_connection *weir_connections_add(struct weir_connections *connections, int fd,
					     uint64_t now_ms, bool *ret_cut)
{
	struct weir_connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->fd = fd;
	connection->since_ms = now_ms;
	address_read(fd, connection->address);
	connection->next = connections->first;
	connections->first = connection;

	bool cut = false;
	if (connections->most_per_address)
		cut = connections_make_room(connections, connection, connection->address,
					    connections->most_per_address);
	if (!connection->cut)
		cut |= connections_make_room(connections, connection, NULL, connections->most);
	*ret_cut = cut;
	return connection;
}

void weir_connections_del(struct weir_connections *connections, struct weir_connection *connection)
{
	for (struct weir_connection **at = &connections->first; *at; at = &(*at)->next)
		if (*at == connection) {
			*at = connection->next;
			break;
		}
	free(connection);
}

void weir_connection_set_state(struct weir_connection *connection, enum weir_connection_state state,
			       uint64_t now_ms)
{
	connection->state = state;
	connection->since_ms = now_ms;
	connection->body_bytes = 0;
}

static bool connection_is_slow(const struct weir_connection *connection, uint64_t patience_ms,
			       uint64_t now_ms)
{
	uint64_t age_ms = now_ms - connection->since_ms;
	if (connection->cut || connection->state == WEIR_CONNECTION_BUSY || age_ms <= patience_ms)
		return false;
	return connection->state == WEIR_CONNECTION_IDLE ||
	       connection->body_bytes < age_ms * BODY_BYTES_PER_S_LEAST / 1000;
}

unsigned weir_connections_sweep(struct weir_connections *connections, uint64_t now_ms)
{
	unsigned count = 0;
	for (struct weir_connection *c = connections->first; c; c = c->next)
		if (connection_is_slow(c, connections->patience_ms, now_ms)) {
			connection_cut(c);
			count++;
		}
	return count;
}

void weir_connections_cut_idle(struct weir_connections *connections)
{
	for (struct weir_connection *c = connections->first; c; c = c->next)
		if (!c->cut && c->state == WEIR_CONNECTION_IDLE)
			connection_cut(c);
}

int weir_connection_peer_uid(const struct weir_connection *connection, uid_t *ret_uid)
{
	struct sockaddr_storage local = { 0 };
	struct ucred peer = { 0 };
	socklen_t local_len = sizeof(local), len = sizeof(peer);

	if (getsockname(connection->fd, (struct sockaddr *)&local, &local_len) < 0)
		return -errno;
	if (local.ss_family != AF_UNIX)
		return -EOPNOTSUPP;
	if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	*ret_uid = peer.uid;
	return 0;
}

bool weir_connection_is_loopback(const struct weir_connection *connection)
{
	static const uint8_t v4[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };
	static const uint8_t v6[16] = { [15] = 1 };
	return memcmp(connection->address, v4, sizeof(v4)) == 0 ||
	       memcmp(connection->address, v6, sizeof(v6)) == 0;
}

void weir_connections_done(struct weir_connections *connections)
{
	while (connections->first)
		weir_connections_del(connections, connections->first);
}
