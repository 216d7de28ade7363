/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of, when, and by which socket. */
#include "features/balance/announce.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/netlink.h"

#define BATCH 256 /* frames before the loop has its turn */
#define BATCH_PAUSE_NS (10 * WEIR_NS_PER_MS)
#define JOIN_NS (100 * WEIR_NS_PER_MS) /* what changes together is looked at together */

int announce_new(struct weir_engine *engine, struct announce **ret_announce)
{
	struct announce *announce = engine ? calloc(1, sizeof(*announce)) : NULL;

	if (engine && !announce)
		return -ENOMEM;
	if (announce) {
		announce->engine = engine;
		announce->loop = weir_engine_loop(engine);
		announce->kernel_fd = announce->packet_fd = -1;
	}
	*ret_announce = announce;
	return 0;
}

void announce_free(struct announce *announce)
{
	if (!announce)
		return;
	if (announce->kernel)
		announce->loop->forget(announce->kernel);
	if (announce->timer)
		announce->loop->forget(announce->timer);
	if (announce->kernel_fd >= 0)
		close(announce->kernel_fd);
	if (announce->packet_fd >= 0)
		close(announce->packet_fd);
	free(announce->addrs);
	free(announce->places);
	free(announce);
}

static void timer_set(struct announce *announce, uint64_t due_ns)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;

	if (announce->timer_ns && announce->timer_ns <= due_ns)
		return;
	announce->timer_ns = due_ns;
	announce->loop->rearm(announce->timer, (wait_ns + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS, 0);
}

static void look_soon(struct announce *announce)
{
	if (!announce->look_ns)
		announce->look_ns = weir_clock_monotonic_ns() + JOIN_NS;
	timer_set(announce, announce->look_ns);
}

/* What went down and came up between two looks came up all the same. */
static void link_changed(void *arg, enum weir_device_change change,
			 const struct weir_device *device)
{
	struct announce *announce = arg;

	if (change == WEIR_DEVICE_PRESENT && device->flags & IFF_RUNNING)
		return;
	for (unsigned i = 0; i < announce->count; i++)
		if (announce->places[i].ifindex == device->ifindex)
			memset(announce->places[i].mac, 0, sizeof(announce->places[i].mac));
}

static void kernel_tells(void *arg)
{
	struct announce *announce = arg;

	weir_netlink_drain(announce->kernel_fd, link_changed, announce); /* lost: it is asked too */
	look_soon(announce);
}

static int packet_open(struct announce *announce)
{
	if (announce->packet_fd < 0)
		announce->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return announce->packet_fd < 0 ? -errno : 0;
}

static void place_tell(struct announce *announce, struct announce_place *place, uint64_t now_ns)
{
	uint8_t frame[ANNOUNCE_FRAME_BYTES];
	size_t len = announce_frame(&place->addr, place->mac, place->is_router, frame);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)place->ifindex };

	place->left--;
	place->due_ns = now_ns + WEIR_NS_PER_S;
	if (packet_open(announce) == 0 &&
	    sendto(announce->packet_fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) ==
		    (ssize_t)len)
		announce->sent++;
	else
		announce->failed++; /* the next time may do better */
}

static void look_now(struct announce *announce)
{
	struct announce_host host = { 0 };
	int r = announce_look(announce, NULL, &host);

	announce->look_ns = 0;
	announce_host_done(&host);
	if (!r)
		return;
	announce->look_ns = weir_clock_monotonic_ns() + WEIR_NS_PER_S;
	weir_engine_warn(announce->engine, weir_balance.name,
			 "addresses cannot be announced, which is tried again: %s", strerror(-r));
}

