/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between a connection and what is said by it, and the check that wants no more. Whom the
 * certificate is for is not asked: a check says who serves, not who is honest. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/tls.h"
#include "features/balance/health.h"

static enum health_result handshake_end(struct health_target *target, const char *why)
{
	char what[HEALTH_REASON_TEXT];

	snprintf(what, sizeof(what), "TLS: %.80s", why);
	return health_end(target, HEALTH_FAILED, what, 0);
}

enum health_result health_tls_shake(struct health_target *target)
{
	int r = target->tls ?
			0 :
			weir_tls_client_new(target->fd, target->text->health.host, &target->tls);

	if (r)
		return health_end(target, HEALTH_UNASKED, "cannot ask", -r);
	r = weir_tls_client_shake(target->tls);
	if (r == -EAGAIN) {
		health_watch(target, weir_tls_client_wants_write(target->tls) ? EPOLLOUT : EPOLLIN);
		return HEALTH_PENDING;
	}
	return r ? handshake_end(target, weir_tls_client_why(target->tls)) : HEALTH_OK;
}

ssize_t health_stream_send(struct health_target *target, const void *bytes, size_t len)
{
	if (target->tls)
		return weir_tls_client_send(target->tls, bytes, len);
	ssize_t n = send(target->fd, bytes, len, MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

ssize_t health_stream_recv(struct health_target *target, void *bytes, size_t len)
{
	if (target->tls)
		return weir_tls_client_recv(target->tls, bytes, len);
	ssize_t n = recv(target->fd, bytes, len, 0);

	return n < 0 ? -errno : n;
}

static enum health_result tls_start(struct health_target *target)
{
	return health_socket_start(target, SOCK_STREAM);
}

static enum health_result tls_ready(struct health_target *target, uint32_t events)
{
	enum health_result result = target->tls ? HEALTH_OK : health_socket_ready(target);

	(void)events;
	if (result == HEALTH_OK)
		result = health_tls_shake(target);
	return result == HEALTH_OK ?
		       health_end(target, result, weir_tls_client_version(target->tls), 0) :
		       result;
}

const struct health_probe health_tls_probe = {
	.start = tls_start,
	.ready = tls_ready,
	.events = EPOLLOUT,
};
