/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage -> flip -> settle. Staging fills the slot that is not live and may fail; the flip is one
 * store and cannot; settling waits until no packet can still be reading the slot that is to be
 * filled next.
 */
#ifndef WEIR_CORE_COMMIT_H
#define WEIR_CORE_COMMIT_H

#include "../abi/policy_head.h"
#include "image.h"
#include "object.h"

struct weir_commit;

/* Opens the slots of an object, adopting what is pinned; pin_dir NULL for a private object. */
int weir_commit_new(struct weir_object *object, const char *pin_dir, struct weir_diag *diag,
		    struct weir_commit **ret_commit);
/* A start is through: the next one may take over what is pinned. Until then maps that do not follow
 * on those of before say that they are unfinished. */
void weir_commit_finish(struct weir_commit *commit);
void weir_commit_free(struct weir_commit *commit);
static inline void weir_commit_freep(struct weir_commit **commit)
{
	weir_commit_free(*commit);
}
#define _cleanup_commit_ __attribute__((cleanup(weir_commit_freep)))

/* Fills the spare slot; may run on a worker, one at a time. Waits first for readers of that slot.
 * Nothing is live by it. */
int weir_commit_stage(struct weir_commit *commit, const struct weir_image *image,
		      struct weir_diag *diag);
/* Waits until every packet that was under way has left the packet programs, or fails: then some
 * may still be there. */
int weir_commit_grace(struct weir_commit *commit);
/* Makes what was staged live under this revision. */
void weir_commit_flip(struct weir_commit *commit, uint64_t revision);
/* A new revision of the same slot: a live set changed. */
void weir_commit_bump(struct weir_commit *commit, uint64_t revision);
uint64_t weir_commit_revision(const struct weir_commit *commit);
unsigned weir_commit_slot(const struct weir_commit *commit);
/* Whether the live slot holds exactly these lines already. Not while another is at the slots. */
bool weir_commit_is_live(struct weir_commit *commit, const struct weir_image *image);
/* Bytes both slots take in the kernel. */
uint64_t weir_commit_bytes(const struct weir_commit *commit);
/* Near lines a slot has room for: an image with more needs another object. */
uint32_t weir_commit_near_capacity(const struct weir_commit *commit);

/* What a slot holds, in place: for patched lines, and nothing else is to be written. */
struct weir_policy_view {
	const struct weir_policy_head *head;
	struct weir_line *near;
};
struct weir_policy_view weir_commit_view(const struct weir_commit *commit, unsigned slot);

#endif
