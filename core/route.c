/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define V4_BYTES 4
#define V4_OFFSET 12 /* in struct weir_addr */

static void number_read(const struct rtattr *attribute, uint32_t *ret_number)
{
	if (RTA_PAYLOAD(attribute) >= sizeof(*ret_number))
		memcpy(ret_number, RTA_DATA(attribute), sizeof(*ret_number));
}

static void metrics_read(const struct rtattr *metrics, struct weir_route *route)
{
	int left = (int)RTA_PAYLOAD(metrics);

	for (const struct rtattr *a = RTA_DATA(metrics); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == RTAX_MTU)
			number_read(a, &route->mtu);
}

static int route_read(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *head = NLMSG_DATA(message);
	struct weir_route *route = arg;
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*head));

	if (message->nlmsg_type != RTM_NEWROUTE || left < 0)
		return 0;
	if (head->rtm_type == RTN_BLACKHOLE || head->rtm_type == RTN_UNREACHABLE ||
	    head->rtm_type == RTN_PROHIBIT)
		return -EHOSTUNREACH; /* as IPv4 says it by itself */
	route->is_here = head->rtm_type == RTN_LOCAL;
	for (const struct rtattr *a = RTM_RTA(head); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		int type = a->rta_type & NLA_TYPE_MASK;

		if (type == RTA_OIF)
			number_read(a, &route->ifindex);
		else if (type == RTA_METRICS)
			metrics_read(a, route);
		route->has_gateway |= type == RTA_GATEWAY || type == RTA_VIA;
	}
	return 0;
}

int weir_route_ask(const struct weir_addr *to, struct weir_route *ret_route)
{
	bool is_v4 = weir_addr_is_v4(to);
	uint8_t bytes = is_v4 ? V4_BYTES : sizeof(*to);
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr dst;
		uint8_t addr[sizeof(*to)];
	} request = {
		/* The acknowledgement is what ends the answer, which is no dump. */
		.header = { .nlmsg_len = (uint32_t)(sizeof(request) - sizeof(*to) + bytes),
			    .nlmsg_type = RTM_GETROUTE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.route = { .rtm_family = is_v4 ? AF_INET : AF_INET6,
			   .rtm_dst_len = (uint8_t)(8 * bytes) },
		.dst = { .rta_len = (uint16_t)RTA_LENGTH(bytes), .rta_type = RTA_DST },
	};
	struct weir_route route = { 0 };

	memcpy(request.addr, (const uint8_t *)to + (is_v4 ? V4_OFFSET : 0), bytes);
	int r = weir_netlink_ask(NETLINK_ROUTE, &request.header, route_read, &route);

	if (!r)
		*ret_route = route;
	return r;
}
