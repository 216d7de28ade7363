/* SPDX-License-Identifier: Apache-2.0 */
#include "features/log/log_send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"

#define WAIT_S 2
#define SILENT_MS 10000
#define UDP_PORT 514
#define TCP_PORT 601 /* RFC 3195; what syslog by TCP is offered at most often beside 514 */

static int unix_read(const char *path, struct log_address *ret_address)
{
	struct sockaddr_un *at = (struct sockaddr_un *)&ret_address->at;

	if (strlen(path) >= sizeof(at->sun_path))
		return -EINVAL;
	ret_address->kind = LOG_ADDRESS_UNIX;
	at->sun_family = AF_UNIX;
	strncpy(at->sun_path, path, sizeof(at->sun_path) - 1);
	ret_address->len = sizeof(*at);
	return 0;
}

/* Where the address ends: behind brackets, or before the only colon. */
static int host_split(const char *text, const char **ret_host, size_t *ret_len,
		      const char **ret_port)
{
	const char *end = text[0] == '[' ? strchr(text, ']') : text + strcspn(text, ":");

	if (!end)
		return -EINVAL;
	*ret_host = text[0] == '[' ? text + 1 : text;
	*ret_len = (size_t)(end - *ret_host);
	*ret_port = text[0] == '[' ? end + 1 : end;
	return (*ret_port)[0] && (*ret_port)[0] != ':' ? -EINVAL : 0;
}

static int port_read(const char *text, uint16_t fallback, uint16_t *ret_port)
{
	if (!text[0]) {
		*ret_port = fallback;
		return 0;
	}
	unsigned long port = strtoul(text + 1, NULL, 10);

	if (!text[1] || strlen(text + 1) > 5 ||
	    strspn(text + 1, "0123456789") != strlen(text + 1) || !port || port > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

static void inet_fill(const struct weir_addr *addr, uint16_t port, struct log_address *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address->at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->at;

	if (weir_addr_is_v4(addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, (const char *)addr + 12, 4);
		address->len = sizeof(*v4);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, addr, 16);
		address->len = sizeof(*v6);
	}
}

int log_address_read(const char *text, struct log_address *ret_address)
{
	struct log_address address = { 0 };
	bool is_tcp = strncmp(text, "tcp://", 6) == 0;
	const char *host, *port_text;
	struct weir_addr addr;
	size_t len;
	uint16_t port;
	int r = -EINVAL;

	if (text[0] == '/') {
		r = unix_read(text, &address);
	} else if ((is_tcp || strncmp(text, "udp://", 6) == 0) &&
		   !host_split(text + 6, &host, &len, &port_text) &&
		   !weir_addr_from_string(host, len, &addr) &&
		   !port_read(port_text, is_tcp ? TCP_PORT : UDP_PORT, &port)) {
		address.kind = is_tcp ? LOG_ADDRESS_TCP : LOG_ADDRESS_UDP;
		inet_fill(&addr, port, &address);
		r = 0;
	}
	if (!r)
		*ret_address = address;
	return r;
}

static int typed_connect(const struct log_address *address, int type)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	unsigned silent_ms = SILENT_MS;
	int fd = socket(address->at.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* It bounds connect(), too. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	/* A collector that is gone without a word is known to be after this, not after a quarter
	 * of an hour, in which lines would go into the socket's buffer and nowhere else. */
	if (address->kind == LOG_ADDRESS_TCP)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
	if (connect(fd, (const struct sockaddr *)&address->at, address->len) == 0)
		return fd;
	int error = errno == EINPROGRESS ? ETIMEDOUT : errno;

	close(fd);
	return -error;
}

int log_connect(const struct log_address *address)
{
	bool is_tcp = address->kind == LOG_ADDRESS_TCP;
	int fd = typed_connect(address, is_tcp ? SOCK_STREAM : SOCK_DGRAM);

	return fd == -EPROTOTYPE ? typed_connect(address, SOCK_STREAM) : fd;
}

bool log_is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM;
}

int log_refused(int fd, int wait_ms)
{
	struct pollfd failed = { .fd = fd }; /* POLLERR is always told */
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&failed, 1, wait_ms) <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return 0;
	return -error;
}

int log_send_datagram(int fd, const char *bytes, size_t len)
{
	return send(fd, bytes, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What the other end closed takes what is sent next without a word: it is looked for first. */
static bool is_closed(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN | POLLRDHUP };
	char byte;

	if (poll(&ready, 1, 0) <= 0)
		return false;
	return (ready.revents & (POLLHUP | POLLERR | POLLRDHUP)) ||
	       recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int log_send_stream(int fd, const char *bytes, size_t len)
{
	if (is_closed(fd))
		return -EPIPE;
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}
