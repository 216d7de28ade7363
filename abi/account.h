/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where a packet is counted when flows are: in its flow, or not, and why not. Every packet that an
 * interface meets, in either direction, is counted under one of these, so their sum is the
 * interface's own count. Packets and bytes are those of the wire. docs/design/flows.md
 */
#ifndef WEIR_ABI_ACCOUNT_H
#define WEIR_ABI_ACCOUNT_H

#include "maps.h"

/* A row: X(identifier, name, help). Add at the end: numbers are kept in pinned counters. All behind
 * the first two are unaccounted. */
#define WEIR_ACCOUNTS(X)                                                                     \
	X(WEIR_ACCOUNT_FLOW, "flow", "counted in a flow")                                    \
	X(WEIR_ACCOUNT_FORWARDED, "forwarded", "of a flow that counted it where it arrived") \
	X(WEIR_ACCOUNT_DROPPED, "dropped", "dropped by Weir")                                \
	X(WEIR_ACCOUNT_NOT_IP, "not_ip", "neither IPv4 nor IPv6, ARP for one")               \
	X(WEIR_ACCOUNT_UNTRACKED, "untracked", "of no protocol or place that is tracked")    \
	X(WEIR_ACCOUNT_INVALID, "invalid", "fits no flow and begins none")                   \
	X(WEIR_ACCOUNT_ERROR, "icmp_error", "an ICMP error, which is about a flow")          \
	X(WEIR_ACCOUNT_FRAGMENT, "early_fragment", "a fragment ahead of its first")          \
	X(WEIR_ACCOUNT_NO_PLACE, "no_place",                                                 \
	  "its flow found no place, or lost it to another just then")                        \
	X(WEIR_ACCOUNT_ANSWER, "answer", "a SYN answered in a listener's place, or Weir's answer")

enum weir_account {
#define X(identifier, name, help) identifier,
	WEIR_ACCOUNTS(X)
#undef X
	WEIR_ACCOUNT_COUNT,
};

/* Room kept in the counters, so that a new one does not move the old ones. */
#define WEIR_ACCOUNTS_MAX 16

_Static_assert(WEIR_ACCOUNT_COUNT < WEIR_ACCOUNTS_MAX, "counters have a row for each");

/*
 * All in ctr_reason, for a program may use 64 maps and no more: behind the rows of reasons a row an
 * interface slot, direction and account; then one a slot, of flows that begin; then one of what
 * flows carried that are no more.
 */
#define WEIR_ACCOUNT_ROW(iface_slot, direction, account)                                       \
	(WEIR_REASON_ROWS + ((iface_slot)*WEIR_DIRECTIONS + (direction)) * WEIR_ACCOUNTS_MAX + \
	 (account))
#define WEIR_BEGUN_ROW(iface_slot) (WEIR_ACCOUNT_ROW(WEIR_INTERFACES_MAX, 0, 0) + (iface_slot))
#define WEIR_ENDED_ROW WEIR_BEGUN_ROW(WEIR_INTERFACES_MAX)
/* Of those, what is in no record: no record could be sent. Of the slot that is no interface's, in
 * the room behind its accounts. */
#define WEIR_UNRECORDED_ROW WEIR_ACCOUNT_ROW(0, 0, WEIR_ACCOUNTS_MAX - 1)
#define WEIR_COUNT_ROWS (WEIR_ENDED_ROW + 1)

#endif
