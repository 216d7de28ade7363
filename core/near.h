/* SPDX-License-Identifier: Apache-2.0 */
/* tab_near as user space sees it: both slots, mapped. Filling the one that is not live is
 * commit.c's, patching lines for interfaces the features'. */
#ifndef WEIR_CORE_NEAR_H
#define WEIR_CORE_NEAR_H

#include "image.h"
#include "object.h"

struct weir_near {
	struct weir_map_memory memory;
	struct weir_line *lines; /* of both slots, one after the other */
	uint32_t capacity;	 /* lines a slot has */
};

int weir_near_open(struct weir_near *near, struct weir_object *object);
void weir_near_done(struct weir_near *near);
/* -E2BIG when the image does not fit: weir_near_capacity_for() says what would. */
int weir_near_write(struct weir_near *near, unsigned slot, const struct weir_image *image);
/* Whether the slot holds what the image has, patched lines aside. */
bool weir_near_holds(const struct weir_near *near, unsigned slot, const struct weir_image *image);
struct weir_line *weir_near_slot(const struct weir_near *near, unsigned slot);
/*
 * Lines a slot should have for an image of so many near lines, where it has `current` now (0: none
 * yet): what there is, unless it is too small or more than eight times too large. Room for growth
 * is in it, since another capacity is another program.
 */
uint32_t weir_near_capacity_for(uint32_t needed, uint32_t current);

#endif
