/* SPDX-License-Identifier: Apache-2.0 */
/* The watched interfaces. How a program gets onto one is hook.c's. */
#include "interfaces.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/maps.h"
#include "base/cleanup.h"
#include "hook.h"
#include "hook_proof.h"
#include "iface_rows.h"
#include "iface_wanted.h"
#include "netlink.h"

struct watched {
	struct weir_device device;
	struct weir_hook_state ingress, egress, proof;
	struct weir_wanted wanted;
	uint32_t slot;
	int refused; /* how the last attempt to attach as wanted ended; 0 = so it is attached */
	bool present;
	bool seen; /* while a dump is read */
};

struct weir_interfaces {
	bool both_ways; /* egress too, whether wanted or not */
	struct weir_object *object;
	struct weir_interfaces_options options;
	struct weir_wanted_list wanted;
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

static void watched_remove(struct weir_interfaces *interfaces, struct watched *watched)
{
	size_t last = --interfaces->watched_count;

	weir_hook_release(&watched->ingress);
	weir_hook_release(&watched->egress);
	weir_hook_release(&watched->proof);
	*watched = interfaces->watched[last];
}

/* clsact is no link that the next one replaces: its filter is taken out. */
static void ingress_become(struct weir_interfaces *interfaces, struct watched *watched,
			   const struct weir_hook_state *fresh)
{
	if (watched->ingress.mode == WEIR_MODE_CLSACT && fresh->mode != WEIR_MODE_CLSACT)
		weir_hook_detach(&watched->device, WEIR_INGRESS, interfaces->options.pin_dir,
				 &watched->ingress);
	weir_hook_release(&watched->ingress);
	watched->ingress = *fresh;
}

/* Native and generic XDP exclude one another, so TC stands in between; and when the new mode is
 * refused the old one comes back the same way. */
static int ingress_change_mode(struct weir_interfaces *interfaces, struct watched *watched,
			       struct weir_hook_state *fresh)
{
	const char *pin_dir = interfaces->options.pin_dir;
	enum weir_hook wanted = (enum weir_hook)watched->wanted.hook,
		       before = wanted == WEIR_HOOK_XDP_GENERIC ? WEIR_HOOK_XDP :
								  WEIR_HOOK_XDP_GENERIC;
	struct weir_hook_state between, back;
	int r = weir_hook_attach_ingress(interfaces->object, &watched->device, WEIR_HOOK_TC,
					 pin_dir, &between);

