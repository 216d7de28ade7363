/* SPDX-License-Identifier: Apache-2.0 */
#include "senders.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "kernel_abi.h"
#include "netlink.h"

struct request {
	struct nlmsghdr message;
	struct genlmsghdr generic;
};

static struct request request_of(uint16_t family, uint8_t command)
{
	return (struct request){
		.message = { .nlmsg_len = sizeof(struct request),
			     .nlmsg_type = family,
			     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.generic = { .cmd = command, .version = 1 },
	};
}

/* The attribute of a message of generic netlink, or NULL. */
static const struct rtattr *attribute(const struct nlmsghdr *message, int type, size_t bytes)
{
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(GENL_HDRLEN);
	const char *data = NLMSG_DATA(message);

	for (const struct rtattr *a = (const void *)(data + GENL_HDRLEN); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type && RTA_PAYLOAD(a) >= bytes)
			return a;
	return NULL;
}

static int family_match(const struct nlmsghdr *message, void *arg)
{
	static const char name[] = "netdev";
	const struct rtattr *named = attribute(message, CTRL_ATTR_FAMILY_NAME, sizeof(name));
	const struct rtattr *id = attribute(message, CTRL_ATTR_FAMILY_ID, sizeof(uint16_t));

	if (named && id && memcmp(RTA_DATA(named), name, sizeof(name)) == 0)
		memcpy(arg, RTA_DATA(id), sizeof(uint16_t));
	return 0;
}

struct visit {
	void (*each)(void *arg, uint32_t ifindex);
	void *arg;
};

static int device_visit(const struct nlmsghdr *message, void *arg)
{
	const struct visit *visit = arg;
	const struct rtattr *index = attribute(message, KERNEL_NETDEV_IFINDEX, sizeof(uint32_t));
	const struct rtattr *xdp = attribute(message, KERNEL_NETDEV_XDP_FEATURES, sizeof(uint64_t));
	uint64_t features = 0;
	uint32_t ifindex;

	if (!index || !xdp)
		return 0;
	memcpy(&features, RTA_DATA(xdp), sizeof(features));
	memcpy(&ifindex, RTA_DATA(index), sizeof(ifindex));
	if (features & KERNEL_NETDEV_XDP_NDO_XMIT)
		visit->each(visit->arg, ifindex);
	return 0;
}

int weir_senders_each(void (*each)(void *arg, uint32_t ifindex), void *arg)
{
	struct request families = request_of(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	struct visit visit = { each, arg };
	uint16_t family = 0;
	int r = weir_netlink_ask(NETLINK_GENERIC, &families.message, family_match, &family);

	if (r || !family)
		return r ? r : -ENOENT;
	struct request devices = request_of(family, KERNEL_NETDEV_DEV_GET);

	return weir_netlink_ask(NETLINK_GENERIC, &devices.message, device_visit, &visit);
}
