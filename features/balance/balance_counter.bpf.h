/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is counted of the balancer as a whole. */
#ifndef WEIR_BALANCE_COUNTER_BPF_H
#define WEIR_BALANCE_COUNTER_BPF_H

#include "../../bpf/lib/pkt.h"
#include "balance.h"

/*
 * writes: the data path, each CPU its own
 * reads: features/balance/balance.c
 * full: cannot be: a row a counter
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BALANCE_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ctr_balance SEC(".maps");

static __always_inline void balance_count(const struct pkt *p, enum balance_counter counter)
{
	__u32 row = counter;
	__u64 *count = p->probe ? NULL : bpf_map_lookup_elem(&ctr_balance, &row);

	if (count)
		++*count;
}

#endif