	if (r)
		return r;
	ingress_become(interfaces, watched, &between);
	r = weir_hook_attach_ingress(interfaces->object, &watched->device, wanted, pin_dir, fresh);
	if (r && weir_hook_attach_ingress(interfaces->object, &watched->device, before, pin_dir,
					  &back) == 0)
		ingress_become(interfaces, watched, &back);
	return r;
}

/* The new hook stands before the old one goes: what is already attached keeps judging until then,
 * and when the new one is refused. */
static int ingress_attach(struct weir_interfaces *interfaces, struct watched *watched)
{
	struct weir_hook_state fresh;
	int r = weir_hook_attach_ingress(interfaces->object, &watched->device, watched->wanted.hook,
					 interfaces->options.pin_dir, &fresh);

	if (r == -EALREADY)
		r = ingress_change_mode(interfaces, watched, &fresh);
	if (r) {
		memcpy(watched->ingress.why, fresh.why, sizeof(watched->ingress.why));
		return r;
	}
	ingress_become(interfaces, watched, &fresh);
	return 0;
}

static bool is_watched_egress(const struct weir_interfaces *interfaces,
			      const struct watched *watched)
{
	return watched->wanted.egress || interfaces->both_ways;
}

static int egress_attach(struct weir_interfaces *interfaces, struct watched *watched)
{
	const char *pin_dir = interfaces->options.pin_dir;

	if (!is_watched_egress(interfaces, watched)) {
		weir_hook_detach(&watched->device, WEIR_EGRESS, pin_dir, &watched->egress);
		return 0;
	}
	if (watched->egress.mode != WEIR_MODE_NONE)
		return 0;
	return weir_hook_attach_egress(interfaces->object, &watched->device, pin_dir,
				       &watched->egress);
}

static int proof_attach(struct weir_interfaces *interfaces, struct watched *watched,
			struct weir_object *object)
{
	return weir_hook_follow_proof(object, &watched->device, watched->ingress.mode,
				      interfaces->options.pin_dir, &watched->proof);
}

/* Policies know interfaces by name: before a packet comes, and when the name changes. */
static void row_tell(struct weir_interfaces *interfaces, const struct watched *watched)
{
	if (interfaces->options.row)
		interfaces->options.row(interfaces->options.arg, watched->slot,
					watched->device.name);
}

static int watched_attach(struct weir_interfaces *interfaces, struct watched *watched)
{
	int r = weir_iface_row_take(interfaces->object, watched->device.ifindex, &watched->slot);

	if (r) {
		snprintf(watched->ingress.why, sizeof(watched->ingress.why),
			 "more than %d interfaces are watched", WEIR_INTERFACES_MAX - 1);
		watched->refused = r;
		return r;
	}
	row_tell(interfaces, watched);
	r = ingress_attach(interfaces, watched);
	if (!r)
		r = egress_attach(interfaces, watched);
	if (!r)
		r = proof_attach(interfaces, watched, interfaces->object);
	if (r && watched->ingress.mode == WEIR_MODE_NONE) {
		weir_iface_row_give_back(interfaces->object, watched->device.ifindex);
		watched->slot = 0; /* the next one takes the row, and what it counts */
	}
	watched->refused = r;
	return r;
}

static void attach_tell(struct weir_interfaces *interfaces, const struct watched *watched, int r)
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
static void device_gone(struct weir_interfaces *interfaces, struct watched *watched)
{
	weir_hook_detach(&watched->device, WEIR_INGRESS, interfaces->options.pin_dir,
			 &watched->ingress);
	weir_hook_detach(&watched->device, WEIR_EGRESS, interfaces->options.pin_dir,
			 &watched->egress);
	weir_hook_detach_proof(&watched->device, interfaces->options.pin_dir, &watched->proof);
	weir_iface_row_give_back(interfaces->object, watched->device.ifindex);
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
	struct watched *watched = watched_by_name(interfaces, device->name);

	/* Its end was not heard of: the kernel's messages were too many. */
	if (watched && watched->present)
		device_gone(interfaces, watched);
	watched = watched_by_name(interfaces, device->name);
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
				     .egress.link_fd = -1,
				     .proof.link_fd = -1 };
	attach_tell(interfaces, watched, watched_attach(interfaces, watched));
}

/* Whatever was in the way may be gone: each change of the device is a reason to try again. */
static void device_retry(struct weir_interfaces *interfaces, struct watched *watched)
{
	char before[sizeof(watched->ingress.why)];

	memcpy(before, watched->ingress.why, sizeof(before));
	int r = watched_attach(interfaces, watched);

	if (!r || strcmp(before, watched->ingress.why))
		attach_tell(interfaces, watched, r);
}

