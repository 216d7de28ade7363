/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program on one interface: attach, adopt, update, detach. Links are pinned, so a program stays
 * when the daemon dies. A foreign program is never replaced: the refusal names it.
 */
#ifndef WEIR_CORE_HOOK_H
#define WEIR_CORE_HOOK_H

#include "config.h"
#include "object.h"

enum weir_mode {
	WEIR_MODE_NONE,
	WEIR_MODE_XDP_NATIVE,
	WEIR_MODE_XDP_GENERIC,
	WEIR_MODE_TCX,
	WEIR_MODE_CLSACT,
};

/* What is known of a network device. */
struct weir_device {
	uint32_t ifindex;
	char name[16];
	char kind[16]; /* IFLA_INFO_KIND: "veth", "tun", …; empty for hardware */
	uint16_t type; /* ARPHRD_* */
	uint32_t mtu;
	uint32_t flags; /* IFF_* */
	uint8_t mac[6];
	bool has_mac, in_bridge;
};

/* Whether its packets have an Ethernet header at TC; on others they begin with that of IP. */
bool weir_device_has_ethernet(const struct weir_device *device);

/* One place on one device. */
struct weir_hook_state {
	enum weir_mode mode;
	int link_fd; /* -1 with clsact */
	enum weir_program program;
	bool adopted;
	char why[160]; /* why this mode; or, when it failed, why not */
};

const char *weir_mode_name(enum weir_mode mode);

/* Ingress by the wanted hook; -ENOTSUP, -EBUSY (foreign program, named in state->why) and others
 * leave nothing attached. -EALREADY: ours runs there in the other mode of XDP, and the kernel takes
 * no two at once: what is attached must go to TC first. */
int weir_hook_attach_ingress(struct weir_object *object, const struct weir_device *device,
			     enum weir_hook wanted, const char *pin_dir,
			     struct weir_hook_state *state);
int weir_hook_attach_egress(struct weir_object *object, const struct weir_device *device,
			    const char *pin_dir, struct weir_hook_state *state);
/* The same hook goes on with the program of another object, without a moment between. */
int weir_hook_update(struct weir_object *object, const struct weir_device *device,
		     enum weir_direction direction, struct weir_hook_state *state);
void weir_hook_detach(const struct weir_device *device, enum weir_direction direction,
		      const char *pin_dir, struct weir_hook_state *state);
/* Detaches and unpins our links on devices, or in directions, that are not wanted: what was left by
 * a run that wanted more. */
void weir_hook_sweep(const char *pin_dir,
		     bool (*is_wanted)(void *arg, uint32_t ifindex, enum weir_direction direction),
		     void *arg);
/* Closes the descriptor and leaves the program where it is. */
void weir_hook_release(struct weir_hook_state *state);

#endif