static void places_due(void *arg)
{
	struct announce *announce = arg;
	uint64_t now_ns = weir_clock_monotonic_ns(), next_ns = UINT64_MAX;
	unsigned told = 0;

	announce->timer_ns = 0;
	if (announce->look_ns && announce->look_ns <= now_ns)
		look_now(announce);
	now_ns = weir_clock_monotonic_ns();
	for (unsigned i = 0; i < announce->count; i++) {
		struct announce_place *place = &announce->places[i];

		if (place->left && place->due_ns <= now_ns && told < BATCH) {
			place_tell(announce, place, now_ns);
			told++;
		}
		if (place->left && place->due_ns < next_ns)
			next_ns = place->due_ns;
	}
	if (told == BATCH && next_ns < now_ns + BATCH_PAUSE_NS)
		next_ns = now_ns + BATCH_PAUSE_NS;
	if (announce->look_ns && announce->look_ns < next_ns)
		next_ns = announce->look_ns;
	if (next_ns != UINT64_MAX)
		timer_set(announce, next_ns);
}

static int kernel_listen(struct announce *announce)
{
	if (!announce->timer)
		announce->timer = announce->loop->timer(announce->loop, 0, 0, places_due, announce);
	if (!announce->timer)
		return -ENOMEM;
	if (announce->kernel)
		return 0;
	if (announce->kernel_fd < 0)
		announce->kernel_fd = weir_netlink_open_addresses();
	if (announce->kernel_fd < 0)
		return announce->kernel_fd;
	announce->kernel =
		announce->loop->watch(announce->loop, announce->kernel_fd, kernel_tells, announce);
	return announce->kernel ? 0 : -ENOMEM;
}

void announce_live(struct announce *announce, const struct balance_section *acting)
{
	unsigned count = 0;
	struct announce_addr *addrs = announce ? announce_addrs(announce, acting, &count) : NULL;
	int r = addrs || !announce ? 0 : -ENOMEM;

	if (!announce || (!count && !announce->addr_count)) {
		free(addrs);
		return;
	}
	if (!r && count)
		r = kernel_listen(announce);
	if (r) {
		free(addrs);
		weir_engine_warn(announce->engine, weir_balance.name,
				 "addresses cannot be announced: %s", strerror(-r));
		return;
	}
	free(announce->addrs);
	announce->addrs = addrs;
	announce->addr_count = count;
	look_soon(announce);
}

void announce_tick(struct announce *announce)
{
	if (!announce || !announce->addr_count)
		return;
	if (announce->watched != announce_watched(announce->engine))
		look_soon(announce);
	announce_addrs_look(announce);
}

static unsigned places_ask(struct announce *announce, const struct weir_addr *addr,
			   const struct announce_place **ret_places)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	unsigned count = 0;

	for (unsigned i = 0; i < announce->count; i++) {
		struct announce_place *place = &announce->places[i];

		if (weir_addr_compare(&place->addr, addr) != 0)
			continue;
		if (!count++)
			*ret_places = place;
		place->is_asked = true;
		place->left = ANNOUNCE_TIMES;
		place->due_ns = now_ns;
	}
	return count;
}

int announce_ask(struct announce *announce, const struct weir_addr *addr,
		 const struct announce_place **ret_places, unsigned *ret_count)
{
	struct announce_host host = { 0 };
	int r = packet_open(announce);

	if (!r)
		r = kernel_listen(announce);
	if (!r)
		r = announce_look(announce, addr, &host);
	if (!r && !announce_is_own(&host, addr))
		r = -EADDRNOTAVAIL;
	announce_host_done(&host);
	if (r)
		return r;
	*ret_count = places_ask(announce, addr, ret_places);
	if (!*ret_count)
		return -ENETUNREACH;
	timer_set(announce, weir_clock_monotonic_ns());
	return 0;
}

int announce_snapshot(const struct announce *announce, struct weir_snapshot *snapshot)
{
	if (!announce || !announce->timer)
		return 0;
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_announcements_total",
				  "Gratuitous ARP and unsolicited neighbour advertisements, since "
				  "the daemon started.",
				  (double)announce->sent, "result=\"sent\"");

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_announcements_total",
				     "Gratuitous ARP and unsolicited neighbour advertisements, "
				     "since the daemon started.",
				     (double)announce->failed, "result=\"failed\"");
}
