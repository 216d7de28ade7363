/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each error about a tunnel's packet is sent to this host once more, while a raw socket of the
 * tunnel's protocol stands by, connected to the backend: for that the kernel notes the MTU, as of a
 * tunnel of its own, and bpf_fib_lookup() goes by it. No such socket may stand for good: it gets a
 * copy of whatever the backend sends by that protocol.
 */
#include "features/balance/balance_paths.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "core/route.h"

#define MESSAGE_BYTES 1500 /* an error is 576 of IPv4 and 1,280 of IPv6, but who knows */
#define IPV4_IHL_MASK 0xf
#define BATCH 64 /* messages before the loop has its turn */

union sockaddr_ip {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t sockaddr_of(const struct weir_addr *addr, union sockaddr_ip *ret_at)
{
	if (weir_addr_is_v4(addr)) {
		ret_at->v4 = (struct sockaddr_in){ .sin_family = AF_INET,
						   .sin_addr.s_addr = addr->be32[3] };
		return sizeof(ret_at->v4);
	}
	ret_at->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	memcpy(&ret_at->v6.sin6_addr, addr, sizeof(*addr));
	return sizeof(ret_at->v6);
}

static bool is_held(const struct balance_paths *paths, const struct balance_quote *quote)
{
	for (unsigned i = 0; i < paths->count; i++)
		if (memcmp(&paths->held[i], quote, sizeof(*quote)) == 0)
			return true;
	return false;
}

static int addr_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct weir_addr));
}

static size_t backends_all(const struct balance_section *acting, struct weir_addr *ret_addrs)
{
	size_t count = 0;

	for (unsigned i = 0; i < acting->service_count; i++) {
		const struct balance_text *service = &acting->services[i];

		for (unsigned k = 0; balance_tunnels(service) && k < service->backend_count; k++) {
			const char *text = service->backends[k].address;

			if (ret_addrs &&
			    weir_addr_from_string(text, strlen(text), &ret_addrs[count]))
				continue;
			count++;
		}
	}
	return count;
}

static void backends_take(struct balance_paths *paths)
{
	const struct balance_section *acting = balance_acting_of(paths->balance);

	free(paths->backends);
	paths->backends = calloc(backends_all(acting, NULL) + 1, sizeof(*paths->backends));
	paths->backend_count = paths->backends ? backends_all(acting, paths->backends) : 0;
	paths->is_stale = !paths->backends;
	if (paths->backends)
		qsort(paths->backends, paths->backend_count, sizeof(*paths->backends),
		      addr_compare);
}

/* "0.0.0.0" and "::", which the kernel takes for this host where it is asked for a way there. */
static bool is_nobody(const struct weir_addr *addr)
{
	return !addr->be32[3] && (weir_addr_is_v4(addr) || (!addr->be64[0] && !addr->be32[2]));
}

/* Nobody else's packet can be meant: who forges an error must know that much. */
static bool is_ours(struct balance_paths *paths, const struct balance_quote *quote)
{
	struct weir_route route;

	if (paths->is_stale)
		backends_take(paths);
	return paths->backend_count &&
	       bsearch(&quote->to, paths->backends, paths->backend_count, sizeof(quote->to),
		       addr_compare) &&
	       !is_nobody(&quote->from) && !weir_route_ask(&quote->from, &route) && route.is_here;
}

/* -errno. */
static int stand_by(const struct balance_quote *quote)
{
	union sockaddr_ip from, to;
	socklen_t len = sockaddr_of(&quote->from, &from);
	_cleanup_close_ int fd =
		socket(from.any.sa_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, quote->proto);

	sockaddr_of(&quote->to, &to);
	if (fd < 0 || bind(fd, &from.any, len) || connect(fd, &to.any, len))
		return -errno;
	return weir_take_fd(fd);
}

/* To whom it came in the first place; the kernel hears it before this returns, or soon after. */
static void tell(struct balance_paths *paths, int error_fd, const struct balance_quote *quote,
		 const uint8_t *message, size_t len)
{
	union sockaddr_ip here;
	socklen_t here_len = sockaddr_of(&quote->from, &here);

	if (paths->count == BALANCE_PATHS_HELD || is_held(paths, quote) || !is_ours(paths, quote))
		return; /* the next packet that is too long brings the next error */
	int fd = stand_by(quote);

	if (fd < 0)
		return;
	if (sendto(error_fd, message, len, 0, &here.any, here_len) != (ssize_t)len) {
		close(fd);
		return;
	}
	paths->held[paths->count] = *quote;
	paths->sockets[paths->count++] = fd;
	paths->told++;
	balance_ways_changed(paths->balance);
}

