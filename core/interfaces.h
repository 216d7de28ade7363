/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interfaces are watched: by name or pattern, from the file, the command line or at run time.
 * Follows the kernel's device list: one that comes back is attached again, one renamed or gone is
 * told of. Gives each a row of the counters.
 */
#ifndef WEIR_CORE_INTERFACES_H
#define WEIR_CORE_INTERFACES_H

#include "config.h"
#include "object.h"
#include "snapshot.h"

struct weir_interfaces;

struct weir_interfaces_options {
	const char *pin_dir;
	const char *state_dir; /* where what is asked for at run time is kept; may be NULL */
	/* Something a person should know: "attached", "detached", "gone", "renamed", "refused". */
	void (*told)(void *arg, const char *what, const char *name, const char *detail);
	/* An interface has got its row of the counters, and no program yet; or another name. */
	void (*row)(void *arg, uint32_t row, const char *name);
	void *arg;
};

int weir_interfaces_new(struct weir_object *object, const struct weir_interfaces_options *options,
			struct weir_diag *diag, struct weir_interfaces **ret_interfaces);
/* Leaves programs attached. */
void weir_interfaces_free(struct weir_interfaces *interfaces);
/* What the configuration and the command line want; replaces what they wanted before, attaches and
 * detaches what differs. */
int weir_interfaces_want(struct weir_interfaces *interfaces,
			 const struct weir_interface_config *wanted, unsigned count);
/* Whether packets that leave are looked at on every watched interface, asked for or not: where
 * connections are followed. */
void weir_interfaces_follow(struct weir_interfaces *interfaces, bool both_ways);
/* At run time. The first refusal is told in diag. -ENOENT: no such device now. */
int weir_interfaces_attach(struct weir_interfaces *interfaces,
			   const struct weir_interface_config *wanted, struct weir_diag *diag);
int weir_interfaces_detach(struct weir_interfaces *interfaces, const char *name,
			   struct weir_diag *diag);
/* All programs go over to another object, or, when one will not, none. */
int weir_interfaces_switch(struct weir_interfaces *interfaces, struct weir_object *object,
			   struct weir_diag *diag);
/* The descriptor to watch for device changes, and what to call when it is readable. */
int weir_interfaces_fd(const struct weir_interfaces *interfaces);
void weir_interfaces_ready(struct weir_interfaces *interfaces);
/* Fills in all but the counts; *ret_views is the caller's. */
int weir_interfaces_view(const struct weir_interfaces *interfaces,
			 struct weir_interface_view **ret_views, size_t *ret_count);
/* Program and ifindex that a packet on this interface would meet (name NULL: the first attached);
 * -ENOENT. */
int weir_interfaces_program(const struct weir_interfaces *interfaces, const char *name,
			    enum weir_direction direction, enum weir_program *ret_program,
			    uint32_t *ret_ifindex);

/*
 * A frame goes in by the interface, as if it had arrived there once more: it is judged by what is
 * attached, and counted by no device. It begins with an Ethernet header, made up where the device
 * has none, and fits a page with some room. Blocks while it is judged.
 */
int weir_interfaces_inject(struct weir_interfaces *interfaces, uint32_t ifindex, const void *frame,
			   size_t len);
/* Whether what XDP has seen can go in again as it was: not before Linux 5.18, nor where tags are
 * hidden from XDP that something depends on. Asks the kernel. */
bool weir_interfaces_inject_by_xdp(const struct weir_interfaces *interfaces);

#endif
