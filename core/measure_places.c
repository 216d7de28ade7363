/* SPDX-License-Identifier: Apache-2.0 */
/* Where the programs that only measure are attached: TCX behind what is there, or a filter of
 * clsact with a lower priority than Weir's own. */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel_abi.h"
#include "measure_private.h"
#include "pin.h"

#define PIN_NAME 48

static void pin_name(char name[PIN_NAME], uint32_t ifindex, const char *hook)
{
	snprintf(name, PIN_NAME, "%u-%s", ifindex, hook);
}

/* 1, 0, or why it is not known. */
static int has_ethernet(uint32_t ifindex)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (fd < 0 || !if_indextoname(ifindex, request.ifr_name) ||
	    ioctl(fd, SIOCGIFHWADDR, &request))
		return -errno;
	return request.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
	       request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
}

/* A pinned link goes on with this program; else a new one, behind all that is there. */
static int link_attach(const struct weir_measure_places *places, uint32_t ifindex, int program_fd)
{
	char name[PIN_NAME];

	pin_name(name, ifindex, places->hook);
	_cleanup_close_ int fd = weir_pin_get(places->pin_dir, "links", name);

	if (fd >= 0 && !bpf_link_update(fd, program_fd, NULL))
		return weir_take_fd(fd);
	weir_cleanup_close(&fd);
	fd = bpf_link_create(program_fd, (int)ifindex, KERNEL_TCX_INGRESS, NULL);
	if (fd < 0) {
		fd = -1;
		return -errno;
	}
	int r = weir_pin_replace(fd, places->pin_dir, "links", name);

	return r ? r : weir_take_fd(fd);
}

static int place_attach(const struct weir_measure_places *places, struct weir_measure_place *place,
			uint32_t ifindex)
{
	int ethernet = has_ethernet(ifindex);
	int program_fd = ethernet ? places->program_fd : places->program_ip_fd;

	if (ethernet < 0)
		return ethernet;
	int fd = link_attach(places, ifindex, program_fd);

	if (fd == -EINVAL || fd == -EOPNOTSUPP) {
		int r = weir_measure_clsact_attach(ifindex, program_fd, places->pin_dir);

		if (r)
			return r;
		fd = -1;
	}
	if (fd < -1)
		return fd;
	*place = (struct weir_measure_place){ ifindex, fd };
	return 0;
}

static void link_remove(const char *pin_dir, const char *name)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	if (fd < 0)
		return;
	bpf_link_detach(fd);
	weir_pin_remove(pin_dir, "links", name);
}

static void place_detach(const struct weir_measure_places *places, struct weir_measure_place *place)
{
	char name[PIN_NAME];

	pin_name(name, place->ifindex, places->hook);
	if (place->link_fd >= 0)
		link_remove(places->pin_dir, name);
	else
		weir_measure_clsact_detach(place->ifindex, places->pin_dir);
	weir_cleanup_close(&place->link_fd);
	*place = (struct weir_measure_place){ 0 };
}

static bool is_among(uint32_t ifindex, const uint32_t *ifindexes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ifindexes[i] == ifindex)
			return true;
	return false;
}

/* Links pinned by whoever, but at these devices. */
static void links_sweep(const char *pin_dir, const char *hook, const uint32_t *ifindexes,
			size_t count)
{
	char path[WEIR_PIN_PATH];
	struct dirent **names = NULL;
	int found = weir_pin_path(path, pin_dir, "links", "") ?
			    0 :
			    scandir(path, &names, NULL, alphasort);

	for (int i = 0; i < found; i++) {
		char *end = NULL;
		unsigned long ifindex = strtoul(names[i]->d_name, &end, 10);

		if (*end == '-' && strcmp(end + 1, hook) == 0 &&
		    !is_among((uint32_t)ifindex, ifindexes, count))
			link_remove(pin_dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static struct weir_measure_place *place_of(struct weir_measure_places *places, uint32_t ifindex)
{
	for (size_t i = 0; i < WEIR_INTERFACES_MAX; i++)
		if (places->at[i].ifindex == ifindex)
			return &places->at[i];
	return NULL;
}

/* Whoever attaches XDP later takes a qdisc of clsact away that he knows to be ours. */
static bool place_stands(const struct weir_measure_place *place)
{
	return place->link_fd >= 0 || weir_measure_clsact_is(place->ifindex);
}

static int place_want(struct weir_measure_places *places, uint32_t ifindex)
{
	struct weir_measure_place *place = place_of(places, ifindex);

	if (place && place_stands(place))
		return 0;
	if (!place)
		place = place_of(places, 0);
	return place ? place_attach(places, place, ifindex) : -ENOSPC;
}

size_t weir_measure_places_follow(struct weir_measure_places *places, const uint32_t *ifindexes,
				  size_t count, char why[160])
{
	size_t there = 0;
	char name[IF_NAMESIZE];

	why[0] = '\0';
	if (!places->is_swept)
		links_sweep(places->pin_dir, places->hook, ifindexes, count);
	places->is_swept = true;
	for (size_t i = 0; i < WEIR_INTERFACES_MAX; i++)
		if (places->at[i].ifindex && !is_among(places->at[i].ifindex, ifindexes, count))
			place_detach(places, &places->at[i]);
	for (size_t i = 0; i < count; i++) {
		int r = place_want(places, ifindexes[i]);

		there += !r;
		if (r && !why[0])
			snprintf(why, 160, "interface %s: %s",
				 if_indextoname(ifindexes[i], name) ? name : "?", strerror(-r));
	}
	return there;
}

void weir_measure_places_remove(const char *pin_dir, const char *hook)
{
	struct if_nameindex *devices = if_nameindex();

	links_sweep(pin_dir, hook, NULL, 0);
	for (size_t i = 0; devices && devices[i].if_index; i++)
		weir_measure_clsact_detach(devices[i].if_index, pin_dir);
	if (devices)
		if_freenameindex(devices);
}

void weir_measure_places_release(struct weir_measure_places *places)
{
	for (size_t i = 0; i < WEIR_INTERFACES_MAX; i++)
		if (places->at[i].ifindex)
			weir_cleanup_close(&places->at[i].link_fd);
}
