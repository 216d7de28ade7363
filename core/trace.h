/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracing programs (bpf/trace.bpf.c): loaded when a feature asks for them, attached beside
 * those of a daemon before, and given their turn by one store, so that nothing is counted twice or
 * missed. Programs and maps are pinned: they count on when the daemon is gone.
 */
#ifndef WEIR_CORE_TRACE_H
#define WEIR_CORE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "kernel_types.h"
#include "map.h"

struct weir_tracer;

/* A `const volatile` variable of the programs. */
struct weir_trace_constant {
	const char *name;
	const void *value;
	size_t size;
};

/* Loads, attaches and takes its turn. `constants` ends with a name of NULL. Milliseconds. */
int weir_tracer_new(const char *pin_dir, const struct weir_kernel_types *types,
		    const struct weir_trace_constant *constants, struct weir_diag *diag,
		    struct weir_tracer **ret_tracer);
/* Whether the programs can be loaded and attached here: 0, or why not. Leaves nothing behind. */
int weir_tracer_try(void);
/* Lets go of it: it counts on. */
void weir_tracer_free(struct weir_tracer *tracer);
/* Detaches what is pinned, of whichever daemon, and takes away its maps with what they hold. */
void weir_tracer_remove(const char *pin_dir);
/* Borrowed, or NULL. */
struct weir_map *weir_tracer_map(struct weir_tracer *tracer, const char *name);
/* How often a program was not run since it ran already, further down on that processor; 0 where
 * the kernel does not say. */
uint64_t weir_tracer_missed(const struct weir_tracer *tracer);

#endif
