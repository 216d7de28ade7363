/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracing programs (bpf/trace.bpf.c): loaded when a feature asks for them, attached beside
 * those of a daemon before, and given their turn by one store, so that nothing is counted twice or
 * missed. Programs and maps are pinned: they count on when the daemon is gone.
 */
#ifndef WEIR_CORE_TRACE_H
#define WEIR_CORE_TRACE_H

#include <stdbool.h>
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

enum weir_trace_hook {
	WEIR_TRACE_TRACEPOINT,
	WEIR_TRACE_CGROUP,   /* at the topmost cgroup */
	WEIR_TRACE_ITERATOR, /* runs when weir_tracer_run() has it run */
};

struct weir_trace_program {
	const char *name;
	const char *hook; /* "kfree_skb": its link is pinned under this; programs of one hook run in
			   * the order of the plan. Of an iterator NULL */
	enum weir_trace_hook kind;
	bool is_optional; /* the rest goes without it */
};

/* What a feature wants of the programs and maps of bpf/trace.bpf.c. */
struct weir_trace_plan {
	const char *turn;			     /* the map of its own word (bpf/lib/trace.h) */
	const struct weir_trace_program *programs;   /* ends with a name of NULL */
	const char *const *maps;		     /* `turn` among them; ends with NULL */
	const struct weir_trace_constant *constants; /* ends with a name of NULL */
};

/* Loads, attaches and takes its turn. `plan` must last as long as the tracer; milliseconds. */
int weir_tracer_new(const char *pin_dir, const struct weir_kernel_types *types,
		    const struct weir_trace_plan *plan, struct weir_diag *diag,
		    struct weir_tracer **ret_tracer);
/* Whether the programs can be loaded and attached here: 0, or why not. Leaves nothing behind. */
int weir_tracer_try(void);
/* Lets go of it: it counts on. */
void weir_tracer_free(struct weir_tracer *tracer);
/* Detaches what is pinned, of whichever daemon, and takes away its maps with what they hold. */
void weir_tracer_remove(const char *pin_dir, const struct weir_trace_plan *plan);
/* Borrowed, or NULL. */
struct weir_map *weir_tracer_map(struct weir_tracer *tracer, const char *name);
/* Whether it is loaded and attached: what is optional may not be to be had here. */
bool weir_tracer_has(const struct weir_tracer *tracer, const char *program);
/* Hooks that are optional and not to be had here, with a comma between; "" when all are. */
const char *weir_tracer_lacks(const struct weir_tracer *tracer);
/* Has an iterator run to its end. */
int weir_tracer_run(struct weir_tracer *tracer, const char *program);
/* How often a program was not run since it ran already, further down on that processor; 0 where
 * the kernel does not say. */
uint64_t weir_tracer_missed(const struct weir_tracer *tracer);

#endif
