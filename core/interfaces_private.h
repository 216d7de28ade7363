/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of interfaces.h share: the watched interfaces, and what is attached to each. */
#ifndef WEIR_CORE_INTERFACES_PRIVATE_H
#define WEIR_CORE_INTERFACES_PRIVATE_H

#include "abi/maps.h"
#include "hook.h"
#include "iface_wanted.h"
#include "interfaces.h"

struct weir_watched {
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
	struct weir_watched watched[WEIR_INTERFACES_MAX];
	size_t watched_count;
	int netlink_fd;
	int redirect_fd; /* inject.c: a program, or -1 */
};

/* interfaces.c: NULL for none, also of those that are gone for now. */
struct weir_watched *weir_watched_by_name(struct weir_interfaces *interfaces, const char *name);
/* interfaces_hooks.c: as it is wanted; what is attached stays so where the new is refused. */
int weir_watched_hooks_attach(struct weir_interfaces *interfaces, struct weir_watched *watched);
void weir_watched_hooks_detach(struct weir_interfaces *interfaces, struct weir_watched *watched);
/* Leaves programs attached. */
void weir_watched_hooks_release(struct weir_watched *watched);
bool weir_watched_has_egress(const struct weir_interfaces *interfaces,
			     const struct weir_watched *watched);

#endif
