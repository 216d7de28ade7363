/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The rules stage and the default policy: what the search finds is done. */
#ifndef WEIR_RULES_BPF_H
#define WEIR_RULES_BPF_H

#include "../../bpf/lib/count.h"
#include "../../bpf/lib/emit.h"
#include "../../bpf/lib/limit.h"
#include "../../bpf/lib/served.h"
#include "rules_search.bpf.h"

const volatile struct rules_constants rules_constants = { .enabled = 1 };

/*
 * writes: the data path, each CPU its own
 * reads: features/rules/rules_hits.c
 * full: cannot be: a row for every rule there may be, those of the policy before included
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RULES_ROWS);
	__type(key, __u32);
	__type(value, struct weir_count);
} ctr_rule SEC(".maps");

/*
 * Scratch, and not on the stack, of which a packet's functions have 512 bytes together. One a CPU
 * is enough: the programs run with softirqs off and send nothing from within, so none begins before
 * another of the same CPU has ended. But for test runs before Linux 6.11, which leave them on: what
 * a probe has found may then be overwritten by a packet that comes in between, and explain tells
 * nonsense that once. The packet itself is judged whole.
 *
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rules_search);
} tmp_search SEC(".maps");

/* A rule has matched: it is counted, told of, and its mark is set. */
static __always_inline void record_apply(struct pkt *p, struct rules_search *search,
					 const struct rules_record *record)
{
	__u32 row = record->row;

	if (record->flags & RULES_MARKS && (!p->has_mark || record->rank >= search->mark_rank)) {
		p->mark = record->mark;
		p->has_mark = true;
		search->mark_rank = record->rank;
	}
	if (p->probe)
		return;
	count_add(bpf_map_lookup_elem(&ctr_rule, &row), p->len);
	if (record->flags & RULES_TELLS) {
		p->rule = row;
		emit_event(p, WEIR_EVENT_LOG, WEIR_PASS);
	}
}

/*
 * A rule with a limit has matched: whether the packet is over it. Its bucket is charged only when
 * no rule before it decides and no limit before it is full: limits are one group, in their order.
 */
static __always_inline bool record_is_over(struct pkt *p, const struct rules_root *root,
					   const struct rules_record *record)
{
	__u32 line = rules_first(p, WEIR_SECTION_RULES) + root->limits + record->limit;
	const struct limit_row *row = near_line(p, line);

	if (!row)
		return false;
	__u32 answer = limit_hold(p, row), over = row->count;

	if (p->probe)
		p->held = record->row;
	else if (answer == LIMIT_OVER)
		count_add(bpf_map_lookup_elem(&ctr_rule, &over), p->len);
	else if (answer != LIMIT_PASSES)
		limit_count_unheld(limit_counter(LIMIT_COUNT_OTHERS), answer);
	return answer == LIMIT_OVER;
}

/*
 * A rule that the vectors name. Returns whether it ends the search in its group, whose rules stand
 * in their order. Global, like search_visit(): walked once by the verifier, not once for each place
 * it may be called from.
 */
__noinline int rule_visit(struct pkt *p, struct rules_search *search, __u32 position, __u32 pass)
{
	const struct rules_root *root = p ? rules_root(p) : NULL;

	if (!root || !search)
		return 1;
	const struct rules_record *record = record_at(p, root, position);

	if (!record || record->rank >= search->rank)
		return 1;
	if (!record_holds(p, record))
		return 0;
	if (pass == RULES_EFFECT || (rules_constants.has_limits && pass == RULES_HOLD &&
				     !record_is_over(p, root, record))) {
		record_apply(p, search, record);
		return 0;
	}
	search->rank = record->rank;
	search->position = position;
	return 1;
}

/* Words of the group up to its last need not be looked at. */
static __always_inline void search_leave(struct rules_search *search, __u32 last)
{
	for (__u32 part = 0; part < RULES_AGGREGATES; part++) {
		__u64 up_to = last >= part * 64 + 63 ? ~0ULL :
			      last < part * 64	     ? 0 :
						       (2ULL << (last & 63)) - 1;

		search->left[part] &= ~up_to;
	}
}

/*
 * Once a rule decides, words whose first rule comes behind it are not even fetched: where rules are
 * broad, and every word has something in each dimension, this is what ends the search.
 */
static __always_inline bool word_is_late(const struct rules_search *search,
					 const struct rules_record *first)
{
	return search->rank != RULES_NO_RANK && first->rank >= search->rank;
}

__noinline int search_visit(struct pkt *p, struct rules_search *search, __u32 position, __u32 pass)
{
	const struct rules_root *root = p ? rules_root(p) : NULL;
	__u32 part = position / 4096;

	__asm__ volatile("" : "+r"(part)); /* the verifier is to see this very number compared */
	if (!root || !search || part >= RULES_AGGREGATES)
		return 0;
	const struct rules_record *first = record_at(p, root, position);
	bool is_over = !first || word_is_late(search, first);
	__u64 word = is_over ? 0 : search_word(root, search, part, position / 64 & 63);

	LOOP_ROLLED
	for (int i = 0; i < 64 && word && !is_over; i++) {
		is_over = rule_visit(p, search, position + rules_lowest(word), pass);
		word &= word - 1;
	}
	if (is_over && first)
		search_leave(search, first->last);
	return 0;
}

