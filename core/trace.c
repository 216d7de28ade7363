/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, attaching and pinning of the tracing programs. What they count is the features'. */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/trace.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "aside.h"
#include "bpf/trace.skel.h"
#include "constants.h"
#include "map_private.h"
#include "pin.h"
#include "quiet.h"
#include "trace_attach.h"

#define TRACE_PROGRAMS_MAX 16
#define TRACEPOINT_SECTION "tp_btf/"

struct weir_tracer {
	const struct weir_trace_plan *plan;
	struct weir_trace *skeleton;
	struct weir_aside_maps maps;
	struct bpf_link *links[TRACE_PROGRAMS_MAX]; /* in the order of the plan; NULL: it lacks */
	char lacks[160];
};

void weir_tracer_free(struct weir_tracer *tracer)
{
	if (!tracer)
		return;
	for (size_t i = 0; i < TRACE_PROGRAMS_MAX; i++)
		bpf_link__destroy(tracer->links[i]);
	weir_trace__destroy(tracer->skeleton);
	free(tracer);
}

static void weir_tracer_freep(struct weir_tracer **tracer)
{
	weir_tracer_free(*tracer);
}

struct weir_map *weir_tracer_map(struct weir_tracer *tracer, const char *name)
{
	return weir_aside_map(&tracer->maps, name);
}

const char *weir_tracer_lacks(const struct weir_tracer *tracer)
{
	return tracer->lacks;
}

static struct bpf_program *program_of(const struct weir_tracer *tracer, const char *name)
{
	return bpf_object__find_program_by_name(tracer->skeleton->obj, name);
}

uint64_t weir_tracer_missed(const struct weir_tracer *tracer)
{
	uint64_t missed = 0;

	for (const struct weir_trace_program *row = tracer->plan->programs; row->name; row++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(program_of(tracer, row->name));

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			missed += info.recursion_misses;
	}
	return missed;
}

static struct bpf_link *link_of(const struct weir_tracer *tracer, const char *program)
{
	for (size_t i = 0; tracer->plan->programs[i].name; i++)
		if (strcmp(tracer->plan->programs[i].name, program) == 0)
			return tracer->links[i];
	return NULL;
}

bool weir_tracer_has(const struct weir_tracer *tracer, const char *program)
{
	return link_of(tracer, program) != NULL;
}

int weir_tracer_run(struct weir_tracer *tracer, const char *program)
{
	struct bpf_link *link = link_of(tracer, program);

	return link ? weir_trace_run(link) : -ENOENT;
}

static int maps_take(struct weir_tracer *tracer)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, tracer->skeleton->obj) {
		int r = weir_aside_map_take(&tracer->maps, map);

		if (r)
			return r;
	}
	return 0;
}

static int tracer_constants(struct weir_tracer *tracer, const struct weir_kernel_types *types,
			    uint64_t turn)
{
	const struct weir_trace_constant *constants = tracer->plan->constants;
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

static void lack(struct weir_tracer *tracer, const char *hook)
{
	size_t len = strlen(tracer->lacks);

	snprintf(tracer->lacks + len, sizeof(tracer->lacks) - len, "%s%s", len ? ", " : "", hook);
}

/* Only what is planned, and only what this kernel has a tracepoint for. */
static int programs_choose(struct weir_tracer *tracer, const struct weir_kernel_types *types,
			   struct weir_diag *diag)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, tracer->skeleton->obj)
		bpf_program__set_autoload(program, false);
	for (const struct weir_trace_program *row = tracer->plan->programs; row->name; row++) {
		bool is_there = row->kind != WEIR_TRACE_TRACEPOINT ||
				weir_kernel_tracepoint_args(types, row->hook);

		program = program_of(tracer, row->name);
		if (!program)
			return -ENOENT;
		if (!is_there && !row->is_optional)
			return weir_diag_error(diag,
					       "use a kernel that has it: Linux 5.15 or later",
					       "this kernel has no tracepoint %s", row->hook),
			       -ENOTSUP;
		if (!is_there)
			lack(tracer, row->hook);
		bpf_program__set_autoload(program, is_there);
	}
	return 0;
}

static int tracer_load(struct weir_tracer *tracer, const struct weir_kernel_types *types,
		       struct weir_diag *diag, uint64_t turn)
{
	tracer->skeleton = weir_trace__open();
	if (!tracer->skeleton)
		return -errno;
	int r = maps_take(tracer);

	if (!r)
		r = programs_choose(tracer, types, diag);
	if (!r)
		r = tracer_constants(tracer, types, turn);
	return r ? r : weir_trace__load(tracer->skeleton);
}

