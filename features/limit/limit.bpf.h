/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The limit stage: who sends more than a limit lets pass is held to it. Behind the lists, whose
 * allowed addresses no limit touches, and ahead of connection tracking, so that a flood costs no
 * flow its place. Only what begins a flow without saying so (all but TCP) is looked at behind it.
 */
#ifndef WEIR_LIMIT_BPF_H
#define WEIR_LIMIT_BPF_H

#include "../../abi/reason.h"
#include "../../bpf/lib/alarm.h"
#include "../../bpf/lib/emit.h"
#include "../../bpf/lib/endian.h"
#include "../../bpf/lib/generation.h"
#include "../../bpf/lib/limit.h"
#include "limit.h"

const volatile struct limit_constants limit_constants = { .enabled = 0 };

/* Where the section begins, counted from the first line of tab_near; 0 when the policy has no
 * limits. */
static __always_inline __u32 limit_first_line(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);
	__u32 first = head ? head->header.first_line[WEIR_SECTION_LIMIT] : 0;

	return first ? near_lines(p) + first : 0;
}

static __always_inline __u32 limit_kind_of(const struct pkt *p)
{
	if (p->proto == PROTO_TCP)
		return p->seen & PKT_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ?
			       LIMIT_KIND_TCP_SYN :
			       LIMIT_KIND_TCP;
	if (p->proto == PROTO_UDP)
		return LIMIT_KIND_UDP;
	return p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6 ? LIMIT_KIND_ICMP :
								    LIMIT_KIND_OTHER;
}

/* Without a branch a span: the sign says whether the port is outside. */
static __always_inline bool limit_spans_have(const struct weir_span *spans, __u64 port)
{
	__u64 inside = 0;

#pragma clang loop unroll(full)
	for (int i = 0; i < LIMIT_SPANS; i++)
		inside |= ~((port - spans[i].from) | (spans[i].to - port));
	return inside >> 63;
}

static __always_inline bool limit_ports_match(const struct pkt *p, const struct limit_row *row,
					      __u32 line)
{
	if (!(row->flags & (LIMIT_HAS_SPORTS | LIMIT_HAS_DPORTS)))
		return true;
	const struct limit_ports *ports = near_at(line);

	if (!ports || !(p->seen & PKT_PORTS))
		return false;
	if (row->flags & LIMIT_HAS_SPORTS && !limit_spans_have(ports->sport, be16(p->sport)))
		return false;
	return !(row->flags & LIMIT_HAS_DPORTS) || limit_spans_have(ports->dport, be16(p->dport));
}

static __always_inline void limit_count(const struct pkt *p, const struct limit_row *row,
					__u32 answer)
{
	struct limit_count *count = limit_counter(row->count);

	if (!count || p->probe)
		return;
	if (answer == LIMIT_OVER) {
		count->over++;
		count->over_bytes += p->len;
		return;
	}
	count->passed++;
	count->passed_bytes += p->len;
	limit_count_unheld(count, answer);
}

/* A limit that is about packets of this kind, which stands in this near line. Returns whether it
 * drops this one. */
__noinline int limit_visit(struct pkt *p, __u32 line)
{
	const struct limit_row *row = p ? near_at(line) : NULL;

	if (!row || !limit_ports_match(p, row, line + 1))
		return 0;
	__u32 answer = limit_hold(p, row);

	limit_count(p, row, answer);
	if (p->probe)
		p->held = LIMIT_LIST | row->count;
	if (answer != LIMIT_OVER)
		return 0;
	p->list = LIMIT_LIST | row->count;
	if (!(row->flags & LIMIT_IS_DRY))
		return 1; /* told of where it ends */
	if (!p->probe)
		emit_event(p, WEIR_EVENT_OVER, WEIR_PASS);
	p->list = 0;
	return 0;
}

/* Those of the bits `about`, in order. */
__noinline int limit_judge(struct pkt *p, __u32 about)
{
	__u32 first = p ? limit_first_line(p) : 0;

	LOOP_ROLLED
	for (__u32 i = 0; i < LIMITS_MAX && first && about; i++, about >>= 1)
		if (about & 1 && limit_visit(p, first + LIMIT_ROW_LINE(i)))
			return WEIR_DROP_LIMIT;
	return WEIR_PASS;
}

/* A look, without a call: which limits are about such a packet, and act now. */
static __always_inline enum weir_reason limit_look(struct pkt *p, enum limit_look look)
{
	__u32 first = limit_first_line(p);
	const struct limit_root *root = first ? near_at(first + look) : NULL;
	__u32 about = root ? root->about[p->direction & 1][limit_kind_of(p)] : 0;

	if (limit_constants.has_alarms && root)
		about &= root->acts[weir_alarm_level(alarm_word(p))];
	return about ? limit_judge(p, about) : WEIR_PASS;
}

static __always_inline enum weir_reason limit_stage(struct pkt *p)
{
	if (!limit_constants.enabled || p->allowed)
		return WEIR_PASS;
	return limit_look(p, LIMIT_LOOK_PACKETS);
}

#define LIMIT_KNOWN_ALL -1 /* a limit is about it where it leaves, too: all stages are to see it */

/* Of a packet that XDP sends on as it did the one before, and that no other stage sees. */
__noinline int limit_known(struct pkt *p)
{
	if (!p || !limit_constants.enabled)
		return WEIR_PASS;
	generation_read(p);
	__u32 first = limit_first_line(p);
	const struct limit_root *root = first ? near_at(first + LIMIT_LOOK_PACKETS) : NULL;

	if (root && root->about[WEIR_EGRESS][limit_kind_of(p)])
		return LIMIT_KNOWN_ALL;
	return limit_look(p, LIMIT_LOOK_PACKETS);
}

/* The second place, behind connection tracking, which knows what begins a flow. */
static __always_inline enum weir_reason limit_begin_stage(struct pkt *p)
{
	if (!limit_constants.has_beginnings || p->pending != PKT_BEGINS || p->allowed)
		return WEIR_PASS;
	return limit_look(p, LIMIT_LOOK_BEGINNINGS);
}

#endif
