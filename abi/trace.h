/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What tracing programs are told when they are loaded. */
#ifndef WEIR_ABI_TRACE_H
#define WEIR_ABI_TRACE_H

#include <linux/types.h>

struct weir_trace_constants {
	__u64 turn;  /* of this load alone; cfg_trace says which one counts */
	__u32 netns; /* inode of the network namespace that is watched */
	/* How many arguments the running kernel's `kfree_skb` has: what it does not tell is not
	 * looked at. */
	__u32 kfree_skb_args;
};

_Static_assert(sizeof(struct weir_trace_constants) == 16, "the same on both sides");

#endif
