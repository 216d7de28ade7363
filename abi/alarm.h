/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How much an interface is under attack: a word each, which features may go by. Whoever judges
 * writes it (features/attack), in user space; reading it in the data path is bpf/lib/alarm.h's,
 * elsewhere core/alarm.h's.
 */
#ifndef WEIR_ABI_ALARM_H
#define WEIR_ABI_ALARM_H

#include <linux/types.h>

enum weir_alarm {
	WEIR_CALM,
	WEIR_ELEVATED,
	WEIR_ATTACK,
	WEIR_ALARMS,
};

/* What can come too often. A row: X(identifier, name, what is counted). */
#define WEIR_FLOODS(X)                                                    \
	X(WEIR_FLOOD_SYN, "syn", "TCP packets with SYN and without ACK")  \
	X(WEIR_FLOOD_ICMP, "icmp", "ICMP and ICMPv6 packets")             \
	X(WEIR_FLOOD_UDP, "udp", "UDP packets")                           \
	X(WEIR_FLOOD_NEW_FLOWS, "new-flows", "packets that begin a flow") \
	X(WEIR_FLOOD_BAD_FLAGS, "bad-flags", "TCP flags no connection sends together")

enum weir_flood {
#define X(identifier, name, help) identifier,
	WEIR_FLOODS(X)
#undef X
	WEIR_FLOOD_COUNT,
};

/*
 * The word: in the upper half the ifindex it is about, so that a row which goes to another
 * interface says nothing of that one; below, two bits for the level of the interface, which is the
 * highest of its floods, and from bit 8 on two for each flood's own.
 */
#define WEIR_ALARM_BITS 2
#define WEIR_ALARM_MASK ((1U << WEIR_ALARM_BITS) - 1)
#define WEIR_ALARM_FLOODS_SHIFT 8

static inline enum weir_alarm weir_alarm_level(__u32 word)
{
	return (enum weir_alarm)(word & WEIR_ALARM_MASK);
}

static inline enum weir_alarm weir_alarm_of_flood(__u32 word, enum weir_flood flood)
{
	return (enum weir_alarm)(word >> (WEIR_ALARM_FLOODS_SHIFT + WEIR_ALARM_BITS * flood) &
				 WEIR_ALARM_MASK);
}

_Static_assert(WEIR_ALARMS <= 1 << WEIR_ALARM_BITS &&
		       WEIR_ALARM_FLOODS_SHIFT + WEIR_ALARM_BITS * WEIR_FLOOD_COUNT <= 32,
	       "levels have room in a word");

#endif
