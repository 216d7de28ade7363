/* SPDX-License-Identifier: Apache-2.0 */
/* How a tracing program is attached, by its kind, and how an iterator runs; for trace.c. */
#ifndef WEIR_CORE_TRACE_ATTACH_H
#define WEIR_CORE_TRACE_ATTACH_H

#include "trace.h"

struct bpf_link;
struct bpf_program;

int weir_trace_attach(struct bpf_program *program, enum weir_trace_hook kind,
		      struct bpf_link **ret_link);
/* Has the iterator run to its end; what it writes is not wanted. */
int weir_trace_run(struct bpf_link *link);

#endif
