/* SPDX-License-Identifier: Apache-2.0 */
/* What BPF objects beside the data path's have in common (trace.c, measure.c): maps that are pinned
 * under their names, and taken up again by the next daemon. */
#ifndef WEIR_CORE_ASIDE_H
#define WEIR_CORE_ASIDE_H

#include <stddef.h>

#include "map_private.h"

#define WEIR_ASIDE_MAPS_MAX 16

struct weir_aside_maps {
	const char *pin_dir;
	const char *const *names; /* those that are wanted of the object; ends with NULL */
	struct weir_map at[WEIR_ASIDE_MAPS_MAX];
	size_t count;
};

/*
 * Before the object is loaded, for each map of it: what is not wanted is not made, and what is
 * pinned goes on with its content, unless another version laid it out otherwise or it has another
 * size: that is begun anew.
 */
int weir_aside_map_take(struct weir_aside_maps *maps, struct bpf_map *map);
/* Once it is loaded: those that were begun anew take the places of those that are pinned. */
int weir_aside_maps_pin(const struct weir_aside_maps *maps);
/* Borrowed, or NULL. */
struct weir_map *weir_aside_map(struct weir_aside_maps *maps, const char *name);
/* Takes what is pinned away, with what it holds. */
void weir_aside_maps_remove(const char *pin_dir, const char *const *names);

#endif
