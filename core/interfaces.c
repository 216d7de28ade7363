/* SPDX-License-Identifier: Apache-2.0 */
/* The watched interfaces. How a program gets onto one is hook.c's. */
#include "interfaces.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/maps.h"
#include "base/cleanup.h"
#include "hook.h"
#include "netlink.h"

#define WANTED_MAX 256

struct wanted {
	char name[64];
	enum weir_hook hook;
	bool egress;
	bool at_run_time;
};

struct watched {
	struct weir_device device;
	struct weir_hook_state ingress, egress;
	struct wanted wanted;
	uint32_t slot;
	bool present;
	bool seen; /* while a dump is read */
};

struct weir_interfaces {
	struct weir_object *object;
	struct weir_interfaces_options options;
	struct wanted wanted[WANTED_MAX];
	size_t wanted_count;
	struct watched watched[WEIR_INTERFACES_MAX];
	size_t watched_count;
	int netlink_fd;
};

static void tell(struct weir_interfaces *interfaces, const char *what, const char *name,
		 const char *detail)
{
	if (interfaces->options.told)
		interfaces->options.told(interfaces->options.arg, what, name, detail);
}

static struct watched *watched_find(struct weir_interfaces *interfaces, uint32_t ifindex)
{
	for (size_t i = 0; i < interfaces->watched_count; i++)
		if (interfaces->watched[i].present &&
		    interfaces->watched[i].device.ifindex == ifindex)
			return &interfaces->watched[i];
	return NULL;
}

static struct watched *watched_by_name(struct weir_interfaces *interfaces, const char *name)
{
	for (size_t i = 0; i < interfaces->watched_count; i++)
		if (strcmp(interfaces->watched[i].device.name, name) == 0)
			return &interfaces->watched[i];
	return NULL;
}

/* A name of its own outranks a pattern, run time the file. */
static const struct wanted *wanted_find(const struct weir_interfaces *interfaces, const char *name)
{
	const struct wanted *best = NULL;

	for (size_t i = 0; i < interfaces->wanted_count; i++) {
		const struct wanted *wanted = &interfaces->wanted[i];

		if (strcmp(wanted->name, name) == 0)
			return wanted;
		if (!best && fnmatch(wanted->name, name, 0) == 0)
			best = wanted;
	}
	return best;
}

/* The cell of an ifindex, or a free one among those it may stand in; NULL when all are taken. */
static int cell_find(struct weir_map *map, uint32_t ifindex, uint32_t *ret_at,
		     struct weir_iface_cell *ret_cell)
{
	int found = -ENOSPC;

	for (uint32_t i = 0; i < WEIR_IFACE_PROBES; i++) {
		uint32_t at = (ifindex + i) % WEIR_IFACE_CELLS;
		struct weir_iface_cell cell = {};
		int r = weir_map_get(map, &at, &cell);

		if (r)
			return r;
		if (cell.ifindex == ifindex || (!cell.ifindex && found)) {
			*ret_at = at;
			*ret_cell = cell;
			found = 0;
		}
		if (cell.ifindex == ifindex)
			return 0;
	}
	return found;
}

static bool slot_is_taken(struct weir_map *map, uint32_t slot)
{
	for (uint32_t at = 0; at < WEIR_IFACE_CELLS; at++) {
		struct weir_iface_cell cell = {};

		if (weir_map_get(map, &at, &cell) == 0 && cell.ifindex && cell.slot == slot)
			return true;
	}
	return false;
}

static int slot_new(struct weir_interfaces *interfaces, struct weir_map *map, uint32_t *ret_slot)
{
	struct weir_map *counters = weir_object_map(interfaces->object, "ctr_reason");

	for (uint32_t slot = 1; slot < WEIR_INTERFACES_MAX; slot++) {
		if (slot_is_taken(map, slot))
			continue;
		for (uint32_t row = 0; row < WEIR_DIRECTIONS * WEIR_REASONS_MAX; row++)
			weir_map_zero(counters, WEIR_REASON_ROW(slot, 0, 0) + row);
		*ret_slot = slot;
		return 0;
	}
	return -ENOSPC;
}

/* An adopted map knows the interface already: it keeps its row and its counts. */
static int slot_take(struct weir_interfaces *interfaces, uint32_t ifindex, uint32_t *ret_slot)
{
	struct weir_map *map = weir_object_map(interfaces->object, "cfg_iface");
	struct weir_iface_cell cell = {};
	uint32_t at = 0;
	int r = cell_find(map, ifindex, &at, &cell);

	if (!r && !cell.ifindex) {
		cell.ifindex = ifindex;
		r = slot_new(interfaces, map, &cell.slot);
		if (!r)
			r = weir_map_set(map, &at, &cell);
	}
	if (!r)
		*ret_slot = cell.slot;
	return r;
}

