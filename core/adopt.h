/* SPDX-License-Identifier: Apache-2.0 */
/* Hands the connections that the kernel knows to the features that are to follow them now. */
#ifndef WEIR_CORE_ADOPT_H
#define WEIR_CORE_ADOPT_H

#include "feature.h"

/*
 * To the features whose states these are and who want them; before a program of theirs is attached,
 * and once more, as WEIR_ADOPTED_LATE, when it is. Blocks: start or a worker. What cannot be had is
 * a warning in diag, the first time: those connections are then taken for new when their next
 * packet comes. Returns how many are taken over.
 */
uint64_t weir_adopt(void *const *states, const struct weir_config *config, enum weir_adopted_as as,
		    struct weir_diag *diag);

#endif
