/* SPDX-License-Identifier: Apache-2.0 */
/* What is attached to a watched interface, and how it changes over. How a program gets onto one is
 * hook.c's. */
#include <errno.h>
#include <string.h>

#include "hook_proof.h"
#include "interfaces_private.h"

/* clsact is no link that the next one replaces: its filter is taken out. */
static void ingress_become(struct weir_interfaces *interfaces, struct weir_watched *watched,
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
static int ingress_change_mode(struct weir_interfaces *interfaces, struct weir_watched *watched,
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
static int ingress_attach(struct weir_interfaces *interfaces, struct weir_watched *watched)
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

bool weir_watched_has_egress(const struct weir_interfaces *interfaces,
			     const struct weir_watched *watched)
{
	return watched->wanted.egress || interfaces->both_ways;
}

static int egress_attach(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	const char *pin_dir = interfaces->options.pin_dir;

	if (!weir_watched_has_egress(interfaces, watched)) {
		weir_hook_detach(&watched->device, WEIR_EGRESS, pin_dir, &watched->egress);
		return 0;
	}
	if (watched->egress.mode != WEIR_MODE_NONE)
		return 0;
	return weir_hook_attach_egress(interfaces->object, &watched->device, pin_dir,
				       &watched->egress);
}

static int proof_attach(struct weir_interfaces *interfaces, struct weir_watched *watched,
			struct weir_object *object)
{
	return weir_hook_follow_proof(object, &watched->device, watched->ingress.mode,
				      interfaces->options.pin_dir, &watched->proof);
}

int weir_watched_hooks_attach(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	weir_hook_adopt_proof(interfaces->object, &watched->device, interfaces->options.pin_dir);
	int r = ingress_attach(interfaces, watched);

	if (!r)
		r = egress_attach(interfaces, watched);
	return r ? r : proof_attach(interfaces, watched, interfaces->object);
}

void weir_watched_hooks_detach(struct weir_interfaces *interfaces, struct weir_watched *watched)
{
	const char *pin_dir = interfaces->options.pin_dir;

	weir_hook_detach(&watched->device, WEIR_INGRESS, pin_dir, &watched->ingress);
	weir_hook_detach(&watched->device, WEIR_EGRESS, pin_dir, &watched->egress);
	weir_hook_detach_proof(&watched->device, pin_dir, &watched->proof);
}

void weir_watched_hooks_release(struct weir_watched *watched)
{
	weir_hook_release(&watched->ingress);
	weir_hook_release(&watched->egress);
	weir_hook_release(&watched->proof);
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

/* A device may be gone and the kernel's word of it still to be read: nothing is to be switched. */
static int hook_switch(struct weir_object *object, const struct weir_device *device,
		       enum weir_direction direction, struct weir_hook_state *state)
{
	int r = weir_hook_update(object, device, direction, state);

	return r == -ENOLINK || r == -ENODEV ? 0 : r;
}

/* Where the choice is ours, and XDP will not do for the new object, it goes to TC. */
static bool ingress_moves(const struct weir_watched *watched, const struct weir_object *object)
{
	return watched->wanted.hook == WEIR_HOOK_AUTO &&
	       watched->ingress.mode == WEIR_MODE_XDP_NATIVE &&
	       weir_object_lacks_behind_xdp(object);
}

static int ingress_switch(struct weir_interfaces *interfaces, struct weir_watched *watched,
			  struct weir_object *object)
{
	struct weir_hook_state fresh;

	if (!ingress_moves(watched, object))
		return hook_switch(object, &watched->device, WEIR_INGRESS, &watched->ingress);
	int r = weir_hook_attach_ingress(object, &watched->device, WEIR_HOOK_AUTO,
					 interfaces->options.pin_dir, &fresh);

	if (!r)
		ingress_become(interfaces, watched, &fresh);
	return r;
}

/* Who hands over stands before the first cookie is sent, and goes after the last. */
static int watched_switch(struct weir_interfaces *interfaces, struct weir_watched *watched,
			  struct weir_object *object)
{
	bool sends = weir_object_writes_behind_xdp(object);
	int r = sends ? proof_attach(interfaces, watched, object) : 0;

	if (!r)
		r = ingress_switch(interfaces, watched, object);
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
