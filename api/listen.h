/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets the API listens on: made here, served by http.c. */
#ifndef WEIR_API_LISTEN_H
#define WEIR_API_LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../base/diag.h"

struct weir_listen {
	const char *key; /* of the configuration */
	bool is_off;
	bool is_loopback;
	char host[INET6_ADDRSTRLEN]; /* as in a Host header, without brackets */
	struct sockaddr_storage address;
	socklen_t address_len;
};

/* "127.0.0.1:11811", "[::1]:11811", "off". -EINVAL otherwise, told in diag. */
int weir_listen_parse(const char *key, const char *text, struct weir_diag *diag,
		      struct weir_listen *ret_listen);
/* A listening, non-blocking TCP socket. */
int weir_listen_tcp(const struct weir_listen *listen, struct weir_diag *diag, int *ret_fd);
/*
 * A listening unix socket at path, mode 0660, of that group (NULL: root's). It appears complete, by
 * rename. A socket left by a dead process is replaced; -EADDRINUSE when somebody answers on it.
 */
int weir_listen_unix(const char *path, const char *group, struct weir_diag *diag, int *ret_fd);

#endif
