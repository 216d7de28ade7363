/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second program where packets arrive at an interface with XDP: it hands on to their listener
 * what XDP has marked as proven, which needs an skb. Only TCX: kernels that can hand over have it.
 */
#ifndef WEIR_CORE_HOOK_PROOF_H
#define WEIR_CORE_HOOK_PROOF_H

#include "hook.h"

/* Attaches the program of `object` where packets arrive at a hook that needs it and the object
 * sends cookies; else detaches what is there. Idempotent. */
int weir_hook_follow_proof(struct weir_object *object, const struct weir_device *device,
			   enum weir_mode ingress, const char *pin_dir,
			   struct weir_hook_state *state);
/* What an earlier run has left gets the object's program, before XDP does: one of before behind it
 * would take what the new one let pass for this host's. What fails here fails where it follows. */
void weir_hook_adopt_proof(struct weir_object *object, const struct weir_device *device,
			   const char *pin_dir);
/* Also what an earlier run has left. */
void weir_hook_detach_proof(const struct weir_device *device, const char *pin_dir,
			    struct weir_hook_state *state);

#endif
