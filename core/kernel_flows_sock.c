/* SPDX-License-Identifier: Apache-2.0 */
/* The connected sockets of this host, by sock_diag (linux/inet_diag.h). */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "core/kernel_flows_private.h"

/* Every state but those in which nobody is at the other end. */
#define TCP_LIVE                                                                             \
	(1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV | 1 << TCP_FIN_WAIT1 | \
	 1 << TCP_FIN_WAIT2 | 1 << TCP_TIME_WAIT | 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | \
	 1 << TCP_CLOSING)

static void addr_set(uint8_t family, const __be32 words[4], struct weir_addr *ret_addr)
{
	*ret_addr = (struct weir_addr){ .bytes = { [10] = 0xff, [11] = 0xff } };
	if (family == AF_INET)
		ret_addr->be32[3] = words[0];
	else
		memcpy(ret_addr, words, sizeof(*ret_addr));
}

/* Sockets that are only half there (a SYN that waits, a closing one) come without this. */
static void scales_read(const struct rtattr *attr, struct kernel_socket *socket)
{
	struct tcp_info tcp = { 0 };

	if (RTA_PAYLOAD(attr) <= offsetof(struct tcp_info, tcpi_options) + 1 ||
	    socket->state == TCP_SYN_SENT)
		return;
	memcpy(&tcp, RTA_DATA(attr),
	       RTA_PAYLOAD(attr) < sizeof(tcp) ? RTA_PAYLOAD(attr) : sizeof(tcp));
	bool is_scaled = tcp.tcpi_options & TCPI_OPT_WSCALE;

	/* snd: by how much this end scales what the other announces. */
	socket->remote_scale = (int8_t)(is_scaled ? tcp.tcpi_snd_wscale : 0);
	socket->local_scale = (int8_t)(is_scaled ? tcp.tcpi_rcv_wscale : 0);
}

static void attr_read(const struct rtattr *attr, struct kernel_socket *socket)
{
	unsigned type = attr->rta_type & NLA_TYPE_MASK;

	if (type == INET_DIAG_INFO && socket->proto == IPPROTO_TCP)
		scales_read(attr, socket);
	if (type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(attr) >= 1)
		socket->is_v6_only = *(const uint8_t *)RTA_DATA(attr);
}

bool weir_kernel_socket_read(const struct nlmsghdr *message, uint8_t proto,
			     struct kernel_socket *ret_socket)
{
	const struct inet_diag_msg *about = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*about));

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || left < 0 ||
	    (about->idiag_family != AF_INET && about->idiag_family != AF_INET6))
		return false;
	*ret_socket = (struct kernel_socket){
		.local_port = about->id.idiag_sport,
		.remote_port = about->id.idiag_dport,
		.proto = proto,
		.state = about->idiag_state,
		.local_scale = WEIR_KERNEL_FLOW_SCALE_UNKNOWN,
		.remote_scale = WEIR_KERNEL_FLOW_SCALE_UNKNOWN,
	};
	addr_set(about->idiag_family, about->id.idiag_src, &ret_socket->local);
	addr_set(about->idiag_family, about->id.idiag_dst, &ret_socket->remote);
	for (const struct rtattr *a =
		     (const void *)((const char *)about + NLMSG_ALIGN(sizeof(*about)));
	     RTA_OK(a, left); a = RTA_NEXT(a, left))
		attr_read(a, ret_socket);
	return true;
}

static enum weir_kernel_flow_stage stage_of(uint8_t state, bool remote_began)
{
	switch (state) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		return WEIR_KERNEL_FLOW_OPENING;
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
		return remote_began ? WEIR_KERNEL_FLOW_RESPONDER_CLOSED :
				      WEIR_KERNEL_FLOW_INITIATOR_CLOSED;
	case TCP_CLOSE_WAIT:
		return remote_began ? WEIR_KERNEL_FLOW_INITIATOR_CLOSED :
				      WEIR_KERNEL_FLOW_RESPONDER_CLOSED;
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return WEIR_KERNEL_FLOW_BOTH_CLOSED;
	case TCP_TIME_WAIT:
		return WEIR_KERNEL_FLOW_TIME_WAIT;
	default:
		return WEIR_KERNEL_FLOW_ESTABLISHED;
	}
}

static bool is_connected(const struct kernel_socket *socket)
{
	if (!socket->local_port || !socket->remote_port)
		return false;
	if (socket->proto == IPPROTO_UDP)
		return socket->state == TCP_ESTABLISHED;
	return socket->state <= TCP_CLOSING && (TCP_LIVE >> socket->state & 1);
}

static void ends_set(const struct kernel_socket *socket, bool remote_began,
		     struct weir_kernel_flow *flow)
{
	flow->initiator = remote_began ? socket->remote : socket->local;
	flow->responder = remote_began ? socket->local : socket->remote;
	flow->initiator_port = remote_began ? socket->remote_port : socket->local_port;
	flow->responder_port = remote_began ? socket->local_port : socket->remote_port;
	flow->initiator_scale = remote_began ? socket->remote_scale : socket->local_scale;
	flow->responder_scale = remote_began ? socket->local_scale : socket->remote_scale;
}

bool weir_kernel_socket_flow(const struct kernel_socket *socket, bool remote_began,
			     struct weir_kernel_flow *ret_flow)
{
	bool is_tcp = socket->proto == IPPROTO_TCP;

