/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs that watch the kernel itself, by its own tracepoints: an object of their own, since
 * they need BTF and what the path of a packet needs must not. They judge nothing. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "../features/drops/drops.bpf.h"
#include "../features/sockets/sockets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
