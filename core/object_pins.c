/* SPDX-License-Identifier: Apache-2.0 */
/* What is pinned before an object is there, and its maps pinned in their order. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/maps.h"
#include "base/cleanup.h"
#include "object_private.h"
#include "pin.h"
#include "pinned.h"

/* Maps of another layout version mean something else, and those of a start that did not come to its
 * end lack what happened since: none of them is taken. An enum weir_pins or an error. */
int weir_object_look_at_pins(const char *pin_dir)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", "cfg_live");
	struct weir_live live = {};

	if (fd < 0)
		return fd == -ENOENT ? WEIR_PINS_NONE : fd;
	int r = weir_pinned_get(fd, 0, &live, sizeof(live));

	if (r && r != -EPROTO) /* its word has another size: of another version */
		return r;
	if (!r && live.layout == WEIR_LAYOUT_VERSION)
		return WEIR_PINS_OURS;
	return !r && live.layout == WEIR_LAYOUT_UNFINISHED ? WEIR_PINS_UNFINISHED : WEIR_PINS_OTHER;
}

uint32_t weir_object_pinned_capacity(const char *pin_dir, const char *map)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", map);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.max_entries : 0;
}

static int map_pin(const struct weir_map *map, const char *pin_dir, struct weir_diag *diag)
{
	int r = weir_pin_replace(bpf_map__fd(map->bpf), pin_dir, "maps", map->name);

	if (r)
		weir_diag_error(diag, "weir doctor", "map %s: cannot be pinned below %s: %s",
				map->name, pin_dir, strerror(-r));
	return r;
}

/* Where nothing is to come over there is nothing to pin. */
static void old_unpin(const struct weir_object *object, const char *pin_dir)
{
	for (size_t i = 0; i < object->map_count; i++)
		if (weir_map_is_old(object->maps[i].name))
			weir_pin_remove(pin_dir, "maps", object->maps[i].name);
}

static int old_pin(const struct weir_object *object, const char *pin_dir, struct weir_diag *diag)
{
	int r = 0;

	for (size_t i = 0; i < object->map_count && object->has_old && !r; i++)
		if (weir_map_is_old(object->maps[i].name))
			r = map_pin(&object->maps[i], pin_dir, diag);
	return r;
}

/*
 * Among maps that do not follow on those pinned, cfg_live comes first: unfinished, it keeps every
 * start from taking a mixture for one whole.
 */
static int live_pin(struct weir_object *object, const char *pin_dir, struct weir_diag *diag)
{
	return object->pins == WEIR_PINS_OURS ?
		       0 :
		       map_pin(weir_object_map(object, "cfg_live"), pin_dir, diag);
}

/*
 * A run may be killed between any two pins, and the next one must find what is stored: in st_NAME
 * where its size is the wanted one, else there or in st_old_NAME. So what state comes from is
 * pinned under its old name before another map takes the place of its own, and the other way round
 * where all of it is in its own again: then the old pins go, also when there is no memory for
 * others, or a start would bring over once more what has long changed.
 */
int weir_object_pin(struct weir_object *object, const char *pin_dir, enum weir_pinned which,
		    struct weir_diag *diag)
{
	int r = old_pin(object, pin_dir, diag);

	if (!r)
		r = live_pin(object, pin_dir, diag);
	for (size_t i = 0; i < object->map_count && !r; i++)
		if (!weir_map_is_old(object->maps[i].name) &&
		    !(object->maps[i].reused && which == WEIR_PIN_NEW))
			r = map_pin(&object->maps[i], pin_dir, diag);
	if (!object->has_old && (!r || which == WEIR_PIN_NEW))
		old_unpin(object, pin_dir);
	return r;
}
