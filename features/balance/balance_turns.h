/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which backends take turns: smooth weighted round robin, as nginx has it, so that a
 * heavy backend's turns lie apart.
 */
#ifndef WEIR_BALANCE_TURNS_H
#define WEIR_BALANCE_TURNS_H

#include "features/balance/balance_maglev.h"

/*
 * Fills as many of BALANCE_SLOTS slots as a round takes, and returns how many: the sum of the
 * weights without what all have in common. Where that is too many, weights are scaled down, and
 * who would come away with none has one. 0: no backend has a weight. -ENOMEM.
 */
int balance_turns_fill(const struct balance_maglev_backend *backends, unsigned count,
		       uint16_t *slots);
/* How many it would fill. */
int balance_turns_count(const struct balance_maglev_backend *backends, unsigned count);

#endif