static void slot_give_back(struct weir_interfaces *interfaces, uint32_t ifindex)
{
	struct weir_map *map = weir_object_map(interfaces->object, "cfg_iface");
	struct weir_iface_cell cell = {};
	uint32_t at = 0;

	if (cell_find(map, ifindex, &at, &cell) == 0 && cell.ifindex == ifindex)
		weir_map_set(map, &at, &(struct weir_iface_cell){});
}

static void watched_remove(struct weir_interfaces *interfaces, struct watched *watched)
{
	size_t last = --interfaces->watched_count;

	weir_hook_release(&watched->ingress);
	weir_hook_release(&watched->egress);
	*watched = interfaces->watched[last];
}

static int watched_attach(struct weir_interfaces *interfaces, struct watched *watched)
{
	const char *pin_dir = interfaces->options.pin_dir;
	int r = slot_take(interfaces, watched->device.ifindex, &watched->slot);

	if (r) {
		snprintf(watched->ingress.why, sizeof(watched->ingress.why),
			 "more than %d interfaces are watched", WEIR_INTERFACES_MAX - 1);
		return r;
	}
	r = weir_hook_attach_ingress(interfaces->object, &watched->device, watched->wanted.hook,
				     pin_dir, &watched->ingress);
	if (!r && watched->wanted.egress)
		r = weir_hook_attach_egress(interfaces->object, &watched->device, pin_dir,
					    &watched->egress);
	if (r)
		slot_give_back(interfaces, watched->device.ifindex);
	return r;
}

static void device_attach(struct weir_interfaces *interfaces, const struct weir_device *device,
			  const struct wanted *wanted)
{
	struct watched *watched = watched_by_name(interfaces, device->name);
	char detail[256];

	if (!watched && interfaces->watched_count == WEIR_INTERFACES_MAX - 1) {
		tell(interfaces, "refused", device->name, "too many interfaces are watched");
		return;
	}
	if (!watched)
		watched = &interfaces->watched[interfaces->watched_count++];
	*watched = (struct watched){ .device = *device,
				     .wanted = *wanted,
				     .present = true,
				     .ingress.link_fd = -1,
				     .egress.link_fd = -1 };
	int r = watched_attach(interfaces, watched);

	snprintf(detail, sizeof(detail), "%s: %s",
		 r ? "not attached" : weir_mode_name(watched->ingress.mode), watched->ingress.why);
	tell(interfaces,
	     r			      ? "refused" :
	     watched->ingress.adopted ? "adopted" :
					"attached",
	     device->name, detail);
}

static void device_renamed(struct weir_interfaces *interfaces, struct watched *watched,
			   const struct weir_device *device)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "was %s; it stays attached", watched->device.name);
	watched->device = *device;
	tell(interfaces, "renamed", device->name, detail);
}

static void device_present(struct weir_interfaces *interfaces, const struct weir_device *device)
{
	struct watched *watched = watched_find(interfaces, device->ifindex);
	const struct wanted *wanted = wanted_find(interfaces, device->name);

	if (watched) {
		watched->seen = true;
		if (strcmp(watched->device.name, device->name))
			device_renamed(interfaces, watched, device);
		watched->device = *device;
		return;
	}
	if (wanted)
		device_attach(interfaces, device, wanted);
	watched = watched_find(interfaces, device->ifindex);
	if (watched)
		watched->seen = true;
}

/* Its programs went with it; the pins of their dead links are cleared away. */
static void device_gone(struct weir_interfaces *interfaces, struct watched *watched)
{
	weir_hook_detach(&watched->device, WEIR_INGRESS, interfaces->options.pin_dir,
			 &watched->ingress);
	weir_hook_detach(&watched->device, WEIR_EGRESS, interfaces->options.pin_dir,
			 &watched->egress);
	slot_give_back(interfaces, watched->device.ifindex);
	watched->present = false;
	snprintf(watched->ingress.why, sizeof(watched->ingress.why),
		 "the device is gone; it is attached again when it comes back");
	tell(interfaces, "gone", watched->device.name, watched->ingress.why);
}

