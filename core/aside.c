/* SPDX-License-Identifier: Apache-2.0 */
#include "aside.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "pin.h"

#define PINS "maps" /* the folder of them */

static bool map_fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

static bool is_wanted(const struct weir_aside_maps *maps, const char *name)
{
	for (size_t i = 0; maps->names[i]; i++)
		if (strcmp(maps->names[i], name) == 0)
			return true;
	return false;
}

int weir_aside_map_take(struct weir_aside_maps *maps, struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	if (bpf_map__is_internal(map))
		return 0;
	if (!is_wanted(maps, name))
		return bpf_map__set_autocreate(map, false);
	if (maps->count == WEIR_ASIDE_MAPS_MAX)
		return -E2BIG;
	struct weir_map *mine = &maps->at[maps->count++];
	_cleanup_close_ int fd = weir_pin_get(maps->pin_dir, PINS, name);

	mine->bpf = map;
	memccpy(mine->name, name, '\0', sizeof(mine->name) - 1);
	mine->reused = fd >= 0 && map_fits(map, fd);
	return mine->reused ? bpf_map__reuse_fd(map, fd) : 0;
}

int weir_aside_maps_pin(const struct weir_aside_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct weir_map *map = &maps->at[i];
		int r = map->reused ? 0 :
				      weir_pin_replace(bpf_map__fd(map->bpf), maps->pin_dir, PINS,
						       map->name);

		if (r)
			return r;
	}
	return 0;
}

struct weir_map *weir_aside_map(struct weir_aside_maps *maps, const char *name)
{
	for (size_t i = 0; i < maps->count; i++)
		if (strcmp(maps->at[i].name, name) == 0)
			return &maps->at[i];
	return NULL;
}

void weir_aside_maps_remove(const char *pin_dir, const char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		weir_pin_remove(pin_dir, PINS, names[i]);
}
