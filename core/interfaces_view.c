/* SPDX-License-Identifier: Apache-2.0 */
/* The watched interfaces as they are shown, and asked after. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interfaces_private.h"

static void view_fill(struct weir_interface_view *view, const struct weir_watched *watched)
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
	       !weir_watched_by_name((struct weir_interfaces *)interfaces, wanted->name);
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
		const struct weir_watched *watched = &interfaces->watched[i];
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
