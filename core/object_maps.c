/* SPDX-License-Identifier: Apache-2.0 */
/* Which maps an object uses: those of the one before, pinned ones, its own. Pinning them is
 * object_pins.c's; what state maps of another size have comes over in state.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/maps.h"
#include "base/cleanup.h"
#include "constants.h"
#include "object_private.h"
#include "pin.h"

#define STATE_PREFIX "st_"

/* How a map of before compares to the program's own. */
enum likeness {
	MAP_OTHER, /* it means something else */
	MAP_SMALLER,
	MAP_FITS,
	MAP_LARGER,
};

/* An enum likeness, or an error: what cannot be looked at must not count as not there, or what is
 * in it would be lost without a word. */
static int map_compare(const struct bpf_map *map, int fd)
{
	uint32_t entries = bpf_map__max_entries(map);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.map_flags != bpf_map__map_flags(map))
		return MAP_OTHER;
	if (info.max_entries == entries)
		return MAP_FITS;
	return info.max_entries < entries ? MAP_SMALLER : MAP_LARGER;
}

static int fd_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

/* A descriptor of the map of before; -ENOENT where there is none. */
static int map_find_old(const struct weir_object *from, const char *pin_dir, const char *name)
{
	if (from) {
		int fd = weir_object_map_fd(from, name);

		return fd < 0 ? fd : fd_copy(fd);
	}
	return pin_dir ? weir_pin_get(pin_dir, "maps", name) : -ENOENT;
}

static const char *const policy_maps[] = { "cfg_live", "tab_policy", "tab_head", "tab_near" };

static bool is_policy_map(const char *name)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policy_maps); i++)
		if (strcmp(name, policy_maps[i]) == 0)
			return true;
	return false;
}

static int policy_map_fits(const struct weir_object *object, const char *name,
			   const struct weir_object *from, const char *pin_dir)
{
	_cleanup_close_ int old = map_find_old(from, pin_dir, name);
	struct bpf_map *map = bpf_object__find_map_by_name(object->bpf, name);
	uint32_t capacity = weir_constants_capacity_of(object->constants, name);
	int r = capacity ? bpf_map__set_max_entries(map, capacity) : 0;

	if (r)
		return r;
	if (old < 0)
		return old == -ENOENT ? 0 : old;
	int likeness = map_compare(map, old);

	return likeness < 0 ? likeness : likeness == MAP_FITS;
}

/* 1 where all of them fit, else 0 or an error. */
static int policy_fits(const struct weir_object *object, const struct weir_object *from,
		       const char *pin_dir)
{
	int fits = 1;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policy_maps) && fits == 1; i++)
		fits = policy_map_fits(object, policy_maps[i], from, pin_dir);
	return fits;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* A state map of another size: what is in it is to come over (state.c). */
static int old_keep(struct weir_object *object, const struct bpf_map *map, int fd)
{
	const char *name = bpf_map__name(map);

	if (!has_prefix(name, STATE_PREFIX))
		return 0;
	if (object->old_count == OBJECT_OLD_MAX)
		return -E2BIG;
	int copy = fd_copy(fd);

	if (copy < 0)
		return copy;
	snprintf(object->old[object->old_count].name, BPF_OBJ_NAME_LEN, "%s", name);
	object->old[object->old_count++].fd = copy;
	return 0;
}

void weir_object_forget_old(struct weir_object *object)
{
	for (size_t i = 0; i < object->old_count; i++)
		close(object->old[i].fd);
	object->old_count = 0;
	object->has_old = false;
}

/* A run that was killed while state came over left the rest of it pinned under its old name. */
static int old_find_pinned(const struct bpf_map *map, const char *pin_dir)
{
	_cleanup_close_ int fd =
		pin_dir ? weir_pin_get(pin_dir, "maps", bpf_map__name(map)) : -ENOENT;
	int likeness = fd < 0 ? fd : map_compare(map, fd);

	if (likeness < 0)
		return likeness;
	return likeness == MAP_LARGER ? weir_take_fd(fd) : -ENOENT;
}

static int old_find(const struct weir_object *object, const struct bpf_map *map,
		    const char *pin_dir)
{
	const char *name = bpf_map__name(map) + strlen(OLD_PREFIX);

	for (size_t i = 0; i < object->old_count; i++)
		if (strcmp(object->old[i].name + strlen(STATE_PREFIX), name) == 0)
			return fd_copy(object->old[i].fd);
	return old_find_pinned(map, pin_dir);
}

static int old_take(struct weir_object *object, struct bpf_map *map, int fd)
{
	int r = bpf_map__reuse_fd(map, fd);

	object->has_old |= r == 0;
	return r;
}

/* The map st_NAME of a map st_old_NAME, when it is one of before. */
static int old_find_kept(const struct weir_object *object, const struct bpf_map *old)
{
	char name[2 * BPF_OBJ_NAME_LEN];

	snprintf(name, sizeof(name), STATE_PREFIX "%s", bpf_map__name(old) + strlen(OLD_PREFIX));
	const struct weir_map *map = weir_object_map((struct weir_object *)object, name);

	return map && map->reused ? bpf_map__fd(map->bpf) : -ENOENT;
}

