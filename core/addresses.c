/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses by rtnetlink, RTM_GETADDR. */
#include "addresses.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define V4_BITS_BEFORE 96 /* of ::ffff:a.b.c.d */

bool weir_addr_is_in(const struct weir_addr *addr, const struct weir_addr *network, uint8_t length)
{
	const uint8_t *a = (const void *)addr, *b = (const void *)network;
	uint8_t whole = length / 8, left = length % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return !left || !((a[whole] ^ b[whole]) >> (8 - left));
}

/* An IPv6 address, or the four bytes of an IPv4 one. */
static bool addr_read(const struct rtattr *attribute, int family, struct weir_addr *ret_addr)
{
	size_t bytes = family == AF_INET ? 4 : 16;

	if (RTA_PAYLOAD(attribute) != bytes)
		return false;
	*ret_addr = (struct weir_addr){ 0 };
	if (family == AF_INET)
		memset((uint8_t *)ret_addr + 10, 0xff, 2);
	memcpy((uint8_t *)ret_addr + 16 - bytes, RTA_DATA(attribute), bytes);
	return true;
}

struct told {
	weir_address_fn *each;
	void *arg;
};

/* IFA_LOCAL is the host's own where a link has two ends, and IFA_ADDRESS the other's. */
static int address_tell(const struct nlmsghdr *message, void *arg)
{
	const struct told *told = arg;
	const struct ifaddrmsg *head = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*head));
	bool is_v4 = head->ifa_family == AF_INET, is_there = false, is_local = false;
	uint32_t flags = head->ifa_flags;
	struct weir_host_address address = {
		.ifindex = head->ifa_index,
		.length = head->ifa_prefixlen + (is_v4 ? V4_BITS_BEFORE : 0),
	};

	if (message->nlmsg_type != RTM_NEWADDR || left < 0 ||
	    (!is_v4 && head->ifa_family != AF_INET6))
		return 0;
	for (const struct rtattr *a = IFA_RTA(head); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			is_local = addr_read(a, head->ifa_family, &address.addr);
		else if (a->rta_type == IFA_ADDRESS && !is_local)
			is_there = addr_read(a, head->ifa_family, &address.addr);
		else if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof(flags))
			memcpy(&flags, RTA_DATA(a), sizeof(flags));
	}
	address.is_proven = !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
	/* IFA_F_TEMPORARY is IFA_F_SECONDARY of IPv4, which stays. */
	address.is_lasting =
		!(flags & (IFA_F_DEPRECATED | (is_v4 ? 0 : (uint32_t)IFA_F_TEMPORARY)));
	if (is_there || is_local)
		told->each(told->arg, &address);
	return 0;
}

int weir_addresses_each(weir_address_fn *each, void *arg)
{
	struct told told = { .each = each, .arg = arg };
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg address;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETADDR,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int r = weir_netlink_ask(NETLINK_ROUTE, &request.header, address_tell, &told);

	/* What changed under the dump is told to whoever subscribed. */
	return r == -EAGAIN ? 0 : r;
}
