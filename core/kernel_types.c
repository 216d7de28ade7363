/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's BTF, and that of the modules that name reasons of their own. */
#include "kernel_types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "base/cleanup.h"

/* Modules that give reasons for drops; where they are built in, they are in the kernel's own. */
static const char *const module_names[] = { "mac80211", "openvswitch" };

#define MODULES WEIR_ARRAY_SIZE(module_names)
#define TRACEPOINT_TYPE "btf_trace_"

struct weir_kernel_types {
	struct btf *kernel;
	struct btf *modules[MODULES]; /* NULL: not loaded */
};

void weir_kernel_types_free(struct weir_kernel_types *types)
{
	if (!types)
		return;
	for (size_t i = 0; i < MODULES; i++)
		btf__free(types->modules[i]);
	btf__free(types->kernel);
	free(types);
}

int weir_kernel_types_new(struct weir_diag *diag, struct weir_kernel_types **ret_types)
{
	_cleanup_(weir_kernel_types_freep) struct weir_kernel_types *types =
		calloc(1, sizeof(*types));

	if (!types)
		return -ENOMEM;
	types->kernel = btf__load_vmlinux_btf();
	if (!types->kernel && errno == ENOMEM)
		return -ENOMEM;
	if (!types->kernel)
		return weir_diag_error(diag, "use a kernel with CONFIG_DEBUG_INFO_BTF",
				       "the kernel tells nothing of its types (BTF)"),
		       -ENOENT;
	for (size_t i = 0; i < MODULES; i++)
		types->modules[i] = btf__load_module_btf(module_names[i], types->kernel);
	*ret_types = weir_take(types);
	return 0;
}

static bool name_ends(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len >= end && strcmp(name + len - end, ending) == 0;
}

static int enum_each(const struct btf *btf, const struct btf_type *type,
		     int (*each)(const char *name, uint32_t value, void *arg), void *arg)
{
	const struct btf_enum *values = btf_enum(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		int r = each(btf__name_by_offset(btf, values[i].name_off), (uint32_t)values[i].val,
			     arg);

		if (r)
			return r;
	}
	return 0;
}

static int enums_each(const struct btf *btf, uint32_t first, const char *ending,
		      int (*each)(const char *name, uint32_t value, void *arg), void *arg)
{
	for (uint32_t id = first; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		int r = btf_is_enum(type) && name_ends(btf__name_by_offset(btf, type->name_off),
						       ending) ?
				enum_each(btf, type, each, arg) :
				0;

		if (r)
			return r;
	}
	return 0;
}

int weir_kernel_enum_each(const struct weir_kernel_types *types, const char *ending,
			  int (*each)(const char *name, uint32_t value, void *arg), void *arg)
{
	int r = enums_each(types->kernel, 1, ending, each, arg);

	/* A module's types begin behind the kernel's. */
	for (size_t i = 0; i < MODULES && !r; i++)
		if (types->modules[i])
			r = enums_each(types->modules[i], btf__type_cnt(types->kernel), ending,
				       each, arg);
	return r;
}

/* A tracepoint is there as the type of what is called by it, whose first argument is its own. */
unsigned weir_kernel_tracepoint_args(const struct weir_kernel_types *types, const char *name)
{
	char type_name[64];

	snprintf(type_name, sizeof(type_name), TRACEPOINT_TYPE "%s", name);
	int id = btf__find_by_name_kind(types->kernel, type_name, BTF_KIND_TYPEDEF);
	const struct btf_type *type = id > 0 ? btf__type_by_id(types->kernel, (uint32_t)id) : NULL;

	for (int depth = 0; type && depth < 2; depth++)
		type = btf__type_by_id(types->kernel, type->type);
	return type && btf_is_func_proto(type) && btf_vlen(type) ? btf_vlen(type) - 1u : 0;
}