static void message_take(struct balance_paths *paths, int error_fd, const uint8_t *message,
			 size_t len, const union sockaddr_ip *sender)
{
	bool is_v4 = sender->any.sa_family == AF_INET;
	size_t header = is_v4 ? (message[0] & IPV4_IHL_MASK) * 4u : 0;
	union sockaddr_ip own;
	struct balance_quote quote;

	if (len < header || !balance_quote_read(message + header, len - header, is_v4, &quote))
		return;
	sockaddr_of(&quote.from, &own);
	bool is_own = is_v4 ? own.v4.sin_addr.s_addr == sender->v4.sin_addr.s_addr :
			      memcmp(&own.v6.sin6_addr, &sender->v6.sin6_addr,
				     sizeof(own.v6.sin6_addr)) == 0;

	if (!is_own) /* or it is what tell() sent */
		tell(paths, error_fd, &quote, message + header, len - header);
}

static void errors_ready(struct balance_paths *paths, int fd)
{
	uint8_t message[MESSAGE_BYTES];

	for (unsigned i = 0; i < BATCH; i++) {
		union sockaddr_ip sender = { .any.sa_family = AF_UNSPEC };
		socklen_t len = sizeof(sender);
		ssize_t got =
			recvfrom(fd, message, sizeof(message), MSG_DONTWAIT, &sender.any, &len);

		if (got <= 0)
			return;
		message_take(paths, fd, message, (size_t)got, &sender);
	}
}

static void errors_v4_ready(void *arg)
{
	struct balance_paths *paths = arg;

	errors_ready(paths, paths->fds[0]);
}

static void errors_v6_ready(void *arg)
{
	struct balance_paths *paths = arg;

	errors_ready(paths, paths->fds[1]);
}

static int filter_set(int fd, bool is_v4)
{
	const struct icmp_filter v4 = { .data = ~(1u << ICMP_DEST_UNREACH) };
	struct icmp6_filter v6;

	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &v6);
	return is_v4 ? setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4)) :
		       setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

/* -errno. */
static int listen_begin(struct balance_paths *paths, unsigned which)
{
	bool is_v4 = which == 0;
	struct weir_loop *loop = weir_engine_loop(paths->engine);
	_cleanup_close_ int fd =
		socket(is_v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd < 0 || filter_set(fd, is_v4))
		return -errno;
	paths->watches[which] =
		loop->watch(loop, fd, is_v4 ? errors_v4_ready : errors_v6_ready, paths);
	if (!paths->watches[which])
		return -ENOMEM;
	paths->fds[which] = weir_take_fd(fd);
	return 0;
}

static void listen_end(struct balance_paths *paths, unsigned which)
{
	if (paths->fds[which] < 0)
		return;
	weir_engine_loop(paths->engine)->forget(paths->watches[which]);
	weir_cleanup_close(&paths->fds[which]);
}

static void listen_set(struct balance_paths *paths, unsigned which, bool is_wanted)
{
	int r = 0;

	if (!is_wanted)
		listen_end(paths, which);
	else if (paths->fds[which] < 0)
		r = listen_begin(paths, which);
	if (!r || r == -EAFNOSUPPORT || paths->is_warned)
		return;
	paths->is_warned = true;
	weir_engine_warn(paths->engine, weir_balance.name,
			 "the MTU of paths to backends of tunnels is not learned from routers: %s",
			 strerror(-r));
}

void balance_paths_live(struct balance_paths *paths, const struct balance_section *acting)
{
	bool is_wanted = false;

	if (!paths)
		return;
	paths->is_stale = true;
	for (unsigned i = 0; i < acting->service_count && !is_wanted; i++)
		is_wanted = balance_tunnels(&acting->services[i]);
	for (unsigned which = 0; which < WEIR_ARRAY_SIZE(paths->fds); which++)
		listen_set(paths, which, is_wanted);
}

void balance_paths_tick(struct balance_paths *paths)
{
	while (paths && paths->count)
		close(paths->sockets[--paths->count]);
}

int balance_paths_snapshot(const struct balance_paths *paths, struct weir_snapshot *snapshot)
{
	if (!paths)
		return 0;
	return weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_path_mtu_errors_total",
				 "Errors of routers about packets of tunnels that were too long "
				 "for a path to a backend, which the kernel was told of, since the "
				 "daemon started.",
				 (double)paths->told, NULL);
}

int balance_paths_new(struct balance *balance, struct balance_paths **ret_paths)
{
	struct balance_paths *paths = balance->engine ? calloc(1, sizeof(*paths)) : NULL;

	if (balance->engine && !paths)
		return -ENOMEM;
	if (paths) {
		paths->balance = balance;
		paths->engine = balance->engine;
		paths->fds[0] = paths->fds[1] = -1;
	}
	*ret_paths = paths;
	return 0;
}

void balance_paths_free(struct balance_paths *paths)
{
	if (!paths)
		return;
	balance_paths_tick(paths);
	for (unsigned which = 0; which < WEIR_ARRAY_SIZE(paths->fds); which++)
		listen_end(paths, which);
	free(paths->backends);
	free(paths);
}
