/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The packet programs: one object, one set of maps, whichever hook they run at. Only uapi headers,
 * so that it loads where there is no BTF. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "xdp.h"
#include "tc.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
