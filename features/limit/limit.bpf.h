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
#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/emit.h"
#include "../../bpf/lib/endian.h"
#include "../../bpf/lib/generation.h"
#include "limit_bucket.bpf.h"

const volatile struct limit_constants limit_constants = { .lines = 0 };

/*
 * writes: the data path, by compare-and-swap; limit_table.c (words that are long past)
 * reads: packets that a limit is about
 * full: who has no bucket passes, is counted, and by chance takes that which owes least
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_line);
} st_limit SEC(".maps");

/*
 * writes: features/limit/limit.c, once
 * reads: packets that a limit is about
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_shared);
} cfg_limit SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/limit/limit.c
 * full: cannot be: a row for each hash of a name
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_COUNT_ROWS);
	__type(key, __u32);
	__type(value, struct limit_count);
} ctr_limit SEC(".maps");

/*
 * Scratch, and not on the stack, of which a packet's functions have 512 bytes together; one a CPU
 * is enough, as for rules.
 *
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_ask);
} tmp_limit SEC(".maps");

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
static __always_inline bool limit_spans_have(const struct limit_span *spans, __u64 port)
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

static __always_inline __u64 limit_hash(const struct pkt *p, const struct limit_row *row)
{
	__u32 zero = 0;
	const struct limit_shared *shared = bpf_map_lookup_elem(&cfg_limit, &zero);
	const struct weir_addr *addr = row->end == LIMIT_PER_DESTINATION ? &p->dst : &p->src;
	bool is_v4 = p->seen & PKT_IPV4;
	__u64 high = addr->be64[0] & row->mask6[0];
	__u64 low = addr->be64[1] & (is_v4 ? row->mask4 : row->mask6[1]);
	__u64 id = row->id ^ (((__u32)p->proto << 16 | be16(p->dport)) & row->service);

	return limit_mix(limit_mix(limit_mix(shared ? shared->seed : 0, id), high), low);
}

static __always_inline void limit_fill(struct limit_ask *ask, const struct pkt *p,
				       const struct limit_row *row)
{
	__u64 bytes = p->len < row->most ? p->len : row->most;
	__u64 cost = row->flags & LIMIT_COUNTS_BYTES ? row->per * bytes : row->per;

	ask->now = limit_time(row->flags & LIMIT_IS_FINE ? bpf_ktime_get_ns() : clock_ns());
	ask->cost = cost;
	ask->step = cost;
	if (cost & LIMIT_PRINT_MASK)
		ask->step = limit_step(cost, bpf_get_prandom_u32());
	ask->room = row->room;
	ask->is_look = p->probe;
	ask->is_last = 0;
	limit_place(ask, limit_hash(p, row), limit_constants.lines);
}

/* Global, as the next: walked once by the verifier, not once a try. */
__noinline int limit_try_once(struct limit_ask *ask)
{
	if (!ask)
		return LIMIT_PASSES;
	__u32 first = ask->line[0], second = ask->line[1];
	struct limit_line *a = bpf_map_lookup_elem(&st_limit, &first);
	struct limit_line *b = bpf_map_lookup_elem(&st_limit, &second);

	return a && b ? limit_try(a, b, ask) : LIMIT_CROWDED;
}

__noinline int limit_take_place(struct limit_ask *ask)
{
	if (!ask)
		return 0;
	__u32 first = ask->line[0], second = ask->line[1];
	struct limit_line *a = bpf_map_lookup_elem(&st_limit, &first);
	struct limit_line *b = bpf_map_lookup_elem(&st_limit, &second);

	if (a && b)
		limit_replace(a, b, ask);
	return 0;
}

static __always_inline __u32 limit_answer_of(struct limit_ask *ask)
{
	__u32 answer = LIMIT_RACED;

	LOOP_ROLLED
	for (int i = 0; i < LIMIT_TRIES && answer == LIMIT_RACED; i++) {
		ask->is_last = i == LIMIT_TRIES - 1;
		answer = limit_try_once(ask);
	}
	if (answer == LIMIT_CROWDED && !ask->is_look &&
	    !(bpf_get_prandom_u32() % LIMIT_REPLACE_ONE_IN))
		limit_take_place(ask);
	return answer;
}

static __always_inline void limit_count(const struct pkt *p, const struct limit_row *row,
					__u32 answer)
{
	__u32 at = row->count;
	struct limit_count *count = bpf_map_lookup_elem(&ctr_limit, &at);

	if (!count || p->probe)
		return;
	if (answer == LIMIT_OVER) {
		count->over++;
		count->over_bytes += p->len;
		return;
	}
	count->passed++;
	count->passed_bytes += p->len;
	count->crowded += answer == LIMIT_CROWDED;
	count->raced += answer == LIMIT_RACED;
}

/* A limit that is about packets of this kind, which stands in this near line. Returns whether it
 * drops this one. */
__noinline int limit_visit(struct pkt *p, __u32 line)
{
	__u32 zero = 0;
	struct limit_ask *ask = bpf_map_lookup_elem(&tmp_limit, &zero);
	const struct limit_row *row = p ? near_at(line) : NULL;

	if (!row || !ask || !limit_ports_match(p, row, line + 1))
		return 0;
	limit_fill(ask, p, row);
	__u32 answer = limit_answer_of(ask);

	limit_count(p, row, answer);
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
	if (!limit_constants.lines || p->allowed)
		return WEIR_PASS;
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
