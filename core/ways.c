/* SPDX-License-Identifier: Apache-2.0 */
#include "ways.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/socket.h>

#include "netlink.h"

#define ROUTES_MOST 4096
#define GROUP(name) (1U << (RTNLGRP_##name - 1))

int weir_ways_open(void)
{
	return weir_netlink_watch(GROUP(LINK) | GROUP(NEIGH) | GROUP(IPV4_IFADDR) |
				  GROUP(IPV6_IFADDR) | GROUP(IPV4_ROUTE) | GROUP(IPV6_ROUTE) |
				  GROUP(IPV4_RULE) | GROUP(IPV6_RULE) | GROUP(IPV4_NETCONF) |
				  GROUP(IPV6_NETCONF) | GROUP(NEXTHOP));
}

struct changes {
	struct weir_ways_near *near;
	enum weir_ways_change most;
};

static int change_note(const struct nlmsghdr *message, void *arg)
{
	struct changes *changes = arg;

	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		changes->most = WEIR_WAYS_ROUTES;
		return 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (!weir_ways_near_note(changes->near, message))
			return 0;
		break;
	default:
		break;
	}
	if (changes->most == WEIR_WAYS_SAME)
		changes->most = WEIR_WAYS_CHANGED;
	return 0;
}

enum weir_ways_change weir_ways_read(int fd, struct weir_ways_near *near)
{
	struct changes changes = { .near = near };

	if (!weir_netlink_pending(fd, change_note, &changes))
		return changes.most;
	near->is_whole = false;
	return WEIR_WAYS_ROUTES;
}

struct look {
	unsigned count;
	struct weir_ways ways;
};

/* What is asked with: ends, and where it arrived. All else that a rule can go by is more, and so is
 * what is newer than we are. */
static bool is_more(int type)
{
	return type == FRA_FWMARK || type == FRA_FWMASK || type == FRA_TUN_ID ||
	       type == FRA_IP_PROTO || type >= FRA_SPORT_RANGE;
}

static int rule_look(const struct nlmsghdr *message, void *arg)
{
	const struct fib_rule_hdr *rule = NLMSG_DATA(message);
	struct look *look = arg;
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*rule));

	if (left < 0) {
		look->ways = (struct weir_ways){ true, true };
		return 1;
	}
	look->ways.by_source |= rule->src_len;
	look->ways.by_more |= rule->tos;
	/* Its header is as long as that of a route. */
	for (const struct rtattr *a = RTM_RTA(rule); RTA_OK(a, left); a = RTA_NEXT(a, left))
		look->ways.by_more |= is_more(a->rta_type & NLA_TYPE_MASK);
	return 0;
}

/* A next hop that is named by a number may be a group. */
static int route_look(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	struct look *look = arg;
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*route));

	if (left < 0 || ++look->count > ROUTES_MOST) {
		look->ways.by_source = true;
		return 1;
	}
	look->ways.by_source |= route->rtm_src_len;
	look->ways.by_more |= route->rtm_tos;
	for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		int type = a->rta_type & NLA_TYPE_MASK;

		look->ways.by_source |= type == RTA_MULTIPATH || type == RTA_NH_ID;
	}
	return 0;
}

static void ask(uint16_t type, unsigned char family, weir_netlink_fn *each, struct weir_ways *ways)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route; /* as long as that of a rule, and the family stands first */
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.route = { .rtm_family = family },
	};
	struct look look = { 0 };

	int r = weir_netlink_ask(NETLINK_ROUTE, &request.header, each, &look);

	/* What changes meanwhile is told of, and asked for again. */
	ways->by_source |= r || look.ways.by_source;
	ways->by_more |= (r < 0 && r != -EAGAIN) || look.ways.by_more;
}

struct weir_ways weir_ways_ask(void)
{
	struct weir_ways ways = { 0 };

	ask(RTM_GETRULE, AF_INET, rule_look, &ways);
	ask(RTM_GETRULE, AF_INET6, rule_look, &ways);
	ask(RTM_GETROUTE, AF_INET, route_look, &ways);
	ask(RTM_GETROUTE, AF_INET6, route_look, &ways);
	return ways;
}
