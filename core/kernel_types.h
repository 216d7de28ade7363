/* SPDX-License-Identifier: Apache-2.0 */
/* What the running kernel says of its own types (BTF): numbers that differ from one kernel to the
 * next, by their names. */
#ifndef WEIR_CORE_KERNEL_TYPES_H
#define WEIR_CORE_KERNEL_TYPES_H

#include <stdint.h>

#include "base/diag.h"

struct weir_kernel_types;

/* Reads all of them, some megabytes: milliseconds. -ENOENT: this kernel tells nothing, which diag
 * (may be NULL) says. */
int weir_kernel_types_new(struct weir_diag *diag, struct weir_kernel_types **ret_types);
void weir_kernel_types_free(struct weir_kernel_types *types);
static inline void weir_kernel_types_freep(struct weir_kernel_types **types)
{
	weir_kernel_types_free(*types);
}

/*
 * Each value of every enumeration whose name ends so, those of modules that are loaded included.
 * Names last as long as `types`. Stops at the first non-zero and returns it.
 */
int weir_kernel_enum_each(const struct weir_kernel_types *types, const char *ending,
			  int (*each)(const char *name, uint32_t value, void *arg), void *arg);
/* How many arguments a tracepoint has; 0 where there is none of that name. */
unsigned weir_kernel_tracepoint_args(const struct weir_kernel_types *types, const char *name);

#endif
