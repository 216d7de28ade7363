/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs that only measure (bpf/measure.bpf.c): loaded when a feature asks for them, attached
 * at TC where packets arrive, behind Weir's own, so that they meet what that lets pass. Programs
 * and maps are pinned: they measure on when the daemon is gone, and the next one takes them over.
 */
#ifndef WEIR_CORE_MEASURE_H
#define WEIR_CORE_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "map.h"

struct weir_measurer;

/* What a feature wants of bpf/measure.bpf.c. */
struct weir_measure_plan {
	const char *hook;		  /* "quality": links are pinned under IFINDEX-hook */
	const char *program, *program_ip; /* the latter where there is no link header */
	const char *const *maps;	  /* its own; ends with NULL */
	const char *sized;		  /* the one of them that has `entries` */
	uint32_t entries;
};

/* `plan` must last as long as the measurer. Nothing is attached yet; milliseconds. */
int weir_measurer_new(const char *pin_dir, const struct weir_measure_plan *plan,
		      struct weir_diag *diag, struct weir_measurer **ret_measurer);
/* Lets go of it: it measures on. */
void weir_measurer_free(struct weir_measurer *measurer);
/* Attaches to these devices where it is not, detaches from all others. Idempotent. Returns at how
 * many of them it is; `why` says what is wrong at the first where it cannot be, or "". */
size_t weir_measurer_follow(struct weir_measurer *measurer, const uint32_t *ifindexes, size_t count,
			    char why[160]);
/* Borrowed, or NULL. */
struct weir_map *weir_measurer_map(struct weir_measurer *measurer, const char *name);
/* Detaches what is pinned, of whichever daemon, and takes away its maps with what they hold. */
void weir_measurer_remove(const char *pin_dir, const struct weir_measure_plan *plan);

#endif
