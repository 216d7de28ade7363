/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel is asked by the least that needs what is asked for. */
#include "kernel_means.h"

#include <stddef.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_abi.h"

#define LOOPBACK_IFINDEX 1

enum answer {
	NOT_ASKED,
	NO,
	YES,
};

static bool known(enum answer *answer, bool (*ask)(void))
{
	if (*answer == NOT_ASKED)
		*answer = ask() ? YES : NO;
	return *answer == YES;
}

static bool raw_cookies_ask(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_tcp_raw_gen_syncookie_ipv4,
				       NULL) > 0;
}

bool weir_kernel_has_raw_cookies(void)
{
	static enum answer answer;

	return known(&answer, raw_cookies_ask);
}

/* Kernels without it know no such place to ask about. */
static bool tcx_ask(void)
{
	__u32 flags = 0, count = 0;

	return !bpf_prog_query(LOOPBACK_IFINDEX, KERNEL_TCX_INGRESS, 0, &flags, NULL, &count);
}

bool weir_kernel_has_tcx(void)
{
	static enum answer answer;

	return known(&answer, tcx_ask);
}
