/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What arrives at each interface, counted by kind. No stage: it ends no packet. It comes before
 * all of them, so that whatever is done against a flood does not make the flood seem over; and
 * since the verifier walks one path there, behind them a hundred. Packets that begin a flow are
 * counted where that turns out (count_begun()).
 */
#ifndef WEIR_ATTACK_BPF_H
#define WEIR_ATTACK_BPF_H

#include "../../bpf/lib/pkt.h"
#include "../../bpf/lib/route.h"
#include "attack.h"

const volatile struct attack_constants attack_constants = { .enabled = 0 };

/*
 * writes: the data path, each CPU its own; attack_watch.c clears the row of a new interface
 * reads: features/attack/attack_watch.c, once a second
 * full: cannot be: a row for every interface slot
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_INTERFACES_MAX);
	__type(key, __u32);
	__type(value, struct attack_count);
} ctr_attack SEC(".maps");

#define ATTACK_BIT(number) (1ULL << (number))
/* By FIN, SYN, RST, PSH, ACK and URG: of the valid ones, those that ask for a connection. */
#define ATTACK_SYNS \
	(ATTACK_BIT(2) | ATTACK_BIT(2 | 8) | ATTACK_BIT(2 | 32) | ATTACK_BIT(2 | 32 | 8))

/*
 * By arithmetic alone: a branch would be a path of its own for the verifier, and one that a mixed
 * flood mispredicts. By protocol number, so that later fragments of a datagram count as well; but
 * they have no TCP flags.
 */
static __always_inline __u64 attack_kind(const struct pkt *p)
{
	__u64 is_tcp = p->seen >> PKT_TCP_BIT & 1;
	__u64 flags = p->tcp_flags & 0x3f, proto = p->proto & 0x3f;
	__u64 is_low = ((__u64)(p->proto >> 6) - 1) >> 63; /* the number is below 64 */
	__u64 is_icmp = (ATTACK_BIT(PROTO_ICMP) | ATTACK_BIT(PROTO_ICMPV6)) >> proto & is_low;
	__u64 is_udp = ATTACK_BIT(PROTO_UDP) >> proto & is_low;
	__u64 is_syn = ATTACK_SYNS >> flags & is_tcp;
	__u64 is_bad = ~TCP_FLAGS_VALID >> flags & is_tcp;

	return is_icmp * ATTACK_KIND(WEIR_FLOOD_ICMP) + is_udp * ATTACK_KIND(WEIR_FLOOD_UDP) +
	       is_syn * ATTACK_KIND(WEIR_FLOOD_SYN) + is_bad * ATTACK_KIND(WEIR_FLOOD_BAD_FLAGS);
}

static __always_inline void attack_note(const struct pkt *p, enum hook hook)
{
	if (!attack_constants.enabled || hook == HOOK_TC_OUT)
		return;
	__u32 row = p->iface_slot;
	struct attack_count *count = bpf_map_lookup_elem(&ctr_attack, &row);

	if (!count)
		return;
	__u64 one = (p->probe & 1) ^ 1; /* what explain and replay ask has not come */

	count->packets[attack_kind(p) & (ATTACK_KINDS - 1)] += one;
}

#endif
