/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram: refused by ICMP is down. Where no answer is expected silence is good, but for a while
 * behind refusals (health_silence.h). */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "features/balance/health.h"
#include "features/balance/health_bytes.h"
#include "features/balance/health_tunnel.h"

#define ANSWER_BYTES 65536

static enum health_result refused_end(struct health_target *target, const char *what, int error)
{
	target->health->refused_ns = weir_clock_monotonic_ns();
	health_silence_refused(&target->silence, target->health->refused_ns);
	return health_end(target, HEALTH_FAILED, what, error);
}

/* What was refused may be known before it is read. */
enum health_result health_datagram_send(struct health_target *target, const struct weir_buf *bytes)
{
	enum health_result result = health_socket_start(target, SOCK_DGRAM);

	if (result != HEALTH_PENDING)
		return result;
	if (send(target->fd, weir_buf_str(bytes), bytes->len, MSG_NOSIGNAL) >= 0)
		return HEALTH_PENDING;
	return errno == ENETUNREACH || errno == EHOSTUNREACH || errno == ECONNREFUSED ?
		       refused_end(target, "send", errno) :
		       health_end(target, HEALTH_UNASKED, "cannot ask", errno);
}

enum health_result health_datagram_read(struct health_target *target, void *bytes, size_t *len)
{
	ssize_t n = recv(target->fd, bytes, *len, 0);

	if (n < 0)
		return errno == EAGAIN ? HEALTH_PENDING : refused_end(target, "ICMP", errno);
	if (health_tunnel_is_unseen(target))
		return health_unseen(target);
	health_silence_answered(&target->silence);
	*len = (size_t)n;
	return HEALTH_OK;
}

static enum health_result udp_start(struct health_target *target)
{
	_cleanup_buf_ struct weir_buf bytes = { 0 };

	if (health_bytes_add(target->text->health.send, &bytes))
		return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
	return health_datagram_send(target, &bytes);
}

static enum health_result udp_ready(struct health_target *target, uint32_t events)
{
	_cleanup_buf_ struct weir_buf wanted = { 0 };
	static char bytes[ANSWER_BYTES]; /* the loop's alone */
	size_t len = sizeof(bytes);
	enum health_result result = health_datagram_read(target, bytes, &len);

	(void)events;
	if (result != HEALTH_OK)
		return result;
	if (health_bytes_add(target->text->health.expect, &wanted))
		return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
	if (wanted.len && !memmem(bytes, len, wanted.data, wanted.len))
		return health_end(target, HEALTH_FAILED, "an answer without what is expected", 0);
	return health_end(target, HEALTH_OK, "answered", 0);
}

static enum health_result udp_late(struct health_target *target)
{
	if (target->text->health.expect)
		return HEALTH_FAILED;
	if (health_silence_is_doubtful(&target->silence, target->health->refused_ns,
				       target->began_ns, weir_clock_monotonic_ns()))
		return health_end(target, HEALTH_UNASKED,
				  "not refused, which says nothing behind other refusals", 0);
	return health_end(target, HEALTH_OK, "not refused", 0);
}

const struct health_probe health_udp_probe = {
	.start = udp_start,
	.ready = udp_ready,
	.late = udp_late,
	.events = EPOLLIN,
};
