/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that lines go to. For a thread of a sink: these wait, two seconds at the most. */
#ifndef WEIR_LOG_SEND_H
#define WEIR_LOG_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum log_address_kind {
	LOG_ADDRESS_UNIX,
	LOG_ADDRESS_UDP,
	LOG_ADDRESS_TCP,
};

struct log_address {
	enum log_address_kind kind;
	struct sockaddr_storage at;
	socklen_t len;
};

/* "/dev/log", "udp://192.0.2.1:514", "tcp://[2001:db8::1]:601"; the port may be left out. Addresses
 * only: looking up a name could take long, and no rule would know it. -EINVAL. */
int log_address_read(const char *text, struct log_address *ret_address);
/* A descriptor, or -errno. A socket of this host may be one of datagrams or, as some syslog daemons
 * have it, a stream: log_is_stream() tells. */
int log_connect(const struct log_address *address);
bool log_is_stream(int fd);
/* After a datagram by a socket of UDP: whether its host says within that time that nobody listens.
 * A host that is this one has said it by then. 0 or -errno. */
int log_refused(int fd, int wait_ms);
/* 0 or -errno; -EMSGSIZE: no such socket takes as much at once. */
int log_send_datagram(int fd, const char *bytes, size_t len);
int log_send_stream(int fd, const char *bytes, size_t len);

#endif
