/* SPDX-License-Identifier: Apache-2.0 */
/* Hands the connections that the kernel knows to the features that are to follow them now. */
#ifndef WEIR_CORE_ADOPT_H
#define WEIR_CORE_ADOPT_H

#include "config.h"

enum weir_adopted_as {
	WEIR_ADOPTED_KNOWN,   /* judged like any that goes on */
	WEIR_ADOPTED_GRANTED, /* passes where no rule speaks */
};

/*
 * To the features whose states these are and who want them; before a program of theirs is attached.
 * Blocks: start or a worker. What cannot be had is a warning in diag: those connections are then
 * taken for new when their next packet comes.
 */
void weir_adopt(void *const *states, const struct weir_config *config, enum weir_adopted_as as,
		struct weir_diag *diag);

#endif
