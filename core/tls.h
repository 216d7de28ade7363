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

/* A connection on a descriptor that does not block. It does not ask who the server is: no
 * certificate is looked at. */
struct weir_tls_client;
/* `name` (may be NULL) is whom it asks for. The fd stays the caller's. -ENOMEM, -EIO */
int weir_tls_client_new(int fd, const char *name, struct weir_tls_client **ret_client);
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
