/* SPDX-License-Identifier: Apache-2.0 */
/* Makes listening sockets. Who may use them is said here only by file modes and addresses. */
#include "api/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BACKLOG 1024 /* the kernel cuts it to net.core.somaxconn */

static int listen_refuse(struct weir_diag *diag, const char *key, const char *text)
{
	return weir_diag_key(diag, key, "write 127.0.0.1:11811, [::1]:11811 or off",
			     "'%s' is not an address and port to listen on", text);
}

/* The port of 1 to 65535 that text is, or -1. */
static int port_from_string(const char *text)
{
	char *end = NULL;
	if (text[0] < '0' || text[0] > '9')
		return -1;
	unsigned long port = strtoul(text, &end, 10);
	return *end == '\0' && port >= 1 && port <= 65535 ? (int)port : -1;
}

static bool listen_set_v4(struct weir_listen *listen, in_port_t port)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&listen->address;
	if (inet_pton(AF_INET, listen->host, &address->sin_addr) != 1)
		return false;
	address->sin_family = AF_INET;
	address->sin_port = port;
	listen->address_len = sizeof(*address);
	listen->is_loopback = ntohl(address->sin_addr.s_addr) >> 24 == 127;
	return true;
}

static bool listen_set_v6(struct weir_listen *listen, in_port_t port)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&listen->address;
	if (inet_pton(AF_INET6, listen->host, &address->sin6_addr) != 1)
		return false;
	address->sin6_family = AF_INET6;
	address->sin6_port = port;
	listen->address_len = sizeof(*address);
	listen->is_loopback = IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
	return true;
}

int weir_listen_parse(const char *key, const char *text, struct weir_diag *diag,
		      struct weir_listen *ret_listen)
{
	struct weir_listen listen = { .key = key };
	if (!text || strcmp(text, "off") == 0) {
		listen.is_off = true;
		*ret_listen = listen;
		return 0;
	}
	const char *colon = strrchr(text, ':');
	int port = colon ? port_from_string(colon + 1) : -1;
	if (port < 0)
		return listen_refuse(diag, key, text);

	bool has_brackets = text[0] == '[' && colon > text && colon[-1] == ']';
	const char *host = text + has_brackets;
	size_t len = (size_t)(colon - text) - 2u * has_brackets;
	if (len == 0 || len >= sizeof(listen.host))
		return listen_refuse(diag, key, text);
	memcpy(listen.host, host, len);
	if (has_brackets ? !listen_set_v6(&listen, htons((uint16_t)port)) :
			   !listen_set_v4(&listen, htons((uint16_t)port)))
		return listen_refuse(diag, key, text);
	*ret_listen = listen;
	return 0;
}

int weir_listen_tcp(const struct weir_listen *listen_at, struct weir_diag *diag, int *ret_fd)
{
	const struct sockaddr *address = (const struct sockaddr *)&listen_at->address;
	const int on = 1;
	_cleanup_close_ int fd =
		socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (address->sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, address, listen_at->address_len) < 0 || listen(fd, BACKLOG) < 0) {
		int error = errno;
		unsigned port = ntohs(((const struct sockaddr_in *)address)->sin_port);
		weir_diag_key(diag, listen_at->key,
			      error == EADDRINUSE ?
				      "another program listens there: choose another port, or off" :
				      NULL,
			      "cannot listen on %s port %u: %s", listen_at->host, port,
			      strerror(error));
		return -error;
	}
	*ret_fd = weir_take_fd(fd);
	return 0;
}

/* Whether somebody accepts connections there. */
static bool unix_is_answered(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	/* EAGAIN: a full backlog, so somebody listens. */
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno == EAGAIN;
}

static int unix_set_group(const char *path, const char *group, struct weir_diag *diag)
{
	gid_t gid = 0;
	if (group) {
		errno = 0;
		const struct group *entry = getgrnam(group);
		if (!entry)
			return weir_diag_key(diag, "api.socket-group",
					     "make it with: groupadd --system NAME",
					     "there is no group '%s'", group);
		gid = entry->gr_gid;
	}
	if (chown(path, (uid_t)-1, gid) == 0 || (!group && errno == EPERM))
		return 0;
	int error = errno;
	weir_diag_key(diag, "api.socket-group", NULL, "cannot give %s to group %s: %s", path,
		      group ? group : "root", strerror(error));
	return -error;
}

static int unix_path_set(struct sockaddr_un *address, const char *path, const char *suffix)
{
	address->sun_family = AF_UNIX;
	int len = snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);
	return len > 0 && (size_t)len < sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Bound under a name of its own first: nobody can connect before mode and group are right. */
static int unix_bind(int fd, const struct sockaddr_un *address, const char *group,
		     struct weir_diag *diag)
{
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return -errno;
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(before);
	if (r < 0)
		return r;
	r = unix_set_group(address->sun_path, group, diag);
	if (r == 0 && (chmod(address->sun_path, 0660) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r < 0)
		unlink(address->sun_path);
	return r;
}

int weir_listen_unix(const char *path, const char *group, struct weir_diag *diag, int *ret_fd)
{
	struct sockaddr_un address, draft;
	if (unix_path_set(&address, path, "") < 0 || unix_path_set(&draft, path, ".new") < 0) {
		weir_diag_error(diag, "choose a shorter --run-dir",
				"the socket's path is too long: %s", path);
		return -ENAMETOOLONG;
	}
	if (unix_is_answered(&address)) {
		weir_diag_error(
			diag,
			"stop it, or give this one its own --run-dir, --state-dir and --pin-dir",
			"another daemon answers on %s", path);
		return -EADDRINUSE;
	}
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t told = diag->errors;
	int r = fd < 0 ? -errno : unix_bind(fd, &draft, group, diag);
	if (r == 0 && rename(draft.sun_path, path) < 0) {
		r = -errno;
		unlink(draft.sun_path);
	}
	if (r < 0) {
		if (diag->errors == told)
			weir_diag_error(diag, NULL, "cannot listen on %s: %s", path, strerror(-r));
		return r;
	}
	*ret_fd = weir_take_fd(fd);
	return 0;
}