/* Every word in which all rows have something. */
__noinline int search_run(struct pkt *p, struct rules_search *search, __u32 pass)
{
	const struct rules_root *root = p ? rules_root(p) : NULL;

	if (!root || !search)
		return 0;
	for (__u32 part = 0; part < RULES_AGGREGATES; part++)
		search->left[part] = search->candidates[part] & root->of_pass[pass & 3][part];
	for (__u32 part = 0; part < RULES_AGGREGATES; part++) {
		LOOP_ROLLED
		for (int i = 0; i < 64 && search->left[part]; i++) {
			__u64 words = search->left[part];

			search->left[part] = words & (words - 1);
			search_visit(p, search, (part * 64 + rules_lowest(words)) * 64, pass);
		}
	}
	return 0;
}

/* A number and no branches: the verifier would walk what follows once for each. */
static __always_inline enum weir_reason record_reason(const struct rules_record *record)
{
	const __u64 reasons = (__u64)WEIR_PASS_RULE << RULES_ALLOW * 8 |
			      (__u64)WEIR_DROP_RULE << RULES_DENY * 8 |
			      (__u64)WEIR_DROP_REJECT << RULES_REJECT * 8 |
			      (__u64)WEIR_DROP_RULE_LIMIT << RULES_LIMIT * 8;

	return reasons >> (record->action & 7) * 8 & 0xff;
}

static __always_inline struct rules_search *search_new(void)
{
	__u32 zero = 0;
	struct rules_search *search = bpf_map_lookup_elem(&tmp_search, &zero);

	if (!search)
		return NULL;
	search->rank = RULES_NO_RANK;
	search->mark_rank = 0; /* the mark of a flow gives way to any rule's */
	return search;
}

/*
 * A flow that goes on is asked about as such, and, where no rule knows it so, as it began: who only
 * lets new connections in does not cut off those that he let in before.
 */
static __always_inline void search_decide(struct pkt *p, const struct rules_root *root,
					  struct rules_search *search)
{
	__u8 state = p->state;

	search_rows(p, search);
	search_run(p, search, RULES_DECIDE);
	if (search->rank != RULES_NO_RANK || state != WEIR_CONN_ESTABLISHED ||
	    !(root->fields & 1 << RULES_STATE))
		return;
	p->state = WEIR_CONN_NEW;
	search_rows(p, search);
	search_run(p, search, RULES_DECIDE);
	p->state = state;
}

/* Whether the same packet may be judged otherwise when it comes again, by the same rules. */
static __always_inline bool rules_are_brief(const struct pkt *p, const struct rules_root *root)
{
	return root->fields & 1 << RULES_MINUTE ||
	       (root->fields & 1 << RULES_STATE && p->state == WEIR_CONN_NEW);
}

/*
 * No limit holds an allowed address. Of a flow that goes on no packet is held: the rules let it in,
 * and are asked again only because the policy is another now; an apply would else cut off all but
 * the first of those that were let in over hours.
 */
static __always_inline bool rules_hold(const struct pkt *p)
{
	return rules_constants.has_limits && !p->allowed && p->state != WEIR_CONN_ESTABLISHED;
}

__noinline int rules_judge(struct pkt *p)
{
	const struct rules_root *root = p ? rules_root(p) : NULL;
	struct rules_search *search = search_new();

	if (!root || !root->words || !search)
		return WEIR_PASS;
	p->briefly = rules_are_brief(p, root);
	search_decide(p, root, search);
	if (rules_hold(p))
		search_run(p, search, RULES_HOLD);
	if (root->has_effects)
		search_run(p, search, RULES_EFFECT);
	if (search->rank == RULES_NO_RANK)
		return WEIR_PASS;
	const struct rules_record *best = record_at(p, root, search->position);

	if (!best)
		return WEIR_PASS;
	record_apply(p, search, best);
	p->rule = best->row;
	p->reject = best->reject;
	return record_reason(best);
}

/*
 * The end that no other stage asked for is classified only when rules ask for it; the other one
 * once more where it was a backend's address when it was looked up, and is the service's by now.
 * From here and not deeper, since a packet's functions have 512 bytes of stack together.
 */
static __always_inline void rules_classify(struct pkt *p)
{
	const struct rules_root *root = rules_root(p);
	__u32 local = p->direction == WEIR_INGRESS ? RULES_DST : RULES_SRC;
	__u32 remote = RULES_SRC + RULES_DST - local;

	if (root && root->used & 1 << local)
		end_classify(p, END_LOCAL);
	if (root && root->used & 1 << remote && served_is_turned())
		end_classify(p, END_REMOTE);
}

static __always_inline enum weir_reason rules_stage(struct pkt *p)
{
	if (!rules_constants.enabled)
		return WEIR_PASS;
	__u32 class = p->class; /* what lists go by, and is told of, stands on the wire */

	rules_classify(p);
	enum weir_reason reason = rules_judge(p);

	p->class = class;
	return reason;
}

/* What holds where nothing spoke: for every protocol, every fragment, and packets too damaged to
 * have an address. */
static __always_inline enum weir_reason rules_default(const struct pkt *p)
{
	if (p->allowed)
		return WEIR_PASS_ALLOWED;
	const struct rules_root *root = rules_constants.enabled ? rules_root(p) : NULL;
	__u32 first = root ? rules_first(p, WEIR_SECTION_RULES_IFACES) : 0;

	if (!root || !first)
		return WEIR_PASS_POLICY;
	__u32 row = RULES_IFACE_ROW(p->iface_slot, p->direction);
	const struct rules_row *policy = near_line(p, first + row * root->iface_lines);

	return policy && policy->policy == RULES_DENY ? WEIR_DROP_POLICY : WEIR_PASS_POLICY;
}

#endif
