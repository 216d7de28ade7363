/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of network devices, and its changes as they happen (rtnetlink, RFC 3549). */
#ifndef WEIR_CORE_NETLINK_H
#define WEIR_CORE_NETLINK_H

#include "hook.h"

enum weir_device_change {
	WEIR_DEVICE_PRESENT, /* new, or something of it changed */
	WEIR_DEVICE_GONE,
};

typedef void weir_device_fn(void *arg, enum weir_device_change change,
			    const struct weir_device *device);

/* A non-blocking socket subscribed to link changes, or -errno. Subscribe before
 * weir_netlink_dump(), so that nothing falls between. */
int weir_netlink_open(void);
/* Calls each for every device there is. Blocks for the kernel's answer only. Uses a socket of its
 * own. */
int weir_netlink_dump(weir_device_fn *each, void *arg);
/* Drains what is pending on fd. -ENOBUFS: changes were lost, dump again. */
int weir_netlink_drain(int fd, weir_device_fn *each, void *arg);

#endif
