/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a hook and attaching there. Which devices are wanted is interfaces.c's. */
#include "hook.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kernel_abi.h"
#include "pin.h"
#include "quiet.h"
#include "tc_filters.h"

const char *weir_mode_name(enum weir_mode mode)
{
	switch (mode) {
	case WEIR_MODE_NONE:
		return "detached";
	case WEIR_MODE_XDP_NATIVE:
		return "xdp native";
	case WEIR_MODE_XDP_GENERIC:
		return "xdp generic";
	case WEIR_MODE_TCX:
		return "tcx";
	case WEIR_MODE_CLSACT:
		return "clsact";
	}
	return "?";
}

bool weir_device_has_ethernet(const struct weir_device *device)
{
	return device->type == ARPHRD_ETHER || device->type == ARPHRD_LOOPBACK;
}

/*
 * Where TC finds the IP header first, or an Ethernet one. On others (GRE keeps the outer header
 * there) the wrong addresses would be read: better refused than filtered by those.
 */
static int device_check(const struct weir_device *device, struct weir_hook_state *state)
{
	switch (device->type) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		return 0;
	default:
		snprintf(state->why, sizeof(state->why),
			 "link type %u is not one whose headers Weir reads: watch the interface "
			 "its packets come by",
			 device->type);
		return -EOPNOTSUPP;
	}
}

static void pin_name(char name[48], const struct weir_device *device, const char *hook)
{
	snprintf(name, 48, "%u-%s", device->ifindex, hook);
}

static enum weir_program tc_program(enum weir_direction direction)
{
	return direction == WEIR_INGRESS ? WEIR_PROGRAM_TC_IN : WEIR_PROGRAM_TC_OUT;
}

/* A pinned link of ours goes on with this program. -ENOENT when there is none that takes it. */
static int link_adopt(struct weir_object *object, const char *pin_dir, const char *name,
		      enum weir_program program)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	if (fd >= 0 && !bpf_link_update(fd, weir_object_program_fd(object, program), NULL))
		return weir_take_fd(fd);
	if (fd >= 0 &&
	    errno == ENOLINK) /* its device is gone, and another one has its number now */
		weir_pin_remove(pin_dir, "links", name);
	return -ENOENT;
}

/* Without a device there is nothing there either. */
static bool clsact_is_empty(uint32_t ifindex)
{
	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++) {
		int foreign = weir_tc_foreign_count(ifindex, (enum weir_direction)direction);

		if ((foreign && foreign != -ENODEV) ||
		    weir_tc_program_id(ifindex, (enum weir_direction)direction))
			return false;
	}
	return true;
}

/* The qdisc, if it was ours, goes with the last filter on it: one of the other direction or of
 * somebody else would go down with it. */
static void clsact_detach(uint32_t ifindex, enum weir_direction direction, const char *pin_dir)
{
	char name[48];

	weir_tc_filter_remove(ifindex, direction);
	if (!clsact_is_empty(ifindex))
		return;
	snprintf(name, sizeof(name), "%u-clsact", ifindex);
	if (weir_pin_remove(pin_dir, "links", name) == 0)
		weir_tc_qdisc_remove(ifindex);
}

/* Ingress runs at one hook: what an earlier configuration left at another goes, after the new one
 * stands. */
static void links_remove_others(const struct weir_device *device, const char *pin_dir,
				const char *keep)
{
	static const char *const hooks[] = { "xdp", "xdpg", "in" };
	char name[48];

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(hooks); i++) {
		if (strcmp(hooks[i], keep) == 0)
			continue;
		pin_name(name, device, hooks[i]);
		_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

		if (fd < 0)
			continue;
		bpf_link_detach(fd);
		weir_pin_remove(pin_dir, "links", name);
	}
	/* No link, but a filter; the mark beside the pins says that it is of these directories, and
	 * not of another daemon in this namespace. */
	pin_name(name, device, "clsact");
	_cleanup_close_ int mark =
		strcmp(keep, "clsact") ? weir_pin_get(pin_dir, "links", name) : -1;
	if (mark >= 0)
		clsact_detach(device->ifindex, WEIR_INGRESS, pin_dir);
}

static int link_keep(int fd, const char *pin_dir, const char *name)
{
	int r = weir_pin_replace(fd, pin_dir, "links", name);

	if (r)
		close(fd);
	return r ? r : fd;
}