	if (!is_connected(socket))
		return false;
	/* These two tell by themselves, whoever waits at the port. */
	if (is_tcp && socket->state == TCP_SYN_SENT)
		remote_began = false;
	if (is_tcp && socket->state == TCP_SYN_RECV)
		remote_began = true;
	struct weir_kernel_flow flow = {
		.proto = socket->proto,
		.source = WEIR_KERNEL_FLOW_SOCKET,
		.stage = is_tcp ? stage_of(socket->state, remote_began) : WEIR_KERNEL_FLOW_UNSTAGED,
		/* This host answered the SYN of TCP_SYN_RECV by itself. */
		.answered = socket->state != TCP_SYN_SENT,
		.assured = socket->state != TCP_SYN_SENT && socket->state != TCP_SYN_RECV,
	};

	ends_set(socket, remote_began, &flow);
	*ret_flow = flow;
	return true;
}

/* Where this host waits for others to begin; any address is :: or ::ffff:0.0.0.0. */
struct port {
	struct weir_addr addr;
	__be16 number;
};

/* Sorted once they are all there. */
struct ports {
	struct port *at;
	size_t count, room;
};

static int ports_add(struct ports *ports, const struct weir_addr *addr, __be16 number)
{
	if (ports->count == ports->room) {
		size_t room = ports->room ? 2 * ports->room : 64;
		struct port *at = reallocarray(ports->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		ports->at = at;
		ports->room = room;
	}
	ports->at[ports->count++] = (struct port){ .addr = *addr, .number = number };
	return 0;
}

static int port_compare(const void *a, const void *b)
{
	const struct port *one = a, *other = b;
	int by_number = one->number - other->number;

	return by_number ? by_number : weir_addr_compare(&one->addr, &other->addr);
}

static bool ports_have(const struct ports *ports, const struct weir_addr *addr, __be16 number)
{
	struct port wanted = { .addr = *addr, .number = number };

	return ports->count &&
	       bsearch(&wanted, ports->at, ports->count, sizeof(wanted), port_compare);
}

static const struct weir_addr any_v4 = { .bytes = { [10] = 0xff, [11] = 0xff } };
static const struct weir_addr any_v6;

static bool is_waited_at(const struct ports *ports, const struct kernel_socket *socket)
{
	const struct weir_addr *any = weir_addr_is_v4(&socket->local) ? &any_v4 : &any_v6;

	return ports_have(ports, &socket->local, socket->local_port) ||
	       ports_have(ports, any, socket->local_port);
}

struct listing {
	struct kernel_flow_telling *telling;
	uint8_t proto;
	struct ports ports;
};

static void listing_done(struct listing *listing)
{
	free(listing->ports.at);
}

static int port_take(const struct nlmsghdr *message, void *arg)
{
	struct listing *listing = arg;
	struct kernel_socket socket;

	if (!weir_kernel_socket_read(message, listing->proto, &socket))
		return 0;
	bool serves_v4 = memcmp(&socket.local, &any_v6, sizeof(any_v6)) == 0 && !socket.is_v6_only;
	int r = serves_v4 ? ports_add(&listing->ports, &any_v4, socket.local_port) : 0;

	return r ? r : ports_add(&listing->ports, &socket.local, socket.local_port);
}

static int socket_tell(const struct nlmsghdr *message, void *arg)
{
	struct listing *listing = arg;
	struct kernel_socket socket;
	struct weir_kernel_flow flow;

	if (!weir_kernel_socket_read(message, listing->proto, &socket) ||
	    !weir_kernel_socket_flow(&socket, is_waited_at(&listing->ports, &socket), &flow))
		return 0;
	return weir_kernel_flow_tell(listing->telling, &flow);
}

static int family_ask(struct listing *listing, uint8_t family, uint32_t states,
		      weir_netlink_fn *each)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 sockets;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.sockets = { .sdiag_family = family,
			     .sdiag_protocol = listing->proto,
			     .idiag_ext = 1 << (INET_DIAG_INFO - 1),
			     .idiag_states = states },
	};

	return weir_kernel_flows_ask(listing->telling, NETLINK_SOCK_DIAG, &request.header, each,
				     listing);
}

static int states_ask(struct listing *listing, uint32_t states, weir_netlink_fn *each)
{
	int r = family_ask(listing, AF_INET, states, each);

	return r ? r : family_ask(listing, AF_INET6, states, each);
}

/* A UDP socket that is not connected is in TCP_CLOSE. */
static int proto_list(struct kernel_flow_telling *telling, uint8_t proto)
{
	_cleanup_(listing_done) struct listing listing = { .telling = telling, .proto = proto };
	bool is_tcp = proto == IPPROTO_TCP;
	uint32_t waiting = 1 << (is_tcp ? TCP_LISTEN : TCP_CLOSE);
	int r = states_ask(&listing, waiting, port_take);

	if (!r && listing.ports.count)
		qsort(listing.ports.at, listing.ports.count, sizeof(*listing.ports.at),
		      port_compare);
	return r ? r : states_ask(&listing, is_tcp ? TCP_LIVE : 1 << TCP_ESTABLISHED, socket_tell);
}

/* ENOENT: sock_diag has nobody who lists that kind. */
static bool is_absence(int r)
{
	return r == -ENOENT || r == -EPROTONOSUPPORT;
}

int weir_kernel_flows_of_sockets(struct kernel_flow_telling *telling)
{
	int r = proto_list(telling, IPPROTO_TCP);

	telling->has_no_tcp = !telling->ended && is_absence(r);
	if (r && !telling->has_no_tcp)
		return r;
	r = proto_list(telling, IPPROTO_UDP);
	telling->has_no_udp = !telling->ended && is_absence(r);
	return telling->has_no_udp ? 0 : r;
}
