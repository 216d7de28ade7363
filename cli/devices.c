/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces by their addresses. Routes are asked for by a socket that sends nothing. */
#include "cli/devices.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define DISCARD_PORT 9

WEIR_DEFINE_CLEANUP(struct ifaddrs *, freeifaddrs);

static bool addr_of(const struct sockaddr *sockaddr, struct weir_addr *ret_addr)
{
	unsigned char bytes[16] = { [10] = 0xff, [11] = 0xff };

	if (!sockaddr)
		return false;
	if (sockaddr->sa_family == AF_INET)
		memcpy(bytes + 12, &((const struct sockaddr_in *)sockaddr)->sin_addr, 4);
	else if (sockaddr->sa_family == AF_INET6)
		memcpy(bytes, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, 16);
	else
		return false;
	memcpy(ret_addr, bytes, sizeof(bytes));
	return true;
}

int weir_devices_read(struct weir_devices *ret_devices)
{
	_cleanup_(freeifaddrsp) struct ifaddrs *all = NULL;
	struct weir_devices devices = { 0 };
	size_t room = 0;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next)
		room++;
	devices.at = calloc(room + 1, sizeof(*devices.at));
	if (!devices.at)
		return -ENOMEM;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		struct weir_device_addr *device = &devices.at[devices.count];

		if (!addr_of(one->ifa_addr, &device->addr))
			continue;
		strncpy(device->name, one->ifa_name, sizeof(device->name) - 1);
		device->ifindex = if_nametoindex(device->name);
		devices.count++;
	}
	*ret_devices = devices;
	return 0;
}

void weir_devices_done(struct weir_devices *devices)
{
	free(devices->at);
	*devices = (struct weir_devices){ 0 };
}

const struct weir_device_addr *weir_devices_with(const struct weir_devices *devices,
						 const struct weir_addr *addr)
{
	for (size_t i = 0; i < devices->count; i++)
		if (weir_addr_compare(&devices->at[i].addr, addr) == 0)
			return &devices->at[i];
	return NULL;
}

const struct weir_device_addr *weir_devices_towards(const struct weir_devices *devices,
						    const struct weir_addr *addr)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT) };
	struct sockaddr_in6 from = { 0 };
	socklen_t len = sizeof(from);
	struct weir_addr local;
	int off = 0;

	memcpy(&to.sin6_addr, addr, sizeof(to.sin6_addr));
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&from, &len) < 0 ||
	    !addr_of((const struct sockaddr *)&from, &local))
		return NULL;
	return weir_devices_with(devices, &local);
}
