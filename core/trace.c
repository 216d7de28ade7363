/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, attaching and pinning of the tracing programs. What they count is the features'. */
#include "trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/trace.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "bpf/trace.skel.h"
#include "constants.h"
#include "map_private.h"
#include "pin.h"

#define TRACE_MAPS_MAX 16
#define TRACE_LINK "trace-kfree_skb"
#define TRACE_TURN "cfg_trace"

struct weir_tracer {
	struct weir_trace *skeleton;
	struct weir_map maps[TRACE_MAPS_MAX];
	size_t map_count;
	struct bpf_link *link;
};

void weir_tracer_free(struct weir_tracer *tracer)
{
	if (!tracer)
		return;
	bpf_link__destroy(tracer->link);
	weir_trace__destroy(tracer->skeleton);
	free(tracer);
}

static void weir_tracer_freep(struct weir_tracer **tracer)
{
	weir_tracer_free(*tracer);
}

struct weir_map *weir_tracer_map(struct weir_tracer *tracer, const char *name)
{
	for (size_t i = 0; i < tracer->map_count; i++)
		if (strcmp(tracer->maps[i].name, name) == 0)
			return &tracer->maps[i];
	return NULL;
}

uint64_t weir_tracer_missed(const struct weir_tracer *tracer)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_program__fd(tracer->skeleton->progs.weir_drops);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.recursion_misses;
}

/* What is said of a failure is said in one sentence, by who asked. */
static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static bool map_fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

/* What another version laid out otherwise is begun anew. */
static int map_take(struct weir_tracer *tracer, struct bpf_map *map, const char *pin_dir)
{
	if (bpf_map__is_internal(map))
		return 0;
	if (tracer->map_count == TRACE_MAPS_MAX)
		return -E2BIG;
	struct weir_map *mine = &tracer->maps[tracer->map_count++];
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", bpf_map__name(map));

	mine->bpf = map;
	memccpy(mine->name, bpf_map__name(map), '\0', sizeof(mine->name) - 1);
	mine->reused = fd >= 0 && map_fits(map, fd);
	return mine->reused ? bpf_map__reuse_fd(map, fd) : 0;
}

static int tracer_constants(struct weir_tracer *tracer, const struct weir_kernel_types *types,
			    const struct weir_trace_constant *constants, uint64_t turn)
{
	struct stat netns;
	struct weir_trace_constants mine = {
		.turn = turn,
		.kfree_skb_args = weir_kernel_tracepoint_args(types, "kfree_skb"),
	};

	if (stat("/proc/self/ns/net", &netns))
		return -errno;
	mine.netns = (__u32)netns.st_ino;
	int r = weir_constant_write(tracer->skeleton->obj, "trace_constants", &mine, sizeof(mine));

	for (size_t i = 0; constants[i].name && !r; i++)
		r = weir_constant_write(tracer->skeleton->obj, constants[i].name,
					constants[i].value, constants[i].size);
	return r;
}

static int tracer_load(struct weir_tracer *tracer, const char *pin_dir,
		       const struct weir_kernel_types *types,
		       const struct weir_trace_constant *constants, uint64_t turn)
{
	struct bpf_map *map;

	tracer->skeleton = weir_trace__open();
	if (!tracer->skeleton)
		return -errno;
	bpf_object__for_each_map(map, tracer->skeleton->obj) {
		int r = map_take(tracer, map, pin_dir);

		if (r)
			return r;
	}
	int r = tracer_constants(tracer, types, constants, turn);

	return r ? r : weir_trace__load(tracer->skeleton);
}

/*
 * Attached, then the turn, then the link of the one before goes: between the first two steps the
 * old one counts, after the second the new one, and the word is the same for both. A daemon that
 * is killed before the third leaves the old one pinned, whose turn is over: until the next start
 * nothing is counted.
 */
static int tracer_turn(struct weir_tracer *tracer, const char *pin_dir, uint64_t turn)
{
	__u32 zero = 0;

	tracer->link = bpf_program__attach(tracer->skeleton->progs.weir_drops);
	if (!tracer->link)
		return -errno;
	for (size_t i = 0; i < tracer->map_count; i++) {
		struct weir_map *map = &tracer->maps[i];
		int r = map->reused ?
				0 :
				weir_pin_replace(bpf_map__fd(map->bpf), pin_dir, "maps", map->name);

		if (r)
			return r;
	}
	int r = weir_map_set(weir_tracer_map(tracer, TRACE_TURN), &zero, &turn);

	return r ? r : weir_pin_replace(bpf_link__fd(tracer->link), pin_dir, "links", TRACE_LINK);
}

int weir_tracer_new(const char *pin_dir, const struct weir_kernel_types *types,
		    const struct weir_trace_constant *constants, struct weir_diag *diag,
		    struct weir_tracer **ret_tracer)
{
	_cleanup_(weir_tracer_freep) struct weir_tracer *tracer = calloc(1, sizeof(*tracer));
	uint64_t turn = weir_clock_monotonic_ns();
	libbpf_print_fn_t print = libbpf_set_print(quiet);
	int r = tracer ? tracer_load(tracer, pin_dir, types, constants, turn) : -ENOMEM;

	if (!r)
		r = tracer_turn(tracer, pin_dir, turn);
	libbpf_set_print(print);
	if (r) {
		weir_diag_error(diag, "see `weir doctor`", "tracing programs: %s", strerror(-r));
		return r;
	}
	*ret_tracer = weir_take(tracer);
	return 0;
}

int weir_tracer_try(void)
{
	libbpf_print_fn_t print = libbpf_set_print(quiet);
	struct weir_trace *skeleton = weir_trace__open();
	int r = skeleton ? weir_trace__load(skeleton) : -errno;
	struct bpf_link *link = r ? NULL : bpf_program__attach(skeleton->progs.weir_drops);

	if (!r && !link)
		r = -errno;
	bpf_link__destroy(link);
	weir_trace__destroy(skeleton);
	libbpf_set_print(print);
	return r;
}

void weir_tracer_remove(const char *pin_dir)
{
	struct weir_trace *skeleton = weir_trace__open();
	struct bpf_map *map;

	weir_pin_remove(pin_dir, "links", TRACE_LINK);
	if (!skeleton)
		return;
	bpf_object__for_each_map(map, skeleton->obj)
		if (!bpf_map__is_internal(map))
			weir_pin_remove(pin_dir, "maps", bpf_map__name(map));
	weir_trace__destroy(skeleton);
}
