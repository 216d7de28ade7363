/* SPDX-License-Identifier: Apache-2.0 */
/* The watched interfaces, as devices come, change and go. What is attached to one is
 * interfaces_hooks.c's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "iface_rows.h"
#include "interfaces_private.h"
#include "netlink.h"

static void tell(struct weir_interfaces *interfaces, const char *what, const char *name,
		 const char *detail)
{
	if (interfaces->options.told)
		interfaces->options.told(interfaces->options.arg, what, name, detail);
}

static struct weir_watched *watched_find(struct weir_interfaces *interfaces, uint32_t ifindex)
{
	for (size_t i = 0; i < interfaces->watched_count; i++)
		if (interfaces->watched[i].present &&
		    interfaces->watched[i].device.ifindex == ifindex)
			return &interfaces->watched[i];
	return NULL;
}

struct weir_watched *weir_watched_by_name(struct weir_interfaces *interfaces, const char *name)
{
	for (size_t i = 0; i < interfaces->watched_count; i++)
		if (strcmp(interfaces->watched[i].device.name, name) == 0)
			return &interfaces->watched[i];
	return NULL;
}

static void watched_remove(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	size_t last = --interfaces->watched_count;

	weir_watched_hooks_release(watched);
	*watched = interfaces->watched[last];
}

/* Policies know interfaces by name: before a packet comes, and when the name changes. */
static void row_tell(struct weir_interfaces *interfaces, const struct weir_watched *watched)
{
	if (interfaces->options.row)
		interfaces->options.row(interfaces->options.arg, watched->slot,
					watched->device.name);
}

static int row_take(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	return weir_iface_row_take(interfaces->object, watched->device.ifindex,
				   !weir_device_has_ethernet(&watched->device), &watched->slot);
}

static int watched_attach(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	int r = row_take(interfaces, watched);

	if (r) {
		snprintf(watched->ingress.why, sizeof(watched->ingress.why),
			 "more than %d interfaces are watched", WEIR_INTERFACES_MAX - 1);
		watched->refused = r;
		return r;
	}
	row_tell(interfaces, watched);
	r = weir_watched_hooks_attach(interfaces, watched);
	if (r && watched->ingress.mode == WEIR_MODE_NONE) {
		weir_iface_row_give_back(interfaces->object, watched->device.ifindex);
		watched->slot = 0; /* the next one takes the row, and what it counts */
	}
	watched->refused = r;
	return r;
}

static void attach_tell(struct weir_interfaces *interfaces, const struct weir_watched *watched,
			int r)
{
	char detail[256];

	snprintf(detail, sizeof(detail), "%s: %s",
		 r ? "not attached" : weir_mode_name(watched->ingress.mode), watched->ingress.why);
	tell(interfaces,
	     r			      ? "refused" :
	     watched->ingress.adopted ? "adopted" :
					"attached",
	     watched->device.name, detail);
}

/*
 * Its programs went with it; the pins of their dead links are cleared away. One that is wanted by
 * its name stays on the list; those of a pattern would fill it up, as containers come and go.
 */
static void device_gone(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	weir_watched_hooks_detach(interfaces, watched);
	weir_iface_row_give_back(interfaces->object, watched->device.ifindex);
	watched->slot = 0; /* as above: the next one's counts are not to be told as its own */
	watched->present = false;
	snprintf(watched->ingress.why, sizeof(watched->ingress.why),
		 "the device is gone; it is attached again when it comes back");
	tell(interfaces, "gone", watched->device.name, watched->ingress.why);
	if (!weir_wanted_has_name(&interfaces->wanted, watched->device.name))
		watched_remove(interfaces, watched);
}

