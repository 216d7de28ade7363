/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which object of tracing programs counts. A link of this kind cannot be given another program, so
 * a daemon that starts attaches its own beside the one it finds; the word says whose turn it is,
 * and changing it is one store. What happens is counted by the one or the other, never by both.
 */
#ifndef WEIR_BPF_TRACE_H
#define WEIR_BPF_TRACE_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "../../abi/trace.h"

/*
 * writes: the daemon, when its programs are attached
 * reads: tracing programs, first of all
 * full: cannot be, it is one word
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cfg_trace SEC(".maps");

const volatile struct weir_trace_constants trace_constants = { .turn = 0 };

static __always_inline bool trace_is_on(void)
{
	__u32 zero = 0;
	const __u64 *turn = bpf_map_lookup_elem(&cfg_trace, &zero);

	return turn && *turn == trace_constants.turn;
}

#endif
