/* SPDX-License-Identifier: Apache-2.0 */
/* Patched sections: what a policy says of each interface, written as interfaces come and before a
 * policy goes live. An interface never waits for a compile, nor a policy for an interface. */
#ifndef WEIR_CORE_PATCH_H
#define WEIR_CORE_PATCH_H

#include "commit.h"
#include "object.h"

/* Every interface that has a row, into the slot that is staged. Right before the flip. */
void weir_patch_staged(struct weir_commit *commit, struct weir_object *object);
/* One interface, into that slot. */
void weir_patch_staged_row(struct weir_commit *commit, uint32_t row, const char *name);
/* One interface, into the live slot: before a program is attached to it, or when it is renamed. */
void weir_patch_live(struct weir_commit *commit, uint32_t row, const char *name);

#endif
