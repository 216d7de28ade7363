/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected, for how long and doing what, so that the slow and the many can be cut off in
 * favour of the others. Knows descriptors and times, no HTTP.
 */
#ifndef WEIR_API_CONNECTIONS_H
#define WEIR_API_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum weir_connection_state {
	WEIR_CONNECTION_IDLE, /* nothing asked yet, a request line under way, or between two
				 requests */
	WEIR_CONNECTION_BODY, /* a request's body is coming in */
	WEIR_CONNECTION_BUSY, /* being answered, or a stream */
};

struct weir_connection {
	struct weir_connection *next;
	int fd; /* borrowed from the HTTP library; open as long as this exists */
	enum weir_connection_state state;
	uint64_t since_ms;   /* when the state began, monotonic */
	uint64_t body_bytes; /* received since then, when it is BODY */
	uint8_t address[16]; /* of the peer, v4 as ::ffff:a.b.c.d; all zero on a unix socket */
	bool cut;	     /* shut down by us; the library has not noticed yet */
};

struct weir_connections {
	struct weir_connection *first; /* newest first */
	unsigned most;		       /* in all */
	unsigned most_per_address;     /* 0 = no bound (a unix socket) */
	uint64_t patience_ms; /* for a request's head, and for a body that comes at a trickle */
};

/*
 * Adds one. Past a bound, room is made by cutting the one that has been idle longest (of the same
 * address when that is the bound reached), so that clients who only sit there can never keep others
 * out; when all are busy the new one itself is cut. Returns NULL when out of memory. *ret_cut says
 * whether any was cut.
 */
struct weir_connection *weir_connections_add(struct weir_connections *connections, int fd,
					     uint64_t now_ms, bool *ret_cut);
/* Takes it out and frees it; NULL is allowed. Its descriptor is not touched. */
void weir_connections_del(struct weir_connections *connections, struct weir_connection *connection);
void weir_connection_set_state(struct weir_connection *connection, enum weir_connection_state state,
			       uint64_t now_ms);
/*
 * Cuts those whose head takes longer than patience_ms (or that ask nothing for so long), or whose
 * body comes at less than 1 KiB a second after that time. Returns how many.
 */
unsigned weir_connections_sweep(struct weir_connections *connections, uint64_t now_ms);
/* Cuts all that are idle, for a server that is going away. */
void weir_connections_cut_idle(struct weir_connections *connections);
/* User of the peer on a unix socket; -EOPNOTSUPP on TCP. */
int weir_connection_peer_uid(const struct weir_connection *connection, uid_t *ret_uid);
/* Whether the peer is 127.0.0.0/8 or ::1. */
bool weir_connection_is_loopback(const struct weir_connection *connection);
/* Frees the list; the descriptors are not touched. */
void weir_connections_done(struct weir_connections *connections);

#endif