static void foreign_xdp_describe(const struct weir_device *device, char *why, size_t size)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_xdp_query((int)device->ifindex, 0, &query) || !query.prog_id) {
		snprintf(why, size, "another XDP program is in the way");
		return;
	}
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(query.prog_id);

	if (fd >= 0)
		bpf_obj_get_info_by_fd(fd, &info, &len);
	snprintf(why, size,
		 "XDP program %u (%s) of somebody else is attached: detach it (ip link set dev %s "
		 "xdp off), or use hook: tc",
		 query.prog_id,
		 info.name[0] ? info.name : "name not readable without CAP_SYS_ADMIN",
		 device->name);
}

static int xdp_link(struct weir_object *object, const struct weir_device *device, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int program_fd = weir_object_program_fd(object, WEIR_PROGRAM_XDP);
	int fd = program_fd < 0 ? program_fd :
				  bpf_link_create(program_fd, (int)device->ifindex, BPF_XDP, &opts);

	return fd < 0 && program_fd >= 0 ? -errno : fd;
}

/* The kernel has native and generic XDP exclude one another: it may be ours that is in the way. */
static bool xdp_is_ours(const struct weir_device *device, const char *hook, const char *pin_dir)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char name[48];

	pin_name(name, device, hook);
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	       info.xdp.ifindex == device->ifindex &&
	       bpf_xdp_query((int)device->ifindex, 0, &query) == 0 && query.prog_id == info.prog_id;
}

static int xdp_attach_mode(struct weir_object *object, const struct weir_device *device,
			   enum weir_mode mode, const char *pin_dir, struct weir_hook_state *state)
{
	__u32 flags = mode == WEIR_MODE_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	const char *hook = mode == WEIR_MODE_XDP_NATIVE ? "xdp" : "xdpg",
		   *other = mode == WEIR_MODE_XDP_NATIVE ? "xdpg" : "xdp";
	char name[48];

	pin_name(name, device, hook);
	int fd = link_adopt(object, pin_dir, name, WEIR_PROGRAM_XDP);

	state->adopted = fd >= 0;
	if (fd < 0)
		fd = xdp_link(object, device, flags);
	if (fd >= 0 && !state->adopted)
		fd = link_keep(fd, pin_dir, name);
	if (fd == -EEXIST && xdp_is_ours(device, other, pin_dir))
		return -EALREADY;
	if (fd < 0)
		return fd;
	links_remove_others(device, pin_dir, hook);
	state->mode = mode;
	state->link_fd = fd;
	state->program = WEIR_PROGRAM_XDP;
	return 0;
}

static int clsact_attach(struct weir_object *object, const struct weir_device *device,
			 enum weir_direction direction, const char *pin_dir,
			 struct weir_hook_state *state)
{
	enum weir_program program = tc_program(direction);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)device->ifindex,
		    .attach_point = direction == WEIR_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = weir_object_program_fd(object, program), .flags = BPF_TC_F_REPLACE);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();
	int r = bpf_tc_hook_create(&hook);
	char name[48];

	pin_name(name, device, "clsact");
	if (r == 0) /* ours to take away again: remembered by a pin, which outlives the daemon */
		weir_pin_replace(weir_object_map_fd(object, "cfg_live"), pin_dir, "links", name);
	if (r == 0 || r == -EEXIST)
		r = bpf_tc_attach(&hook, &opts);
	if (r)
		return r;
	if (direction == WEIR_INGRESS)
		links_remove_others(device, pin_dir, "clsact");
	state->mode = WEIR_MODE_CLSACT;
	state->link_fd = -1;
	state->program = program;
	return 0;
}

static int tcx_attach(struct weir_object *object, const struct weir_device *device,
		      enum weir_direction direction, const char *pin_dir,
		      struct weir_hook_state *state)
{
	enum weir_program program = tc_program(direction);
	int attach_type = direction == WEIR_INGRESS ? KERNEL_TCX_INGRESS : KERNEL_TCX_EGRESS;
	char name[48];

	pin_name(name, device, direction == WEIR_INGRESS ? "in" : "out");
	int fd = link_adopt(object, pin_dir, name, program);

	state->adopted = fd >= 0;
	if (fd < 0) {
		fd = bpf_link_create(weir_object_program_fd(object, program), (int)device->ifindex,
				     attach_type, NULL);
		fd = fd < 0 ? -errno : link_keep(fd, pin_dir, name);
	}
	if (fd < 0)
		return fd;
	if (direction == WEIR_INGRESS)
		links_remove_others(device, pin_dir, "in");
	state->mode = WEIR_MODE_TCX;
	state->link_fd = fd;
	state->program = program;
	return 0;
}

