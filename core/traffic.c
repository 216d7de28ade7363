/* SPDX-License-Identifier: Apache-2.0 */
#include "core/traffic.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/netlink.h"

#define LOOKS (WEIR_TRAFFIC_RATE_S + 1)
#define LOOK_NS (900 * WEIR_NS_PER_MS) /* a tick, which may come a little early */

/* Of a device at one moment. */
struct look {
	uint64_t at_ns;
	uint64_t counts[WEIR_TRAFFIC_KINDS];
};

struct device {
	uint32_t ifindex;
	unsigned look_count; /* ever; the last LOOKS of them are kept */
	struct look looks[LOOKS];
	bool is_seen; /* in this reading */
};

struct weir_traffic {
	struct device *devices;
	size_t count;
	const struct weir_snapshot *snapshot; /* being made */
	int error;
};

static const struct {
	const char *total, *rate, *total_help, *rate_help;
} kinds[] = {
#define X(identifier, name, what)                                \
	{ "interface_" name "_total", "interface_" name "_rate", \
	  what " by the interface, as its device counts",        \
	  what " a second of late by the "                       \
	       "interface" },
	WEIR_TRAFFIC(X)
#undef X
};

struct weir_traffic *weir_traffic_new(void)
{
	return calloc(1, sizeof(struct weir_traffic));
}

void weir_traffic_free(struct weir_traffic *traffic)
{
	if (!traffic)
		return;
	free(traffic->devices);
	free(traffic);
}

static bool is_watched(const struct weir_snapshot *snapshot, uint32_t ifindex)
{
	for (size_t i = 0; i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].ifindex == ifindex)
			return true;
	return false;
}

static struct device *device_of(struct weir_traffic *traffic, uint32_t ifindex)
{
	for (size_t i = 0; i < traffic->count; i++)
		if (traffic->devices[i].ifindex == ifindex)
			return &traffic->devices[i];
	struct device *grown =
		reallocarray(traffic->devices, traffic->count + 1, sizeof(*traffic->devices));

	if (!grown) {
		traffic->error = -ENOMEM;
		return NULL;
	}
	traffic->devices = grown;
	traffic->devices[traffic->count] = (struct device){ .ifindex = ifindex };
	return &traffic->devices[traffic->count++];
}

static const struct look *look_at(const struct device *device, unsigned back)
{
	return &device->looks[(device->look_count - 1 - back) % LOOKS];
}

/* Another device got the number of one that went: its counts begin anew. Who asks oftener than once
 * a second moves the last look, so that those that are kept stand for WEIR_TRAFFIC_RATE_S. */
static void look_add(struct device *device, const struct look *look)
{
	for (int i = 0; device->look_count && i < WEIR_TRAFFIC_KINDS; i++)
		if (look->counts[i] < look_at(device, 0)->counts[i])
			device->look_count = 0;
	if (device->look_count < 2 ||
	    look_at(device, 0)->at_ns - look_at(device, 1)->at_ns >= LOOK_NS)
		device->look_count++;
	device->looks[(device->look_count - 1) % LOOKS] = *look;
	device->is_seen = true;
}

static int stats_take(const struct nlmsghdr *message, void *arg)
{
	struct weir_traffic *traffic = arg;
	const struct if_stats_msg *stats = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*stats));
	const struct rtattr *a =
		(const struct rtattr *)((const char *)stats + NLMSG_ALIGN(sizeof(*stats)));

	if (message->nlmsg_type != RTM_NEWSTATS || !is_watched(traffic->snapshot, stats->ifindex))
		return 0;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		struct rtnl_link_stats64 counts;

		if (a->rta_type != IFLA_STATS_LINK_64 || RTA_PAYLOAD(a) < sizeof(uint64_t) * 4)
			continue;
		memcpy(&counts, RTA_DATA(a), sizeof(uint64_t) * 4);

		struct look look = { weir_clock_monotonic_ns(),
				     { counts.rx_packets, counts.tx_packets, counts.rx_bytes,
				       counts.tx_bytes } };
		struct device *device = device_of(traffic, stats->ifindex);

		if (device)
			look_add(device, &look);
	}
	return traffic->error;
}

static int traffic_read(struct weir_traffic *traffic, const struct weir_snapshot *snapshot)
{
	struct {
		struct nlmsghdr head;
		struct if_stats_msg stats;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_GETSTATS,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.stats = { .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) },
	};

	for (size_t i = 0; i < traffic->count; i++)
		traffic->devices[i].is_seen = false;
	traffic->snapshot = snapshot;
	traffic->error = 0;
	int r = weir_netlink_ask(NETLINK_ROUTE, &request.head, stats_take, traffic);

	traffic->snapshot = NULL;
	return r;
}

static void devices_forget(struct weir_traffic *traffic)
{
	size_t kept = 0;

	for (size_t i = 0; i < traffic->count; i++)
		if (traffic->devices[i].is_seen)
			traffic->devices[kept++] = traffic->devices[i];
	traffic->count = kept;
}

static void device_read(const struct device *device, struct weir_traffic_counts *ret_counts)
{
	unsigned kept = device->look_count < LOOKS ? device->look_count : LOOKS;
	const struct look *last = look_at(device, 0), *first = look_at(device, kept - 1);
	double seconds = (double)(last->at_ns - first->at_ns) / WEIR_NS_PER_S;

	ret_counts->is_known = true;
	/* Of some milliseconds, as right after a start, it is twice or half of what it is. */
	ret_counts->has_rates = device->is_seen && last->at_ns - first->at_ns >= LOOK_NS;
	for (int kind = 0; kind < WEIR_TRAFFIC_KINDS; kind++) {
		ret_counts->totals[kind] = last->counts[kind];
		if (ret_counts->has_rates)
			ret_counts->rates[kind] =
				(double)(last->counts[kind] - first->counts[kind]) / seconds;
	}
}

static int device_sample(const struct weir_interface_view *view, struct weir_snapshot *snapshot)
{
	const struct weir_traffic_counts *device = &view->device;
	char name[WEIR_LABEL_BYTES(sizeof(view->name))];
	int r = 0;

	weir_label_escape(view->name, name, sizeof(name));
	for (int kind = 0; kind < WEIR_TRAFFIC_KINDS && !r; kind++) {
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_FOREIGN, kinds[kind].total,
				      kinds[kind].total_help, (double)device->totals[kind],
				      "interface=\"%s\"", name);
		if (!r && device->has_rates)
			r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, kinds[kind].rate,
					      kinds[kind].rate_help, device->rates[kind],
					      "interface=\"%s\"", name);
	}
	return r;
}

int weir_traffic_sample(struct weir_traffic *traffic, struct weir_snapshot *snapshot)
{
	int r = traffic_read(traffic, snapshot);

	if (!r) /* else some may be there that were not told of */
		devices_forget(traffic);
	r = r == -ENOMEM ? r : 0;
	for (size_t i = 0; i < snapshot->interface_count && !r; i++) {
		struct weir_interface_view *view = &snapshot->interfaces[i];

		for (size_t j = 0; j < traffic->count; j++)
			if (view->ifindex && traffic->devices[j].ifindex == view->ifindex)
				device_read(&traffic->devices[j], &view->device);
		if (view->device.is_known)
			r = device_sample(view, snapshot);
	}
	return r;
}
