/* SPDX-License-Identifier: Apache-2.0 */
/* The map of near sections: a plain array, so that the kernel compiles look-ups in place. */
#include "near.h"

#include <errno.h>
#include <string.h>

#include "abi/maps.h"

int weir_near_open(struct weir_near *near, struct weir_object *object)
{
	struct weir_map *map = weir_object_map(object, "tab_near");
	int r = map ? weir_map_memory_open(map, &near->memory) : -ENOENT;

	if (r)
		return r;
	near->lines = near->memory.at;
	near->capacity = weir_map_capacity(map) / WEIR_POLICY_SLOTS;
	return 0;
}

void weir_near_done(struct weir_near *near)
{
	weir_map_memory_done(&near->memory);
	*near = (struct weir_near){};
}

struct weir_line *weir_near_slot(const struct weir_near *near, unsigned slot)
{
	return near->lines + (size_t)slot * near->capacity;
}

int weir_near_write(struct weir_near *near, unsigned slot, const struct weir_image *image)
{
	uint32_t count = 0;
	const struct weir_line *lines = weir_image_near(image, &count);

	if (count > near->capacity)
		return -E2BIG;
	memcpy(weir_near_slot(near, slot), lines, (size_t)count * WEIR_LINE_BYTES);
	return 0;
}

bool weir_near_holds(const struct weir_near *near, unsigned slot, const struct weir_image *image)
{
	uint32_t count = 0, fixed = weir_image_near_fixed(image);
	const struct weir_line *lines = weir_image_near(image, &count);

	return count <= near->capacity &&
	       memcmp(weir_near_slot(near, slot), lines, (size_t)fixed * WEIR_LINE_BYTES) == 0;
}

uint32_t weir_near_capacity_for(uint32_t needed, uint32_t current)
{
	uint32_t fitting = WEIR_NEAR_LINES;

	while (fitting < needed + needed / 8)
		fitting *= 2;
	bool is_kept = current >= WEIR_NEAR_LINES && current >= needed && current / 8 <= fitting;

	return is_kept ? current : fitting;
}
