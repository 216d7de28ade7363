/* SPDX-License-Identifier: Apache-2.0 */
/* Which interface a packet for this host, or through it, arrives on. */
#ifndef WEIR_CLI_DEVICES_H
#define WEIR_CLI_DEVICES_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct weir_device_addr {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	struct weir_addr addr;
};

struct weir_devices {
	struct weir_device_addr *at;
	size_t count;
};

/* Every address of every interface. -errno. */
int weir_devices_read(struct weir_devices *ret_devices);
void weir_devices_done(struct weir_devices *devices);
#define _cleanup_devices_ __attribute__((cleanup(weir_devices_done)))
/* The interface with that address, or NULL. */
const struct weir_device_addr *weir_devices_with(const struct weir_devices *devices,
						 const struct weir_addr *addr);
/* The interface towards that address, by the routes of this host; NULL when there is none. */
const struct weir_device_addr *weir_devices_towards(const struct weir_devices *devices,
						    const struct weir_addr *addr);

#endif
