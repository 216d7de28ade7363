/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How much is remembered of the flows that XDP sends on by itself (bpf/lib/microflow.h). */
#ifndef WEIR_ABI_MICROFLOW_H
#define WEIR_ABI_MICROFLOW_H

#include <linux/types.h>

#define MICROFLOW_WAYS 2    /* flows of IPv4 in a set, a line each, and a tag of a byte */
#define MICROFLOW_TAGGED 64 /* sets whose tags are in one row, as large as a set */

/* Rodata `microflow_constants`. */
struct weir_microflow_constants {
	__u32 sets; /* of each CPU, a power of two */
	__u32 each; /* rows of each CPU: its sets, and their tags */
	__u8 enabled;
};

#endif
