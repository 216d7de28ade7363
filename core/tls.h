/* SPDX-License-Identifier: Apache-2.0 */
/* What Weir needs of TLS: whether a certificate and a key belong together, and the client's side of
 * a connection. */
#ifndef WEIR_CORE_TLS_H
#define WEIR_CORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../base/buf.h"

/* Both as PEM. NULL: a server can use them together; else the library's sentence why not. */
const char *weir_tls_pair_problem(const struct weir_buf *certificate, const struct weir_buf *key);
/* Of the first certificate; false where there is none that can be read. */
bool weir_tls_has_expired(const struct weir_buf *certificate);

/* Whose signatures are believed. Many connections share it, since reading the system's store takes
 * milliseconds. */
struct weir_tls_trust;
enum weir_tls_trusted {
	WEIR_TLS_TRUST_ALL, /* no certificate is looked at */
	WEIR_TLS_TRUST_SYSTEM,
	WEIR_TLS_TRUST_FILE, /* PEM, at `path` */
};
/* -ENOENT: there is no certificate that can be read. */
int weir_tls_trust_new(enum weir_tls_trusted whom, const char *path,
		       struct weir_tls_trust **ret_trust);
/* Connections that have it keep it. NULL is allowed. */
void weir_tls_trust_unref(struct weir_tls_trust *trust);

/* A connection on a descriptor that does not block. */
struct weir_tls_client;
/* `name` (may be NULL) is whom it asks for. `trust` NULL: who the server is, is not asked; else
 * the handshake fails unless its certificate is for `name`, or for nobody in particular where that
 * is NULL, and signed by who is trusted. The fd stays the caller's. -ENOMEM, -EIO */
int weir_tls_client_new(int fd, const char *name, struct weir_tls_trust *trust,
			struct weir_tls_client **ret_client);
void weir_tls_client_free(struct weir_tls_client *client);
/* 0: the handshake is done; -EAGAIN: the descriptor is to be waited for; -EPROTO: it failed. */
int weir_tls_client_shake(struct weir_tls_client *client);
/* Whether that is to write, and not to read. */
bool weir_tls_client_wants_write(const struct weir_tls_client *client);
/* As send() and recv(), with -errno. */
ssize_t weir_tls_client_send(struct weir_tls_client *client, const void *bytes, size_t len);
ssize_t weir_tls_client_recv(struct weir_tls_client *client, void *bytes, size_t len);
/* "TLS1.3", behind the handshake. */
const char *weir_tls_client_version(const struct weir_tls_client *client);
/* The library's sentence about what failed last, without its full stop; valid until the next. */
const char *weir_tls_client_why(struct weir_tls_client *client);

#endif
