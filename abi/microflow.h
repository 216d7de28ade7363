/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How much is remembered of the flows that XDP sends on by itself (bpf/lib/microflow.h). */
#ifndef WEIR_ABI_MICROFLOW_H
#define WEIR_ABI_MICROFLOW_H

#include <linux/types.h>

/* Rodata `microflow_constants`. */
struct weir_microflow_constants {
	__u32 sets; /* of each CPU, a power of two */
	__u8 enabled;
};

#endif
