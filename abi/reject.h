/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of the kernel boundary agree on about answers to rejected packets. */
#ifndef WEIR_ABI_REJECT_H
#define WEIR_ABI_REJECT_H

#include <linux/types.h>

/* Rodata `reject_constants`. A CPU lets out `per_second` answers in the long run, and `burst` at
 * once; neither may be 0 where `enabled` is set. */
struct weir_reject_constants {
	__u32 enabled; /* 0: nothing rejects, and the code for it is not even looked at */
	__u32 per_second;
	__u32 burst;
	__u32 reserved;
};

_Static_assert(sizeof(struct weir_reject_constants) == 16, "as user space sets it");

#endif
