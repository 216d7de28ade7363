/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What becomes of a packet of a relayed connection, between the stage that knows and the hook that
 * does it. */
#ifndef WEIR_BPF_RELAY_WORK_H
#define WEIR_BPF_RELAY_WORK_H

#include "relay.h"

struct relay_work {
	struct relay_change change;
	struct relay_made made;	  /* in its place; of PKT_RELAY_OPENS, what the server gets ... */
	struct relay_made update; /* ... and what the client does */
	__u32 first;		  /* the number behind the client's SYN */
	struct relay_header header;
	struct pkt inner; /* what an error holds */
};

/*
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct relay_work);
} tmp_relay SEC(".maps");

static __always_inline struct relay_work *relay_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_relay, &zero);
}

#endif