static int tc_attach(struct weir_object *object, const struct weir_device *device,
		     enum weir_direction direction, const char *pin_dir,
		     struct weir_hook_state *state)
{
	int r = tcx_attach(object, device, direction, pin_dir, state);

	if (r != -EINVAL && r != -EOPNOTSUPP)
		return r;
	r = clsact_attach(object, device, direction, pin_dir, state);
	if (!r)
		strncat(state->why, "; this kernel has no TCX (6.6), so clsact",
			sizeof(state->why) - strlen(state->why) - 1);
	return r;
}

/* Native XDP on these makes socket traffic slower than TC does, and most frames there never come
 * from a wire. */
static bool device_prefers_tc(const struct weir_device *device, char *why, size_t size)
{
	static const char *const kinds[] = { "veth", "tun",   "bridge", "wireguard",
					     "vlan", "bond",  "team",	"dummy",
					     "ifb",  "vxlan", "macvlan" };

	if (!weir_device_has_ethernet(device) || device->type == ARPHRD_LOOPBACK) {
		snprintf(why, size, "no Ethernet driver behind it");
		return true;
	}
	if (device->in_bridge) {
		snprintf(why, size, "port of a bridge: TC is faster there");
		return true;
	}
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(kinds); i++)
		if (strcmp(device->kind, kinds[i]) == 0) {
			snprintf(why, size,
				 "%s: TC is faster there than XDP for traffic of sockets",
				 kinds[i]);
			return true;
		}
	return false;
}

static int xdp_attach(struct weir_object *object, const struct weir_device *device,
		      enum weir_mode mode, const char *pin_dir, struct weir_hook_state *state)
{
	if (!weir_device_has_ethernet(device)) {
		snprintf(state->why, sizeof(state->why),
			 "%s has no Ethernet header: XDP cannot be used, choose hook: tc",
			 device->name);
		return -EOPNOTSUPP;
	}
	int r = xdp_attach_mode(object, device, mode, pin_dir, state);

	if (r == -EBUSY || r == -EEXIST) {
		foreign_xdp_describe(device, state->why, sizeof(state->why));
		return -EBUSY;
	}
	if (r)
		snprintf(state->why, sizeof(state->why), "%s is refused by the driver: %s",
			 weir_mode_name(mode), strerror(-r));
	else
		snprintf(state->why, sizeof(state->why), "%s",
			 mode == WEIR_MODE_XDP_NATIVE ? "the driver runs XDP itself" :
							"as configured");
	return r;
}

static int auto_attach(struct weir_object *object, const struct weir_device *device,
		       const char *pin_dir, struct weir_hook_state *state)
{
	char xdp_why[sizeof(state->why)];

	if (weir_object_lacks_behind_xdp(object)) {
		snprintf(state->why, sizeof(state->why),
			 "services and cookies want a program behind XDP, from Linux 6.6 on");
		return tc_attach(object, device, WEIR_INGRESS, pin_dir, state);
	}
	if (device_prefers_tc(device, state->why, sizeof(state->why)))
		return tc_attach(object, device, WEIR_INGRESS, pin_dir, state);
	int r = xdp_attach(object, device, WEIR_MODE_XDP_NATIVE, pin_dir, state);

	if (r == 0 || r == -EBUSY)
		return r;
	memcpy(xdp_why, state->why, sizeof(xdp_why));
	snprintf(state->why, sizeof(state->why), "%.120s; so TC", xdp_why);
	return tc_attach(object, device, WEIR_INGRESS, pin_dir, state);
}

int weir_hook_attach_ingress(struct weir_object *object, const struct weir_device *device,
			     enum weir_hook wanted, const char *pin_dir,
			     struct weir_hook_state *state)
{
	int r = -EINVAL;

