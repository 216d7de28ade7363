/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that stand on an allow and on a deny list. Allowed, but seldom meant: whoever makes one
 * is told.
 */
#ifndef WEIR_BLOCK_CONFLICT_H
#define WEIR_BLOCK_CONFLICT_H

#include "base/diag.h"
#include "features/block/block_list.h"

#define BLOCK_CONFLICTS_SHOWN 4 /* examples of each pair of lists */

struct block_conflicts {
	size_t count; /* entries of the subject that share an address with the other list */
	struct {
		struct weir_range entry; /* of the subject */
		struct weir_range other;
	} shown[BLOCK_CONFLICTS_SHOWN];
};

/* Linear in both. -ENOMEM. */
int block_conflicts_find(const struct block_list *subject, const struct block_list *other,
			 struct block_conflicts *ret_conflicts);
/* A warning for each example and one for how many more there are. */
void block_conflicts_warn(const struct block_conflicts *conflicts, const struct block_list *subject,
			  const struct block_list *other, struct weir_diag *diag);

#endif