static void device_attach(struct weir_interfaces *interfaces, const struct weir_device *device,
			  const struct weir_wanted *wanted)
{
	struct weir_watched *watched = weir_watched_by_name(interfaces, device->name);

	/* Its end was not heard of: the kernel's messages were too many. */
	if (watched && watched->present)
		device_gone(interfaces, watched);
	watched = weir_watched_by_name(interfaces, device->name);
	if (!watched && interfaces->watched_count == WEIR_INTERFACES_MAX - 1) {
		tell(interfaces, "refused", device->name, "too many interfaces are watched");
		return;
	}
	if (!watched)
		watched = &interfaces->watched[interfaces->watched_count++];
	*watched = (struct weir_watched){ .device = *device,
					  .wanted = *wanted,
					  .present = true,
					  .ingress.link_fd = -1,
					  .egress.link_fd = -1,
					  .proof.link_fd = -1 };
	attach_tell(interfaces, watched, watched_attach(interfaces, watched));
}

/* Whatever was in the way may be gone: each change of the device is a reason to try again. */
static void device_retry(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	char before[sizeof(watched->ingress.why)];

	memcpy(before, watched->ingress.why, sizeof(before));
	int r = watched_attach(interfaces, watched);

	if (!r || strcmp(before, watched->ingress.why))
		attach_tell(interfaces, watched, r);
}

static void device_renamed(struct weir_interfaces *interfaces, struct weir_watched *watched,
			   const struct weir_device *device)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "was %s; it stays attached", watched->device.name);
	watched->device = *device;
	row_tell(interfaces, watched);
	tell(interfaces, "renamed", device->name, detail);
}

static void device_present(struct weir_interfaces *interfaces, const struct weir_device *device)
{
	struct weir_watched *watched = watched_find(interfaces, device->ifindex);
	const struct weir_wanted *wanted = weir_wanted_find(&interfaces->wanted, device->name);

	if (watched) {
		watched->seen = true;
		if (strcmp(watched->device.name, device->name))
			device_renamed(interfaces, watched, device);
		watched->device = *device;
		if (watched->ingress.mode == WEIR_MODE_NONE)
			device_retry(interfaces, watched);
		else /* some change what their packets begin with */
			row_take(interfaces, watched);
		return;
	}
	if (wanted)
		device_attach(interfaces, device, wanted);
	watched = watched_find(interfaces, device->ifindex);
	if (watched)
		watched->seen = true;
}

static void device_changed(void *arg, enum weir_device_change change,
			   const struct weir_device *device)
{
	struct weir_interfaces *interfaces = arg;
	struct weir_watched *watched = watched_find(interfaces, device->ifindex);

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

	for (size_t i = interfaces->watched_count; !r && i-- > 0;)
		if (interfaces->watched[i].present && !interfaces->watched[i].seen)
			device_gone(interfaces, &interfaces->watched[i]);
	return r;
}

int weir_interfaces_new(struct weir_object *object, const struct weir_interfaces_options *options,
			struct weir_diag *diag, struct weir_interfaces **ret_interfaces)
{
	struct weir_interfaces *interfaces = calloc(1, sizeof(*interfaces));

	if (!interfaces)
		return -ENOMEM;
	interfaces->object = object;
	interfaces->options = *options;
	interfaces->redirect_fd = -1;
	interfaces->netlink_fd = weir_netlink_open();
	int r = interfaces->netlink_fd < 0 ?
			interfaces->netlink_fd :
			weir_wanted_load(&interfaces->wanted, options->state_dir, diag);

	if (r) {
		weir_interfaces_free(interfaces);
		return r;
	}
	*ret_interfaces = interfaces;
	return 0;
}

void weir_interfaces_free(struct weir_interfaces *interfaces)
{
	if (!interfaces)
		return;
	for (size_t i = 0; i < interfaces->watched_count; i++)
		weir_watched_hooks_release(&interfaces->watched[i]);
	weir_cleanup_close(&interfaces->netlink_fd);
	weir_cleanup_close(&interfaces->redirect_fd);
	free(interfaces);
}

static void watched_detach(struct weir_interfaces *interfaces, struct weir_watched *watched,
			   const char *why)
{
	char name[sizeof(watched->device.name)];

	memcpy(name, watched->device.name, sizeof(name));
	weir_watched_hooks_detach(interfaces, watched);
	if (watched->present)
		weir_iface_row_give_back(interfaces->object, watched->device.ifindex);
	watched_remove(interfaces, watched);
	tell(interfaces, "detached", name, why);
}

