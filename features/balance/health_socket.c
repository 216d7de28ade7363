/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of checks, and the check that wants nothing but a connection. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "features/balance/health_tunnel.h"

const char *health_error(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "refused";
	case EHOSTUNREACH:
		return "host unreachable";
	case ENETUNREACH:
		return "network unreachable";
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ETIMEDOUT:
		return "timed out";
	default:
		return strerror(error);
	}
}

enum health_result health_end(struct health_target *target, enum health_result result,
			      const char *what, int error)
{
	if (error)
		snprintf(target->reason, sizeof(target->reason), "%s: %s", what,
			 health_error(error));
	else
		snprintf(target->reason, sizeof(target->reason), "%s", what);
	return result;
}

/* What this host lacks is no failure of the backend. */
static bool is_ours(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
	       error == EADDRNOTAVAIL || error == EPERM || error == EACCES || error == EAGAIN;
}

static socklen_t address_of(const struct health_target *target, struct sockaddr_storage *ret_to)
{
	const struct balance_end *end = &target->key.backend;
	const struct health_text *text = &target->text->health;
	in_port_t port = htons((uint16_t)(text->port ? text->port : end->port));

	memset(ret_to, 0, sizeof(*ret_to));
	if (weir_addr_is_v4(&end->addr)) {
		struct sockaddr_in *to = (void *)ret_to;

		*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		to->sin_addr.s_addr = end->addr.be32[3];
		return sizeof(*to);
	}
	struct sockaddr_in6 *to = (void *)ret_to;

	*to = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
	memcpy(&to->sin6_addr, &end->addr, sizeof(to->sin6_addr));
	return sizeof(*to);
}

/* A connection ends by a reset: it leaves no port of this host waiting for a minute, of which there
 * are 28,000, and tells the server at once. */
static void linger_off(int fd)
{
	const struct linger none = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

enum health_result health_socket_start(struct health_target *target, int type)
{
	struct sockaddr_storage to;
	socklen_t len = address_of(target, &to);

	target->fd = socket(to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (target->fd < 0)
		return health_end(target, HEALTH_UNASKED, "cannot ask", errno);
	if (type == SOCK_STREAM)
		linger_off(target->fd);
	int r = health_is_tunnelled(target->text, &target->key.backend) ?
			health_tunnel_open(target, to.ss_family, type) :
			0;

	if (r)
		return health_end(target, HEALTH_UNASKED, "cannot ask", -r);
	if (connect(target->fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS)
		return HEALTH_PENDING;
	return is_ours(errno) ? health_end(target, HEALTH_UNASKED, "cannot ask", errno) :
				health_end(target, HEALTH_FAILED, "connect", errno);
}

enum health_result health_unseen(struct health_target *target)
{
	return health_end(target, HEALTH_UNASKED,
			  "not asked by its tunnel: the way there leaves by no watched interface",
			  0);
}

enum health_result health_socket_ready(struct health_target *target)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(target->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if ((!error || error == ECONNREFUSED) && health_tunnel_is_unseen(target))
		return health_unseen(target);
	return error ? health_end(target, HEALTH_FAILED, "connect", error) :
		       health_end(target, HEALTH_OK, "connected", 0);
}

static enum health_result tcp_start(struct health_target *target)
{
	return health_socket_start(target, SOCK_STREAM);
}

static enum health_result tcp_ready(struct health_target *target, uint32_t events)
{
	(void)events;
	return health_socket_ready(target);
}

const struct health_probe health_tcp_probe = {
	.start = tcp_start,
	.ready = tcp_ready,
	.events = EPOLLOUT,
};
