/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How much the interface of a packet is under attack (abi/alarm.h): one look-up, which is in line,
 * and no lock. */
#ifndef WEIR_BPF_ALARM_H
#define WEIR_BPF_ALARM_H

#include "../../abi/alarm.h"
#include "../../abi/maps.h"
#include "pkt.h"

/*
 * writes: core/alarm.c, a row when its level changes
 * reads: stages that go by it
 * full: cannot be: a row for every interface slot
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_INTERFACES_MAX);
	__type(key, __u32);
	__type(value, __u64);
} cfg_alarm SEC(".maps");

/* The levels of the interface and of its floods; 0, which is calm, where nothing is known. */
static __always_inline __u32 alarm_word(const struct pkt *p)
{
	__u32 row = p->iface_slot;
	const __u64 *found = bpf_map_lookup_elem(&cfg_alarm, &row);
	__u64 word = found ? *(volatile const __u64 *)found : 0;

	return word >> 32 == p->ifindex ? (__u32)word : 0;
}

#endif
