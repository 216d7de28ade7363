/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps, and link messages of rtnetlink. What to do about a device is interfaces.c's. */
#include "netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NETLINK_BYTES 32768 /* the kernel makes no larger part of a dump */
#define ANSWER_WAIT_S 10

static int netlink_socket(int protocol, unsigned groups, int type_flags)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | type_flags, protocol);
	struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };

	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)))
		return -errno;
	return weir_take_fd(fd);
}

int weir_netlink_watch(unsigned groups)
{
	return netlink_socket(NETLINK_ROUTE, groups, SOCK_NONBLOCK);
}

int weir_netlink_open(void)
{
	return weir_netlink_watch(RTMGRP_LINK);
}

int weir_netlink_open_addresses(void)
{
	return netlink_socket(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			      SOCK_NONBLOCK);
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

static void mac_read(const struct rtattr *attribute, struct weir_device *device)
{
	if (RTA_PAYLOAD(attribute) != sizeof(device->mac))
		return;
	memcpy(device->mac, RTA_DATA(attribute), sizeof(device->mac));
	device->has_mac = true;
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
		case IFLA_ADDRESS:
			mac_read(a, ret_device);
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

/* The kernel's -errno of a message that ends a dump; 0 where it went well. */
static int end_error(const struct nlmsghdr *message)
{
	int error = 0;

	/* Both kinds begin with it; old kernels leave it out of the end of some dumps. */
	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(message), sizeof(error));
	return error < 0 ? error : 0;
}

static bool is_end(const struct nlmsghdr *message)
{
	return message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR;
}

static ssize_t bytes_receive(int fd, char bytes[NETLINK_BYTES])
{
	ssize_t n;

	/* MSG_TRUNC: the length of the whole, also where that did not fit. */
	do
		n = recv(fd, bytes, NETLINK_BYTES, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n > NETLINK_BYTES)
		return -ENOBUFS;
	return n < 0 ? -errno : n;
}

struct dump {
	weir_netlink_fn *each;
	void *arg;
	bool has_gaps, has_ended;
};

/* 0 to go on and at the end, else what ends it early. */
static int part_read(struct dump *dump, const char *bytes, ssize_t len)
{
	int left = (int)len, r = 0;

	for (const struct nlmsghdr *m = (const void *)bytes;
	     NLMSG_OK(m, (unsigned)left) && !dump->has_ended && !r; m = NLMSG_NEXT(m, left)) {
		dump->has_gaps |= (m->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		dump->has_ended = is_end(m);
		if (dump->has_ended)
			r = end_error(m);
		else if (m->nlmsg_type >= NLMSG_MIN_TYPE)
			r = dump->each(m, dump->arg);
	}
	return r;
}

int weir_netlink_ask(int protocol, const struct nlmsghdr *request, weir_netlink_fn *each, void *arg)
{
	_cleanup_close_ int fd = netlink_socket(protocol, 0, 0);
	_cleanup_free_ char *bytes = malloc(NETLINK_BYTES);
	struct timeval wait = { .tv_sec = ANSWER_WAIT_S };
	struct dump dump = { .each = each, .arg = arg };

	if (fd < 0 || !bytes)
		return fd < 0 ? fd : -ENOMEM;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	while (!dump.has_ended) {
		ssize_t n = bytes_receive(fd, bytes);
		int r = n < 0 ? (int)n : part_read(&dump, bytes, n);

		if (r)
			return n == -EAGAIN ? -ETIMEDOUT : r;
	}
	return dump.has_gaps ? -EAGAIN : 0;
}

struct link_arg {
	weir_device_fn *each;
	void *arg;
};

static int link_tell(const struct nlmsghdr *message, void *arg)
{
	const struct link_arg *link = arg;
	bool is_gone = message->nlmsg_type == RTM_DELLINK;
	struct weir_device device;

	if ((is_gone || message->nlmsg_type == RTM_NEWLINK) && link_read(message, &device))
		link->each(link->arg, is_gone ? WEIR_DEVICE_GONE : WEIR_DEVICE_PRESENT, &device);
	return 0;
}

int weir_netlink_dump(weir_device_fn *each, void *arg)
{
	struct link_arg link = { .each = each, .arg = arg };
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int r = weir_netlink_ask(NETLINK_ROUTE, &request.header, link_tell, &link);

	/* What changed under the dump is told to the subscriber. */
	return r == -EAGAIN ? 0 : r;
}

int weir_netlink_pending(int fd, weir_netlink_fn *each, void *arg)
{
	_cleanup_free_ char *bytes = malloc(NETLINK_BYTES);

	if (!bytes)
		return -ENOMEM;
	for (;;) {
		struct dump dump = { .each = each, .arg = arg };
		ssize_t n = bytes_receive(fd, bytes);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		part_read(&dump, bytes, n);
	}
}

int weir_netlink_drain(int fd, weir_device_fn *each, void *arg)
{
	struct link_arg link = { .each = each, .arg = arg };

	return weir_netlink_pending(fd, link_tell, &link);
}
