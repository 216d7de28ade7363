/* SPDX-License-Identifier: Apache-2.0 */
/* Reading link messages of rtnetlink. What to do about a device is interfaces.c's. */
#include "netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NETLINK_BYTES 32768

static int netlink_socket(unsigned groups, int type_flags)
{
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | type_flags, NETLINK_ROUTE);
	struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };

	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)))
		return -errno;
	return weir_take_fd(fd);
}

int weir_netlink_open(void)
{
	return netlink_socket(RTMGRP_LINK, SOCK_NONBLOCK);
}

static void text_copy(char *to, size_t size, const struct rtattr *attribute)
{
	size_t len = strnlen(RTA_DATA(attribute), RTA_PAYLOAD(attribute));

	len = len < size ? len : size - 1;
	memcpy(to, RTA_DATA(attribute), len);
	to[len] = '\0';
}

static void linkinfo_read(const struct rtattr *info, struct weir_device *device)
{
	int left = (int)RTA_PAYLOAD(info);

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_INFO_KIND)
			text_copy(device->kind, sizeof(device->kind), a);
		if (a->rta_type == IFLA_INFO_SLAVE_KIND)
			device->in_bridge = strncmp(RTA_DATA(a), "bridge", RTA_PAYLOAD(a)) == 0;
	}
}

static bool link_read(const struct nlmsghdr *message, struct weir_device *ret_device)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*link));

	if (link->ifi_family != AF_UNSPEC) /* bridges repeat link messages for their ports */
		return false;
	*ret_device = (struct weir_device){ .ifindex = (uint32_t)link->ifi_index,
					    .type = link->ifi_type,
					    .flags = link->ifi_flags };
	for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			text_copy(ret_device->name, sizeof(ret_device->name), a);
			break;
		case IFLA_MTU:
			memcpy(&ret_device->mtu, RTA_DATA(a), sizeof(ret_device->mtu));
			break;
		case IFLA_LINKINFO:
			linkinfo_read(a, ret_device);
			break;
		default:
			break;
		}
	}
	return ret_device->name[0];
}

/* 1 at the end of a dump, 0 to go on, or the kernel's -errno. */
static int messages_read(const char *bytes, ssize_t len, weir_device_fn *each, void *arg)
{
	int left = (int)len;

	for (const struct nlmsghdr *m = (const void *)bytes; NLMSG_OK(m, (unsigned)left);
	     m = NLMSG_NEXT(m, left)) {
		struct weir_device device;

		if (m->nlmsg_type == NLMSG_DONE)
			return 1;
		if (m->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(m))->error ?: 1;
		if ((m->nlmsg_type == RTM_NEWLINK || m->nlmsg_type == RTM_DELLINK) &&
		    link_read(m, &device))
			each(arg,
			     m->nlmsg_type == RTM_DELLINK ? WEIR_DEVICE_GONE : WEIR_DEVICE_PRESENT,
			     &device);
	}
	return 0;
}

static ssize_t bytes_receive(int fd, char bytes[NETLINK_BYTES])
{
	ssize_t n;

	do
		n = recv(fd, bytes, NETLINK_BYTES, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int weir_netlink_dump(weir_device_fn *each, void *arg)
{
	_cleanup_close_ int fd = netlink_socket(0, 0);
	_cleanup_free_ char *bytes = malloc(NETLINK_BYTES);
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	if (fd < 0 || !bytes)
		return fd < 0 ? fd : -ENOMEM;
	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = bytes_receive(fd, bytes);
		int r = n < 0 ? (int)n : messages_read(bytes, n, each, arg);

		if (r)
			return r < 0 ? r : 0;
	}
}

int weir_netlink_drain(int fd, weir_device_fn *each, void *arg)
{
	_cleanup_free_ char *bytes = malloc(NETLINK_BYTES);

	if (!bytes)
		return -ENOMEM;
	for (;;) {
		ssize_t n = bytes_receive(fd, bytes);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		messages_read(bytes, n, each, arg);
	}
}
