/* SPDX-License-Identifier: Apache-2.0 */
/* The links and addresses of this host. */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "core/netlink.h"
#include "features/balance/announce.h"

static bool is_watched(const struct weir_snapshot *snapshot, uint32_t ifindex)
{
	for (size_t i = 0; snapshot && i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].attached && snapshot->interfaces[i].ifindex == ifindex)
			return true;
	return false;
}

uint64_t announce_watched(struct weir_engine *engine)
{
	const struct weir_snapshot *snapshot = weir_engine_snapshot(engine);
	uint64_t hash = 0;

	for (size_t i = 0; snapshot && i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].attached)
			hash = weir_hash_mix(hash + snapshot->interfaces[i].ifindex);
	return hash;
}

/* Whether the kernel is a router on that link, which every advertisement says. */
static bool is_router(const char *name)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", name);
	return weir_file_read(path, 64, &text) == 0 && *weir_buf_str(&text) != '0';
}

struct read {
	struct weir_snapshot *snapshot;
	struct announce_host *host;
	struct weir_host_address *all;
	unsigned count, room;
	int error;
};

static void link_note(void *arg, enum weir_device_change change, const struct weir_device *device)
{
	struct read *read = arg;
	struct announce_host *host = read->host;
	const uint32_t wanted = IFF_UP | IFF_RUNNING;

	if (change != WEIR_DEVICE_PRESENT || device->type != ARPHRD_ETHER || !device->has_mac ||
	    (device->flags & (wanted | IFF_NOARP)) != wanted ||
	    !is_watched(read->snapshot, device->ifindex))
		return;
	struct announce_link *links =
		reallocarray(host->links, host->link_count + 1ul, sizeof(*links));

	if (!links) {
		read->error = -ENOMEM;
		return;
	}
	host->links = links;
	struct announce_link *link = &links[host->link_count++];

	*link = (struct announce_link){ .ifindex = device->ifindex,
					.is_router = is_router(device->name) };
	snprintf(link->name, sizeof(link->name), "%s", device->name);
	memcpy(link->mac, device->mac, sizeof(link->mac));
}

static void address_note(void *arg, const struct weir_host_address *address)
{
	struct read *read = arg;

	if (read->count == read->room) {
		unsigned room = read->room ? 2 * read->room : 64;
		struct weir_host_address *all = reallocarray(read->all, room, sizeof(*all));

		if (!all) {
			read->error = -ENOMEM;
			return;
		}
		read->all = all;
		read->room = room;
	}
	read->all[read->count++] = *address;
}

int announce_host_read(struct weir_engine *engine, struct announce_host *ret_host)
{
	struct announce_host host = { 0 };
	struct read read = { .snapshot = weir_engine_snapshot(engine), .host = &host };
	int r = weir_netlink_dump(link_note, &read);

	if (!r)
		r = weir_addresses_each(address_note, &read);
	if (!r)
		r = read.error;
	if (!r)
		r = announce_host_set(&host, read.all, read.count);
	free(read.all);
	if (r) {
		announce_host_done(&host);
		return r;
	}
	*ret_host = host;
	return 0;
}
