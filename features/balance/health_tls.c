/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between a connection and what is said by it, and the check that wants no more. Whom the
 * certificate is for is asked where `verify` says so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/tls.h"
#include "features/balance/health.h"

#define NAME_TEXT 256 /* of a host, the longest there may be */

struct health_trust {
	char *path; /* empty: the system's */
	struct weir_tls_trust *trust;
};

static enum health_result handshake_end(struct health_target *target, const char *why)
{
	char what[HEALTH_REASON_TEXT];

	snprintf(what, sizeof(what), "TLS: %.80s", why);
	return health_end(target, HEALTH_FAILED, what, 0);
}

void health_tls_forget(struct health *health)
{
	for (unsigned i = 0; i < health->trust_count; i++) {
		weir_tls_trust_unref(health->trusts[i].trust);
		free(health->trusts[i].path);
	}
	free(weir_take(health->trusts));
	health->trust_count = 0;
}

/* Of `path`, or the system's; read once. NULL: *ret_error says why. */
static struct weir_tls_trust *trust_of(struct health *health, const char *path, int *ret_error)
{
	for (unsigned i = 0; i < health->trust_count; i++)
		if (strcmp(health->trusts[i].path, path ? path : "") == 0)
			return health->trusts[i].trust;
	struct health_trust *trusts =
		reallocarray(health->trusts, health->trust_count + 1ul, sizeof(*trusts));
	_cleanup_free_ char *own = strdup(path ? path : "");
	struct weir_tls_trust *trust = NULL;

	if (trusts)
		health->trusts = trusts;
	*ret_error = trusts && own ?
			     weir_tls_trust_new(path ? WEIR_TLS_TRUST_FILE : WEIR_TLS_TRUST_SYSTEM,
						path, &trust) :
			     -ENOMEM;
	if (!*ret_error)
		trusts[health->trust_count++] =
			(struct health_trust){ .path = weir_take(own), .trust = trust };
	return trust;
}

static enum health_result untrusted_end(struct health_target *target, int error)
{
	const char *ca = target->text->health.ca;
	char what[HEALTH_REASON_TEXT];

	if (error == -ENOMEM)
		return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
	snprintf(what, sizeof(what), "cannot ask: no certificate can be read from %.48s",
		 ca ? ca : "the system's store");
	return health_end(target, HEALTH_UNASKED, what, 0);
}

/* As a certificate has it: without a port, and without the brackets of an address that has one. */
static const char *name_of(const char *host, char *text, size_t size)
{
	bool is_bracketed = host && *host == '[';
	const char *colon = host ? strchr(host, ':') : NULL;
	const char *end = is_bracketed ? strchr(host, ']') : colon;

	if (!end || (!is_bracketed && strchr(colon + 1, ':')))
		return host;
	host += is_bracketed;
	snprintf(text, size, "%.*s", (int)(end - host), host);
	return text;
}

static enum health_result client_new(struct health_target *target)
{
	const struct health_text *text = &target->text->health;
	struct weir_tls_trust *trust = NULL;
	char name[NAME_TEXT];
	int r = 0;

	if (text->verify)
		trust = trust_of(target->health, text->ca, &r);
	if (r)
		return untrusted_end(target, r);
	r = weir_tls_client_new(target->fd, name_of(text->host, name, sizeof(name)), trust,
				&target->tls);
	return r ? health_end(target, HEALTH_UNASKED, "cannot ask", -r) : HEALTH_OK;
}

void health_stream_wait(struct health_target *target)
{
	if (target->tls)
		health_watch(target, weir_tls_client_wants_write(target->tls) ? EPOLLOUT : EPOLLIN);
}

enum health_result health_tls_shake(struct health_target *target)
{
	enum health_result made = target->tls ? HEALTH_OK : client_new(target);

	if (made != HEALTH_OK)
		return made;
	int r = weir_tls_client_shake(target->tls);
	if (r == -EAGAIN) {
		health_stream_wait(target);
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