static void device_changed(void *arg, enum weir_device_change change,
			   const struct weir_device *device)
{
	struct weir_interfaces *interfaces = arg;
	struct watched *watched = watched_find(interfaces, device->ifindex);

	if (change == WEIR_DEVICE_PRESENT)
		device_present(interfaces, device);
	else if (watched)
		device_gone(interfaces, watched);
}

static int devices_read(struct weir_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->watched_count; i++)
		interfaces->watched[i].seen = false;
	int r = weir_netlink_dump(device_changed, interfaces);

	for (size_t i = 0; !r && i < interfaces->watched_count; i++)
		if (interfaces->watched[i].present && !interfaces->watched[i].seen)
			device_gone(interfaces, &interfaces->watched[i]);
	return r;
}

int weir_interfaces_new(struct weir_object *object, const struct weir_interfaces_options *options,
			struct weir_interfaces **ret_interfaces)
{
	struct weir_interfaces *interfaces = calloc(1, sizeof(*interfaces));

	if (!interfaces)
		return -ENOMEM;
	interfaces->object = object;
	interfaces->options = *options;
	interfaces->netlink_fd = weir_netlink_open();
	if (interfaces->netlink_fd < 0) {
		int r = interfaces->netlink_fd;

		free(interfaces);
		return r;
	}
	*ret_interfaces = interfaces;
	return 0;
}

void weir_interfaces_free(struct weir_interfaces *interfaces)
{
	if (!interfaces)
		return;
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		weir_hook_release(&interfaces->watched[i].ingress);
		weir_hook_release(&interfaces->watched[i].egress);
	}
	weir_cleanup_close(&interfaces->netlink_fd);
	free(interfaces);
}

static void watched_detach(struct weir_interfaces *interfaces, struct watched *watched,
			   const char *why)
{
	char name[sizeof(watched->device.name)];

	memcpy(name, watched->device.name, sizeof(name));
	weir_hook_detach(&watched->device, WEIR_INGRESS, interfaces->options.pin_dir,
			 &watched->ingress);
	weir_hook_detach(&watched->device, WEIR_EGRESS, interfaces->options.pin_dir,
			 &watched->egress);
	if (watched->present)
		slot_give_back(interfaces, watched->device.ifindex);
	watched_remove(interfaces, watched);
	tell(interfaces, "detached", name, why);
}

static bool wanted_differ(const struct wanted *a, const struct wanted *b)
{
	return a->hook != b->hook || a->egress != b->egress;
}

/* Those no longer wanted, or wanted otherwise; the latter are attached again by the device list
 * that is read next. */
static void watched_reconcile(struct weir_interfaces *interfaces)
{
	for (size_t i = interfaces->watched_count; i-- > 0;) {
		struct watched *watched = &interfaces->watched[i];
		const struct wanted *wanted = wanted_find(interfaces, watched->device.name);

		if (!wanted)
			watched_detach(interfaces, watched, "no longer wanted");
		else if (wanted_differ(wanted, &watched->wanted))
			watched_detach(interfaces, watched, "to be attached in another way");
	}
}

static int wanted_add(struct weir_interfaces *interfaces,
		      const struct weir_interface_config *config, bool at_run_time)
{
	if (interfaces->wanted_count == WANTED_MAX)
		return -ENOSPC;
	struct wanted *wanted = &interfaces->wanted[interfaces->wanted_count++];

	*wanted = (struct wanted){ .hook = config->hook,
				   .egress = config->egress,
				   .at_run_time = at_run_time };
	snprintf(wanted->name, sizeof(wanted->name), "%s", config->name);
	return 0;
}

static void wanted_forget(struct weir_interfaces *interfaces, bool at_run_time)
{
	size_t kept = 0;

	for (size_t i = 0; i < interfaces->wanted_count; i++)
		if (interfaces->wanted[i].at_run_time != at_run_time)
			interfaces->wanted[kept++] = interfaces->wanted[i];
	interfaces->wanted_count = kept;
}

int weir_interfaces_want(struct weir_interfaces *interfaces,
			 const struct weir_interface_config *wanted, unsigned count)
{
	int r = 0;

	wanted_forget(interfaces, false);
	for (unsigned i = 0; !r && i < count; i++)
		r = wanted_add(interfaces, &wanted[i], false);
	if (r)
		return r;
	watched_reconcile(interfaces);
	return devices_read(interfaces);
}

