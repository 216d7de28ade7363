/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink (RFC 3549): one dump of anything; the kernel's list of network devices, and its changes
 * as they happen.
 */
#ifndef WEIR_CORE_NETLINK_H
#define WEIR_CORE_NETLINK_H

#include <linux/netlink.h>

#include "hook.h"

/* Not 0 ends the reading, and is what weir_netlink_ask() returns. */
typedef int weir_netlink_fn(const struct nlmsghdr *message, void *arg);

/*
 * Sends a request for a dump to one protocol of netlink (NETLINK_ROUTE and so on), by a socket of
 * its own, and calls each for every message of the answer; nlmsg_len may be less than the message's
 * type wants. Blocks. 0 when all was read; the kernel's own -errno; -EAGAIN when something changed
 * under the dump, so that it may have gaps; -ENOBUFS when a part was lost; -ETIMEDOUT after 10 s
 * without an answer; -EPROTONOSUPPORT when the kernel has no such protocol.
 */
int weir_netlink_ask(int protocol, const struct nlmsghdr *request, weir_netlink_fn *each,
		     void *arg);

/* A non-blocking socket subscribed to groups of rtnetlink (1 << (RTNLGRP_... - 1)), or -errno. */
int weir_netlink_watch(unsigned groups);
/* Calls each for all messages that are pending on such a socket. -ENOBUFS: some were lost. */
int weir_netlink_pending(int fd, weir_netlink_fn *each, void *arg);

enum weir_device_change {
	WEIR_DEVICE_PRESENT, /* new, or something of it changed */
	WEIR_DEVICE_GONE,
};

typedef void weir_device_fn(void *arg, enum weir_device_change change,
			    const struct weir_device *device);

/* A non-blocking socket subscribed to link changes, or -errno. Subscribe before
 * weir_netlink_dump(), so that nothing falls between. */
int weir_netlink_open(void);
/* Likewise one that addresses that come and go wake up too, of which weir_netlink_drain() tells
 * nothing. */
int weir_netlink_open_addresses(void);
/* Calls each for every device there is. Blocks for the kernel's answer only. Uses a socket of its
 * own. */
int weir_netlink_dump(weir_device_fn *each, void *arg);
/* Drains what is pending on fd. -ENOBUFS: changes were lost, dump again. */
int weir_netlink_drain(int fd, weir_device_fn *each, void *arg);

#endif
