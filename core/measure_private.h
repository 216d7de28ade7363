/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of measure.h share. */
#ifndef WEIR_CORE_MEASURE_PRIVATE_H
#define WEIR_CORE_MEASURE_PRIVATE_H

#include "abi/maps.h"
#include "aside.h"
#include "measure.h"

/* Where programs are attached. */
struct weir_measure_place {
	uint32_t ifindex; /* 0: free */
	int link_fd;	  /* -1: a filter of clsact */
};

struct weir_measure_places {
	const char *hook, *pin_dir;
	int program_fd, program_ip_fd;
	bool is_swept; /* what a run before has left elsewhere is gone */
	struct weir_measure_place at[WEIR_INTERFACES_MAX];
};

struct weir_measurer {
	const struct weir_measure_plan *plan;
	struct weir_measure *skeleton;
	struct weir_aside_maps maps;
	struct weir_measure_places places;
};

/* As weir_measurer_follow() and weir_measurer_remove(). */
size_t weir_measure_places_follow(struct weir_measure_places *places, const uint32_t *ifindexes,
				  size_t count, char why[160]);
void weir_measure_places_remove(const char *pin_dir, const char *hook);
/* measure_clsact.c: where there is no TCX. */
int weir_measure_clsact_attach(uint32_t ifindex, int program_fd, const char *pin_dir);
bool weir_measure_clsact_is(uint32_t ifindex);
void weir_measure_clsact_detach(uint32_t ifindex, const char *pin_dir);
/* Leaves programs attached. */
void weir_measure_places_release(struct weir_measure_places *places);

#endif
