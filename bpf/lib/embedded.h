/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The packet that an ICMP error holds, between the stages that ask about it. */
#ifndef WEIR_BPF_EMBEDDED_H
#define WEIR_BPF_EMBEDDED_H

#include "pkt.h"

/*
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pkt);
} tmp_embedded SEC(".maps");

static __always_inline struct pkt *embedded(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_embedded, &zero);
}

/* For the same policy as the packet that holds it. */
static __always_inline struct pkt *embedded_new(const struct pkt *p)
{
	struct pkt *inner = embedded();

	if (inner)
		*inner = (struct pkt){ .slot = p->slot, .probe = p->probe };
	return inner;
}

#endif
