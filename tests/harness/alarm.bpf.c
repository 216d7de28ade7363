/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a stage would know of a packet's interface: bpf/lib/alarm.h on a map that alarm.c names. For
 * tests alone. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/alarm.h"

struct place {
	__u32 slot, ifindex;
};

const volatile struct place place;

SEC("xdp")
int look(struct xdp_md *ctx)
{
	struct pkt p = { .iface_slot = place.slot, .ifindex = place.ifindex };

	return alarm_word(&p);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