/* Those no longer wanted go; those wanted otherwise change over, and keep what they have when that
 * is refused. */
static void watched_reconcile(struct weir_interfaces *interfaces)
{
	for (size_t i = interfaces->watched_count; i-- > 0;) {
		struct weir_watched *watched = &interfaces->watched[i];
		const struct weir_wanted *wanted =
			weir_wanted_find(&interfaces->wanted, watched->device.name);

		if (!wanted) {
			watched_detach(interfaces, watched, "no longer wanted");
		} else if (watched->present && weir_wanted_differ(wanted, &watched->wanted)) {
			watched->wanted = *wanted;
			attach_tell(interfaces, watched, watched_attach(interfaces, watched));
		}
	}
}

static bool is_watched(void *arg, uint32_t ifindex, enum weir_direction direction)
{
	const struct weir_watched *watched = watched_find(arg, ifindex);

	return watched && (direction == WEIR_INGRESS || weir_watched_has_egress(arg, watched));
}

int weir_interfaces_want(struct weir_interfaces *interfaces,
			 const struct weir_interface_config *wanted, unsigned count)
{
	int r = 0;

	weir_wanted_forget_config(&interfaces->wanted);
	for (unsigned i = 0; !r && i < count; i++)
		r = weir_wanted_add(&interfaces->wanted, &wanted[i], false);
	if (r)
		return r;
	watched_reconcile(interfaces);
	r = devices_read(interfaces);
	if (!r)
		weir_hook_sweep(interfaces->options.pin_dir, is_watched, interfaces);
	return r;
}

/* What was wanted before is wanted again: an interface that was attached stays so, as it was. */
static int attach_refuse(struct weir_interfaces *interfaces, const char *name,
			 const struct weir_wanted_list *before, struct weir_diag *diag)
{
	const struct weir_watched *watched = weir_watched_by_name(interfaces, name);
	int r = watched ? -EBUSY : -ENOENT;

	weir_diag_error(diag, watched ? NULL : "ip link shows what there is", "interface %s: %s",
			name, watched ? watched->ingress.why : "there is no such device");
	interfaces->wanted = *before;
	watched_reconcile(interfaces);
	return r;
}

int weir_interfaces_attach(struct weir_interfaces *interfaces,
			   const struct weir_interface_config *wanted, struct weir_diag *diag)
{
	const struct weir_wanted_list before = interfaces->wanted;
	int r = weir_wanted_add(&interfaces->wanted, wanted, true);

	if (r) {
		weir_diag_error(diag, "detach one", "more than %d interfaces are named",
				WEIR_WANTED_MAX);
		return r;
	}
	watched_reconcile(interfaces);
	r = devices_read(interfaces);
	const struct weir_watched *watched =
		r ? NULL : weir_watched_by_name(interfaces, wanted->name);

	if (!watched || watched->refused)
		return attach_refuse(interfaces, wanted->name, &before, diag);
	r = weir_wanted_save(&interfaces->wanted, interfaces->options.state_dir);
	if (r)
		weir_diag_warning(diag, "free space in the state directory",
				  "interface %s: attached, but a restart will not know of it: %s",
				  wanted->name, strerror(-r));
	return 0;
}

int weir_interfaces_detach(struct weir_interfaces *interfaces, const char *name,
			   struct weir_diag *diag)
{
	struct weir_watched *watched = weir_watched_by_name(interfaces, name);

	if (!watched) {
		weir_diag_error(diag, "weir interface list", "interface %s: not watched", name);
		return -ENOENT;
	}
	weir_wanted_remove(&interfaces->wanted, name);
	if (weir_wanted_find(&interfaces->wanted, name))
		weir_diag_warning(diag, "name the interfaces instead of using a pattern",
				  "interface %s: a pattern of the configuration matches it, so a "
				  "reload attaches it again",
				  name);
	watched_detach(interfaces, watched, "asked for");
	int r = weir_wanted_save(&interfaces->wanted, interfaces->options.state_dir);

	if (r)
		weir_diag_warning(diag, "free space in the state directory",
				  "interface %s: detached, but a restart may attach it again: %s",
				  name, strerror(-r));
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