static int program_attach(struct weir_tracer *tracer, size_t at)
{
	const struct weir_trace_program *row = &tracer->plan->programs[at];
	struct bpf_program *program = program_of(tracer, row->name);

	if (bpf_program__fd(program) < 0) /* this kernel has no such tracepoint */
		return 0;
	int r = weir_trace_attach(program, row->kind, &tracer->links[at]);

	if (r && row->is_optional)
		lack(tracer, row->hook);
	return row->is_optional ? 0 : r;
}

/* The first program of a hook has its name; further ones are numbered, from 2. */
static void link_name(char name[64], const struct weir_trace_plan *plan,
		      const struct weir_trace_program *row)
{
	unsigned number = 1;

	for (const struct weir_trace_program *before = plan->programs; before < row; before++)
		number += before->hook && strcmp(before->hook, row->hook) == 0;
	if (number == 1)
		snprintf(name, 64, "trace-%s", row->hook);
	else
		snprintf(name, 64, "trace-%s-%u", row->hook, number);
}

static int links_pin(struct weir_tracer *tracer, const char *pin_dir)
{
	char name[64];

	for (size_t i = 0; tracer->plan->programs[i].name; i++) {
		const struct weir_trace_program *row = &tracer->plan->programs[i];

		if (row->kind == WEIR_TRACE_ITERATOR)
			continue;
		link_name(name, tracer->plan, row);
		int r = tracer->links[i] ? weir_pin_replace(bpf_link__fd(tracer->links[i]), pin_dir,
							    "links", name) :
					   weir_pin_remove(pin_dir, "links", name);

		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

/*
 * Attached, then the turn, then the links of the one before go: between the first two steps the
 * old one counts, after the second the new one, and the word is the same for both. A daemon that
 * is killed before the third leaves the old ones pinned, whose turn is over: until the next start
 * nothing is counted.
 */
static int tracer_turn(struct weir_tracer *tracer, const char *pin_dir, uint64_t turn)
{
	__u32 zero = 0;

	for (size_t i = 0; tracer->plan->programs[i].name; i++) {
		int r = i < TRACE_PROGRAMS_MAX ? program_attach(tracer, i) : -E2BIG;

		if (r)
			return r;
	}
	int r = weir_aside_maps_pin(&tracer->maps);

	if (!r)
		r = weir_map_set(weir_tracer_map(tracer, tracer->plan->turn), &zero, &turn);
	return r ? r : links_pin(tracer, pin_dir);
}

int weir_tracer_new(const char *pin_dir, const struct weir_kernel_types *types,
		    const struct weir_trace_plan *plan, struct weir_diag *diag,
		    struct weir_tracer **ret_tracer)
{
	_cleanup_(weir_tracer_freep) struct weir_tracer *tracer = calloc(1, sizeof(*tracer));
	uint64_t turn = weir_clock_monotonic_ns();
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	if (tracer) {
		tracer->plan = plan;
		tracer->maps.pin_dir = pin_dir;
		tracer->maps.names = plan->maps;
	}
	int r = tracer ? tracer_load(tracer, types, diag, turn) : -ENOMEM;

	if (!r)
		r = tracer_turn(tracer, pin_dir, turn);
	if (r && !diag->count)
		weir_diag_error(diag, "see `weir doctor`", "tracing programs: %s", strerror(-r));
	if (r)
		return r;
	*ret_tracer = weir_take(tracer);
	return 0;
}

/* Those at tracepoints that this kernel has. */
static int try_load(struct weir_trace *skeleton)
{
	_cleanup_(weir_kernel_types_freep) struct weir_kernel_types *types = NULL;
	struct bpf_program *program;
	int r = skeleton ? weir_kernel_types_new(NULL, &types) : -errno;

	if (r)
		return r;
	bpf_object__for_each_program(program, skeleton->obj) {
		const char *section = bpf_program__section_name(program);
		size_t len = strlen(TRACEPOINT_SECTION);

		bpf_program__set_autoload(
			program, strncmp(section, TRACEPOINT_SECTION, len) == 0 &&
					 weir_kernel_tracepoint_args(types, section + len));
	}
	r = weir_trace__load(skeleton);
	struct bpf_link *link = r ? NULL : bpf_program__attach(skeleton->progs.weir_drops);

	if (!r && !link)
		r = -errno;
	bpf_link__destroy(link);
	return r;
}

int weir_tracer_try(void)
{
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();
	struct weir_trace *skeleton = weir_trace__open();
	int r = try_load(skeleton);

	weir_trace__destroy(skeleton);
	return r;
}

void weir_tracer_remove(const char *pin_dir, const struct weir_trace_plan *plan)
{
	char name[64];

	for (const struct weir_trace_program *row = plan->programs; row->name; row++) {
		if (row->kind == WEIR_TRACE_ITERATOR)
			continue;
		link_name(name, plan, row);
		weir_pin_remove(pin_dir, "links", name);
	}
	weir_aside_maps_remove(pin_dir, plan->maps);
}
