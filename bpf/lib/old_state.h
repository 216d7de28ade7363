/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Tables of before a reload. A map st_NAME that gets another size is a new map; what is in the one
 * before is asked for under the name st_old_NAME until all of it has come over, and then another
 * program is loaded that knows nothing of it (core/state.c).
 */
#ifndef WEIR_BPF_OLD_STATE_H
#define WEIR_BPF_OLD_STATE_H

#include <linux/types.h>

struct old_state {
	__u32 exists;
};

const volatile struct old_state old_state = {};

#endif