int weir_interfaces_attach(struct weir_interfaces *interfaces,
			   const struct weir_interface_config *wanted, struct weir_diag *diag)
{
	int r = wanted_add(interfaces, wanted, true);

	if (!r) {
		watched_reconcile(interfaces);
		r = devices_read(interfaces);
	}
	const struct watched *watched = r ? NULL : watched_by_name(interfaces, wanted->name);

	if (watched && watched->ingress.mode != WEIR_MODE_NONE)
		return 0;
	if (!r)
		r = watched ? -EBUSY : -ENOENT;
	weir_diag_error(diag, watched ? NULL : "ip link shows what there is", "interface %s: %s",
			wanted->name, watched ? watched->ingress.why : strerror(-r));
	interfaces->wanted_count--;
	watched_reconcile(interfaces);
	return r;
}

static bool wanted_remove(struct weir_interfaces *interfaces, const char *name)
{
	for (size_t i = 0; i < interfaces->wanted_count; i++) {
		if (strcmp(interfaces->wanted[i].name, name))
			continue;
		interfaces->wanted[i] = interfaces->wanted[--interfaces->wanted_count];
		return true;
	}
	return false;
}

int weir_interfaces_detach(struct weir_interfaces *interfaces, const char *name,
			   struct weir_diag *diag)
{
	struct watched *watched = watched_by_name(interfaces, name);

	if (!watched) {
		weir_diag_error(diag, "weir interface list", "interface %s: not watched", name);
		return -ENOENT;
	}
	while (wanted_remove(interfaces, name))
		;
	if (wanted_find(interfaces, name))
		weir_diag_warning(diag, "name the interfaces instead of using a pattern",
				  "interface %s: a pattern of the configuration matches it, so a "
				  "reload attaches it again",
				  name);
	watched_detach(interfaces, watched, "asked for");
	return 0;
}

static int watched_switch(struct watched *watched, struct weir_object *object)
{
	int r = weir_hook_update(object, &watched->device, WEIR_INGRESS, &watched->ingress);

	return r ? r : weir_hook_update(object, &watched->device, WEIR_EGRESS, &watched->egress);
}

int weir_interfaces_switch(struct weir_interfaces *interfaces, struct weir_object *object,
			   struct weir_diag *diag)
{
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		int r = watched_switch(&interfaces->watched[i], object);

		if (!r)
			continue;
		weir_diag_error(diag, NULL, "interface %s: the new program cannot take over: %s",
				interfaces->watched[i].device.name, strerror(-r));
		for (size_t j = 0; j <= i; j++)
			watched_switch(&interfaces->watched[j], interfaces->object);
		return r;
	}
	interfaces->object = object;
	return 0;
}

int weir_interfaces_fd(const struct weir_interfaces *interfaces)
{
	return interfaces->netlink_fd;
}

void weir_interfaces_ready(struct weir_interfaces *interfaces)
{
	if (weir_netlink_drain(interfaces->netlink_fd, device_changed, interfaces) == -ENOBUFS)
		devices_read(interfaces);
}

int weir_interfaces_view(const struct weir_interfaces *interfaces,
			 struct weir_interface_view **ret_views, size_t *ret_count)
{
	struct weir_interface_view *views = calloc(interfaces->watched_count + 1, sizeof(*views));

	if (!views)
		return -ENOMEM;
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		const struct watched *watched = &interfaces->watched[i];

		views[i] = (struct weir_interface_view){ .ifindex = watched->device.ifindex,
							 .slot = watched->slot };
		views[i].attached = watched->ingress.mode != WEIR_MODE_NONE;
		snprintf(views[i].name, sizeof(views[i].name), "%s", watched->device.name);
		snprintf(views[i].mode, sizeof(views[i].mode), "%s",
			 weir_mode_name(watched->ingress.mode));
		snprintf(views[i].egress, sizeof(views[i].egress), "%s",
			 watched->egress.mode == WEIR_MODE_NONE ?
				 "off" :
				 weir_mode_name(watched->egress.mode));
		snprintf(views[i].why, sizeof(views[i].why), "%s", watched->ingress.why);
	}
	*ret_views = views;
	*ret_count = interfaces->watched_count;
	return 0;
}

int weir_interfaces_program(const struct weir_interfaces *interfaces, const char *name,
			    enum weir_direction direction, enum weir_program *ret_program,
			    uint32_t *ret_ifindex)
{
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		const struct watched *watched = &interfaces->watched[i];
		const struct weir_hook_state *state =
			direction == WEIR_INGRESS ? &watched->ingress : &watched->egress;

		if (state->mode == WEIR_MODE_NONE || (name && strcmp(name, watched->device.name)))
			continue;
		*ret_program = state->program;
		*ret_ifindex = watched->device.ifindex;
		return 0;
	}
	return -ENOENT;
}
