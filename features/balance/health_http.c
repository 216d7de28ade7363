/* SPDX-License-Identifier: Apache-2.0 */
/* A GET by a connection: sent, and what comes back is read until it is known what it is. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "features/balance/health.h"
#include "features/balance/health_http.h"

#define READ_BYTES 16384

static void host_put(const struct health_target *target, struct weir_buf *out)
{
	const struct health_text *text = &target->text->health;
	const struct balance_end *end = &target->key.backend;
	char address[WEIR_ADDR_TEXT];

	weir_addr_to_string(&end->addr, address);
	if (text->host)
		weir_buf_add_str(out, text->host);
	else
		weir_buf_addf(out, weir_addr_is_v4(&end->addr) ? "%s:%u" : "[%s]:%u", address,
			      text->port ? text->port : end->port);
}

static enum health_result http_start(struct health_target *target)
{
	const char *path = target->text->health.path;

	weir_buf_addf(&target->out, "GET %s HTTP/1.1\r\nHost: ", path ? path : "/");
	host_put(target, &target->out);
	weir_buf_add_str(&target->out, "\r\nUser-Agent: weir-health\r\nAccept: */*\r\n"
				       "Connection: close\r\n\r\n");
	if (target->out.failed)
		return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
	return health_socket_start(target, SOCK_STREAM);
}

static enum health_result request_send(struct health_target *target)
{
	while (target->sent < target->out.len) {
		ssize_t n = health_stream_send(target, target->out.data + target->sent,
					       target->out.len - target->sent);

		if (n == -EAGAIN) {
			health_stream_wait(target);
			return HEALTH_PENDING;
		}
		if (n < 0)
			return health_end(target, HEALTH_FAILED, "send", (int)-n);
		target->sent += (size_t)n;
	}
	health_watch(target, EPOLLIN);
	return HEALTH_PENDING;
}

static enum health_result answer_judge(struct health_target *target, bool is_end)
{
	const struct health_text *text = &target->text->health;
	const struct health_http_wanted wanted = {
		.status = text->status ? text->status : HEALTH_STATUS_ANY,
		.body = text->body,
	};

	return health_http_judge(&wanted, weir_buf_str(&target->in), target->in.len, is_end,
				 target->reason);
}

/* Until there is no more: what TLS has read and keeps, the descriptor does not tell of. */
static enum health_result answer_read(struct health_target *target)
{
	char bytes[READ_BYTES];
	enum health_result result;

	do {
		size_t room = HEALTH_HTTP_BYTES - target->in.len;
		ssize_t n = health_stream_recv(target, bytes,
					       room < sizeof(bytes) ? room : sizeof(bytes));

		if (n == -EAGAIN) {
			health_stream_wait(target);
			return HEALTH_PENDING;
		}
		if (n < 0)
			return health_end(target, HEALTH_FAILED, "read", (int)-n);
		if (weir_buf_add(&target->in, bytes, (size_t)n))
			return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
		result = answer_judge(target, n == 0);
	} while (result == HEALTH_PENDING);
	return result;
}

/* HEALTH_OK: the way is free. */
static enum health_result way_make(struct health_target *target)
{
	enum health_result result = HEALTH_OK;

	if (!target->is_connected)
		result = health_socket_ready(target);
	if (result != HEALTH_OK)
		return result;
	target->is_connected = true;
	if (target->text->health.type != HEALTH_HTTPS || target->is_shaken)
		return HEALTH_OK;
	result = health_tls_shake(target);
	target->is_shaken = result == HEALTH_OK;
	if (target->is_shaken)
		health_watch(target, EPOLLOUT);
	return result;
}

static enum health_result http_ready(struct health_target *target, uint32_t events)
{
	enum health_result result = way_make(target);

	(void)events;
	if (result != HEALTH_OK)
		return result;
	return target->sent < target->out.len ? request_send(target) : answer_read(target);
}

const struct health_probe health_http_probe = {
	.start = http_start,
	.ready = http_ready,
	.events = EPOLLOUT,
};