	*state = (struct weir_hook_state){ .link_fd = -1 };
	snprintf(state->why, sizeof(state->why), "as configured");
	if (device_check(device, state))
		return -EOPNOTSUPP;
	switch (wanted) {
	case WEIR_HOOK_AUTO:
		r = auto_attach(object, device, pin_dir, state);
		break;
	case WEIR_HOOK_XDP:
		r = xdp_attach(object, device, WEIR_MODE_XDP_NATIVE, pin_dir, state);
		break;
	case WEIR_HOOK_XDP_GENERIC:
		r = xdp_attach(object, device, WEIR_MODE_XDP_GENERIC, pin_dir, state);
		break;
	case WEIR_HOOK_TC:
		r = tc_attach(object, device, WEIR_INGRESS, pin_dir, state);
		break;
	}
	if (r && strcmp(state->why, "as configured") == 0)
		snprintf(state->why, sizeof(state->why), "cannot be attached: %s", strerror(-r));
	return r;
}

int weir_hook_attach_egress(struct weir_object *object, const struct weir_device *device,
			    const char *pin_dir, struct weir_hook_state *state)
{
	*state = (struct weir_hook_state){ .link_fd = -1 };
	if (device_check(device, state))
		return -EOPNOTSUPP;
	int r = tc_attach(object, device, WEIR_EGRESS, pin_dir, state);

	if (r)
		snprintf(state->why, sizeof(state->why), "cannot be attached: %s", strerror(-r));
	return r;
}

int weir_hook_update(struct weir_object *object, const struct weir_device *device,
		     enum weir_direction direction, struct weir_hook_state *state)
{
	if (state->mode == WEIR_MODE_NONE)
		return 0;
	if (state->mode == WEIR_MODE_CLSACT) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)device->ifindex,
			    .attach_point =
				    direction == WEIR_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
			    .prog_fd = weir_object_program_fd(object, state->program),
			    .flags = BPF_TC_F_REPLACE);

		return bpf_tc_attach(&hook, &opts);
	}
	return bpf_link_update(state->link_fd, weir_object_program_fd(object, state->program),
			       NULL) ?
		       -errno :
		       0;
}

void weir_hook_detach(const struct weir_device *device, enum weir_direction direction,
		      const char *pin_dir, struct weir_hook_state *state)
{
	static const char *const names[] = {
		[WEIR_MODE_XDP_NATIVE] = "xdp",
		[WEIR_MODE_XDP_GENERIC] = "xdpg",
		[WEIR_MODE_TCX] = "in",
	};
	char name[48];

	if (state->mode == WEIR_MODE_CLSACT)
		clsact_detach(device->ifindex, direction, pin_dir);
	else if (state->mode != WEIR_MODE_NONE) {
		pin_name(name, device, direction == WEIR_EGRESS ? "out" : names[state->mode]);
		weir_pin_remove(pin_dir, "links", name);
		if (state->link_fd >= 0)
			bpf_link_detach(state->link_fd);
	}
	weir_hook_release(state);
	state->mode = WEIR_MODE_NONE;
}

void weir_hook_release(struct weir_hook_state *state)
{
	weir_cleanup_close(&state->link_fd);
	state->link_fd = -1;
}

static void link_sweep(const char *pin_dir, const char *name)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	if (fd >= 0)
		bpf_link_detach(fd);
	weir_pin_remove(pin_dir, "links", name);
}

struct sweep {
	const char *pin_dir;
	bool (*is_wanted)(void *arg, uint32_t ifindex, enum weir_direction direction);
	void *arg;
};

static void pin_sweep(const struct sweep *sweep, uint32_t ifindex, const char *hook,
		      const char *name)
{
	bool is_clsact = strcmp(hook, "-clsact") == 0;

	for (int i = 0; i < WEIR_DIRECTIONS; i++) {
		enum weir_direction direction = (enum weir_direction)i;
		bool is_its = is_clsact || (strcmp(hook, "-out") == 0) == (i == WEIR_EGRESS);

		if (!is_its || sweep->is_wanted(sweep->arg, ifindex, direction))
			continue;
		if (is_clsact)
			clsact_detach(ifindex, direction, sweep->pin_dir);
		else
			link_sweep(sweep->pin_dir, name);
	}
}

void weir_hook_sweep(const char *pin_dir,
		     bool (*is_wanted)(void *arg, uint32_t ifindex, enum weir_direction direction),
		     void *arg)
{
	_cleanup_free_ char *path = weir_path_join(pin_dir, "links");
	_cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
	const struct sweep sweep = { pin_dir, is_wanted, arg };
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *hook;
		unsigned long ifindex = strtoul(entry->d_name, &hook, 10);

		if (*hook == '-')
			pin_sweep(&sweep, (uint32_t)ifindex, hook, entry->d_name);
	}
}
