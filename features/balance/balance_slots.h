/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of services that have more than one backend to choose from, 131 KB each: parts of the
 * image (core/image_parts.h), one for all services with the same backends and weights. A part keeps
 * its place while it is in the policy, so that who changes one service writes its slots alone.
 */
#ifndef WEIR_BALANCE_SLOTS_H
#define WEIR_BALANCE_SLOTS_H

#include "core/image.h"
#include "features/balance/balance_count.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"

/* What the slots of a service follow from. */
struct balance_spread {
	enum balance_scheduler scheduler;
	const struct balance_maglev_backend *shares;
	unsigned count;
	uint32_t slots; /* how many there are */
	uint32_t line;	/* where they begin, in lines of the section; balance_slots_place() */
};

/* Of all services. */
struct balance_spreads {
	struct balance_spread *at;
	unsigned count;
	uint32_t base; /* where the slots of those that have more than one begin */
};

/*
 * Finds places for those slots, behind `behind` lines of the section, where `before` (NULL: nothing
 * was) has them already; plan notes where. -ENOMEM.
 */
int balance_slots_place(struct balance_spreads *spreads, uint32_t behind,
			const struct balance_plan *before, struct balance_plan *plan);
/* Their parts. They read `owned` (who has the shares), which is freed with them; where it fails it
 * is not. -ENOMEM. */
int balance_slots_parts(const struct balance_spreads *spreads, void *owned,
			void (*owned_free)(void *owned), struct weir_image *image);

#endif