static void device_renamed(struct weir_interfaces *interfaces, struct watched *watched,
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
	struct watched *watched = watched_find(interfaces, device->ifindex);
	const struct weir_wanted *wanted = weir_wanted_find(&interfaces->wanted, device->name);

	if (watched) {
		watched->seen = true;
		if (strcmp(watched->device.name, device->name))
			device_renamed(interfaces, watched, device);
		watched->device = *device;
		if (watched->ingress.mode == WEIR_MODE_NONE)
			device_retry(interfaces, watched);
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
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		weir_hook_release(&interfaces->watched[i].ingress);
		weir_hook_release(&interfaces->watched[i].egress);
		weir_hook_release(&interfaces->watched[i].proof);
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
	weir_hook_detach_proof(&watched->device, interfaces->options.pin_dir, &watched->proof);
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
		struct watched *watched = &interfaces->watched[i];
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
	const struct watched *watched = watched_find(arg, ifindex);

	return watched && (direction == WEIR_INGRESS || is_watched_egress(arg, watched));
}

void weir_interfaces_follow(struct weir_interfaces *interfaces, bool both_ways)
{
	if (interfaces->both_ways == both_ways)
		return;
	interfaces->both_ways = both_ways;
	for (size_t i = 0; i < interfaces->watched_count; i++)
		if (interfaces->watched[i].ingress.mode != WEIR_MODE_NONE)
			egress_attach(interfaces, &interfaces->watched[i]);
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
	const struct watched *watched = watched_by_name(interfaces, name);
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
	const struct watched *watched = r ? NULL : watched_by_name(interfaces, wanted->name);

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
	struct watched *watched = watched_by_name(interfaces, name);

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

/* A device may be gone and the kernel's word of it still to be read: nothing is to be switched. */
static int hook_switch(struct weir_object *object, const struct weir_device *device,
		       enum weir_direction direction, struct weir_hook_state *state)
{
	int r = weir_hook_update(object, device, direction, state);

	return r == -ENOLINK || r == -ENODEV ? 0 : r;
}

/* Who hands over stands before the first cookie is sent, and goes after the last. */
static int watched_switch(struct weir_interfaces *interfaces, struct watched *watched,
			  struct weir_object *object)
{
	bool sends = weir_object_sends_cookies(object);
	int r = sends ? proof_attach(interfaces, watched, object) : 0;

	if (!r)
		r = hook_switch(object, &watched->device, WEIR_INGRESS, &watched->ingress);
	if (!r)
		r = hook_switch(object, &watched->device, WEIR_EGRESS, &watched->egress);
	if (!r && !sends)
		proof_attach(interfaces, watched, object);
	return r == -ENODEV ? 0 : r;
}

int weir_interfaces_switch(struct weir_interfaces *interfaces, struct weir_object *object,
			   struct weir_diag *diag)
{
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		int r = watched_switch(interfaces, &interfaces->watched[i], object);

		if (!r)
			continue;
		weir_diag_error(diag, NULL, "interface %s: the new program cannot take over: %s",
				interfaces->watched[i].device.name, strerror(-r));
		for (size_t j = 0; j <= i; j++)
			watched_switch(interfaces, &interfaces->watched[j], interfaces->object);
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

static void view_fill(struct weir_interface_view *view, const struct watched *watched)
{
	const char *egress = watched->egress.mode == WEIR_MODE_NONE ?
				     "off" :
				     weir_mode_name(watched->egress.mode);

	*view = (struct weir_interface_view){ .ifindex = watched->device.ifindex,
					      .slot = watched->slot };
	view->attached = watched->ingress.mode != WEIR_MODE_NONE;
	snprintf(view->name, sizeof(view->name), "%s", watched->device.name);
	snprintf(view->mode, sizeof(view->mode), "%s", weir_mode_name(watched->ingress.mode));
	snprintf(view->egress, sizeof(view->egress), "%s", egress);
	snprintf(view->why, sizeof(view->why), "%s", watched->ingress.why);
}

/* Named, but not there: shown, so that a misspelt name is seen. A pattern may match nothing. */
static bool wanted_is_absent(const struct weir_interfaces *interfaces,
			     const struct weir_wanted *wanted)
{
	return !strpbrk(wanted->name, "*?[") &&
	       !watched_by_name((struct weir_interfaces *)interfaces, wanted->name);
}

static void view_fill_absent(struct weir_interface_view *view, const struct weir_wanted *wanted)
{
	*view = (struct weir_interface_view){ .slot = 0 };
	snprintf(view->name, sizeof(view->name), "%s", wanted->name);
	snprintf(view->mode, sizeof(view->mode), "%s", weir_mode_name(WEIR_MODE_NONE));
	snprintf(view->egress, sizeof(view->egress), "off");
	snprintf(view->why, sizeof(view->why),
		 "there is no such device; it is attached when it comes");
}

int weir_interfaces_view(const struct weir_interfaces *interfaces,
			 struct weir_interface_view **ret_views, size_t *ret_count)
{
	size_t count = 0, most = interfaces->watched_count + interfaces->wanted.count;
	struct weir_interface_view *views = calloc(most + 1, sizeof(*views));

	if (!views)
		return -ENOMEM;
	for (size_t i = 0; i < interfaces->watched_count; i++)
		view_fill(&views[count++], &interfaces->watched[i]);
	for (size_t i = 0; i < interfaces->wanted.count; i++)
		if (wanted_is_absent(interfaces, &interfaces->wanted.at[i]))
			view_fill_absent(&views[count++], &interfaces->wanted.at[i]);
	*ret_views = views;
	*ret_count = count;
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
