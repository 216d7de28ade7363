/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and pinning of the programs that only measure. Where they are attached is
 * measure_places.c's. */
#include "measure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "bpf/measure.skel.h"
#include "measure_private.h"
#include "pin.h"
#include "quiet.h"

#define SHARED_MAP "cfg_iface" /* the packet programs': which row an interface has */

void weir_measurer_free(struct weir_measurer *measurer)
{
	if (!measurer)
		return;
	weir_measure_places_release(&measurer->places);
	weir_measure__destroy(measurer->skeleton);
	free(measurer);
}

static void weir_measurer_freep(struct weir_measurer **measurer)
{
	weir_measurer_free(*measurer);
}

struct weir_map *weir_measurer_map(struct weir_measurer *measurer, const char *name)
{
	return weir_aside_map(&measurer->maps, name);
}

static int shared_take(struct bpf_map *map, const char *pin_dir)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", bpf_map__name(map));

	return fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
}

static int map_take(struct weir_measurer *measurer, struct bpf_map *map)
{
	const struct weir_measure_plan *plan = measurer->plan;

	if (strcmp(bpf_map__name(map), SHARED_MAP) == 0)
		return shared_take(map, measurer->maps.pin_dir);
	int r = strcmp(bpf_map__name(map), plan->sized) == 0 ?
			bpf_map__set_max_entries(map, plan->entries) :
			0;

	return r ? r : weir_aside_map_take(&measurer->maps, map);
}

static int measurer_load(struct weir_measurer *measurer)
{
	struct bpf_map *map;
	int r = 0;

	measurer->skeleton = weir_measure__open();
	if (!measurer->skeleton)
		return -errno;
	bpf_object__for_each_map(map, measurer->skeleton->obj) {
		r = map_take(measurer, map);
		if (r)
			return r;
	}
	return weir_measure__load(measurer->skeleton);
}

static int program_fd(const struct weir_measurer *measurer, const char *name)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(measurer->skeleton->obj, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}

int weir_measurer_new(const char *pin_dir, const struct weir_measure_plan *plan,
		      struct weir_diag *diag, struct weir_measurer **ret_measurer)
{
	_cleanup_(weir_measurer_freep) struct weir_measurer *measurer =
		calloc(1, sizeof(*measurer));
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	if (measurer) {
		measurer->plan = plan;
		measurer->maps.pin_dir = pin_dir;
		measurer->maps.names = plan->maps;
	}
	int r = measurer ? measurer_load(measurer) : -ENOMEM;

	if (!r)
		r = weir_aside_maps_pin(&measurer->maps);
	if (r) {
		weir_diag_error(diag, "see `weir doctor`", "measuring programs: %s", strerror(-r));
		return r;
	}
	measurer->places.hook = plan->hook;
	measurer->places.pin_dir = pin_dir;
	measurer->places.program_fd = program_fd(measurer, plan->program);
	measurer->places.program_ip_fd = program_fd(measurer, plan->program_ip);
	*ret_measurer = weir_take(measurer);
	return 0;
}

size_t weir_measurer_follow(struct weir_measurer *measurer, const uint32_t *ifindexes, size_t count,
			    char why[160])
{
	return weir_measure_places_follow(&measurer->places, ifindexes, count, why);
}

void weir_measurer_remove(const char *pin_dir, const struct weir_measure_plan *plan)
{
	_cleanup_close_ int any = weir_pin_get(pin_dir, "maps", plan->maps[0]);

	if (any < 0) /* what is there is another daemon's */
		return;
	weir_measure_places_remove(pin_dir, plan->hook);
	weir_aside_maps_remove(pin_dir, plan->maps);
}