/*
 * Where one table comes over and another keeps its map, that map is the old one as well: until it
 * is turned, the new program works in what the one before works in, whichever table it is.
 */
static int object_keep_others(struct weir_object *object, const bool *is_taken)
{
	struct bpf_map *map;
	size_t i = 0;
	int r = 0;

	bpf_object__for_each_map(map, object->bpf) {
		int fd = weir_map_is_old(bpf_map__name(map)) && !is_taken[i] ?
				 old_find_kept(object, map) :
				 -ENOENT;

		i++;
		if (fd >= 0 && !r)
			r = old_take(object, map, fd);
	}
	return r;
}

/* After all others: what did not fit goes to its place. */
static int object_take_old(struct weir_object *object, const char *pin_dir)
{
	bool is_taken[2 * OBJECT_MAPS_MAX] = {};
	struct bpf_map *map;
	size_t i = 0;

	bpf_object__for_each_map(map, object->bpf) {
		if (i == WEIR_ARRAY_SIZE(is_taken))
			return -E2BIG;
		_cleanup_close_ int fd = weir_map_is_old(bpf_map__name(map)) ?
						 old_find(object, map, pin_dir) :
						 -ENOENT;
		int r = fd == -ENOENT ? 0 : fd < 0 ? fd : old_take(object, map, fd);

		if (r)
			return r;
		is_taken[i++] = fd >= 0;
	}
	return object->has_old ? object_keep_others(object, is_taken) : 0;
}

/* The map of before is the program's own where it fits. */
static int map_take(struct weir_object *object, struct weir_map *entry, int old)
{
	int likeness = map_compare(entry->bpf, old);

	if (likeness < 0)
		return likeness;
	if (likeness != MAP_FITS)
		return likeness == MAP_OTHER ? 0 : old_keep(object, entry->bpf, old);
	if (is_policy_map(entry->name) && !object->policy_reused)
		return 0;
	int r = bpf_map__reuse_fd(entry->bpf, old);

	entry->reused = r == 0;
	return r;
}

static int object_add_map(struct weir_object *object, struct bpf_map *map,
			  const struct weir_object *from, const char *pin_dir)
{
	const char *name = bpf_map__name(map);

	if (bpf_map__is_internal(map))
		return 0;
	if (object->map_count == OBJECT_MAPS_MAX)
		return -E2BIG;
	struct weir_map *entry = &object->maps[object->map_count++];
	uint32_t capacity = weir_constants_capacity_of(object->constants, name);

	*entry = (struct weir_map){ .bpf = map };
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	if (weir_map_is_old(name))
		return 0;
	if (capacity && bpf_map__set_max_entries(map, capacity))
		return -EINVAL;
	/* Scratch is each object's own: a probe of the new program must not meet one of the old. */
	if (has_prefix(name, "tmp_"))
		return 0;
	_cleanup_close_ int old = map_find_old(from, pin_dir, name);

	if (old < 0)
		return old == -ENOENT ? 0 : old;
	return map_take(object, entry, old);
}

static int policy_look(struct weir_object *object, const struct weir_object *from,
		       const char *pin_dir)
{
	int fits = policy_fits(object, from, pin_dir);

	object->policy_reused = fits > 0;
	return fits < 0 ? fits : 0;
}

int weir_object_take_maps(struct weir_object *object, const struct weir_object *from,
			  const char *pin_dir)
{
	int found = !from && pin_dir ? weir_object_look_at_pins(pin_dir) : WEIR_PINS_OURS;
	const char *pins = found == WEIR_PINS_OURS ? pin_dir : NULL;
	struct bpf_map *map;
	int r = found < 0 ? found : policy_look(object, from, pins);

	object->pins = found < 0 ? WEIR_PINS_NONE : (enum weir_pins)found;

	bpf_object__for_each_map(map, object->bpf)
		if (!r)
			r = object_add_map(object, map, from, pins);
	return r ? r : object_take_old(object, pins);
}

struct weir_map *weir_object_map(struct weir_object *object, const char *name)
{
	for (size_t i = 0; i < object->map_count; i++)
		if (strcmp(object->maps[i].name, name) == 0)
			return &object->maps[i];
	return NULL;
}

int weir_object_map_fd(const struct weir_object *object, const char *name)
{
	const struct weir_map *map = weir_object_map((struct weir_object *)object, name);

	return map ? bpf_map__fd(map->bpf) : -ENOENT;
}

uint64_t weir_object_resize(const struct weir_object *object)
{
	return object->old_count ? object->number : 0;
}

bool weir_object_has_old(const struct weir_object *object)
{
	return object->has_old;
}

enum weir_pins weir_object_pins(const struct weir_object *object)
{
	return object->pins;
}

bool weir_object_policy_is_reused(const struct weir_object *object)
{
	return object->policy_reused;
}
