/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that only measure as filters of clsact, where a kernel has no TCX (before 6.6). */
#include <errno.h>
#include <stdio.h>

#include <bpf/libbpf.h>

#include "kernel_abi.h"
#include "measure_private.h"
#include "pin.h"
#include "quiet.h"
#include "tc_filters.h"

static void mark_name(char name[48], uint32_t ifindex)
{
	snprintf(name, 48, "%u-clsact", ifindex);
}

int weir_measure_clsact_attach(uint32_t ifindex, int program_fd, const char *pin_dir)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_MEASURE_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();
	int r = bpf_tc_hook_create(&hook);
	char name[48];

	mark_name(name, ifindex);
	if (r == 0) /* ours to take away again, as in hook.c */
		weir_pin_replace(program_fd, pin_dir, "links", name);
	if (r == 0 || r == -EEXIST)
		r = bpf_tc_attach(&hook, &opts);
	return r;
}

bool weir_measure_clsact_is(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE,
		    .priority = CLSACT_MEASURE_PRIORITY);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	return !bpf_tc_query(&hook, &opts);
}

/* The qdisc, if it is ours, goes with the last filter on it. */
static void qdisc_remove(uint32_t ifindex, const char *pin_dir)
{
	char name[48];

	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++) {
		int foreign = weir_tc_foreign_count(ifindex, (enum weir_direction)direction);

		if ((foreign && foreign != -ENODEV) ||
		    weir_tc_program_id(ifindex, (enum weir_direction)direction))
			return;
	}
	mark_name(name, ifindex);
	if (weir_pin_remove(pin_dir, "links", name) == 0)
		weir_tc_qdisc_remove(ifindex);
}

void weir_measure_clsact_detach(uint32_t ifindex, const char *pin_dir)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE,
		    .priority = CLSACT_MEASURE_PRIORITY);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	if (!bpf_tc_detach(&hook, &opts))
		qdisc_remove(ifindex, pin_dir);
}
