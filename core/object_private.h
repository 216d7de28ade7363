/* SPDX-License-Identifier: Apache-2.0 */
/* What an object is, for object.c (programs) and object_maps.c alone. */
#ifndef WEIR_CORE_OBJECT_PRIVATE_H
#define WEIR_CORE_OBJECT_PRIVATE_H

#include <string.h>

#include "map_private.h"
#include "object.h"

#define OBJECT_MAPS_MAX 64
#define OBJECT_OLD_MAX 16
#define OBJECT_MAP_NAME 16 /* BPF_OBJ_NAME_LEN */

struct weir_main;
struct bpf_object;

struct weir_object {
	struct weir_main *skeleton;
	struct bpf_object *bpf; /* of the skeleton */
	struct weir_constants *constants;
	struct weir_map maps[OBJECT_MAPS_MAX];
	size_t map_count;
	uint64_t number; /* of this object alone; from 1 */
	uint32_t secret[4];
	bool takes_frags; /* the XDP program takes frames in several buffers */
	bool policy_reused;
	enum weir_pins pins;
	/* State maps that do not fit any more, by their names; until the object is loaded. */
	struct {
		char name[OBJECT_MAP_NAME];
		int fd;
	} old[OBJECT_OLD_MAX];
	size_t old_count;
	bool has_old;
};

#define OLD_PREFIX "st_old_"

static inline bool weir_map_is_old(const char *name)
{
	return strncmp(name, OLD_PREFIX, sizeof(OLD_PREFIX) - 1) == 0;
}

/* An enum weir_pins or an error. */
int weir_object_look_at_pins(const char *pin_dir);
/* Before the object is loaded: maps of `from`, or pinned ones, that fit are its own; state maps of
 * another size become its old ones. */
int weir_object_take_maps(struct weir_object *object, const struct weir_object *from,
			  const char *pin_dir);
void weir_object_forget_old(struct weir_object *object);

#endif
